"""etcd's API of real nodes: where it listens, TLS, the members that it lists, and the node's end."""

from __future__ import annotations

import json
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.certificates import Authority
from tests.app.processes import Running, run, running
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster

MEMBER = {"RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "1", "RAFT__LISTEN_ADDR": "127.0.0.1:0"}
ETCD = {"ETCD__LISTEN_ADDR": "127.0.0.1:0"}


def started(directory: Path, **settings: str) -> Any:
    return running(**{"DATA_DIR": str(directory / "data"), **MEMBER, **ETCD, **settings})  # type: ignore[arg-type]


def client(node: Running, **options: Any) -> httpx.Client:
    scheme = "https" if "verify" in options else "http"
    return httpx.Client(base_url=f"{scheme}://{node.start_line['etcd_addr']}", timeout=PATIENCE_SECONDS, **options)


def until_served(node: Running, at: httpx.Client) -> None:
    wait_until(lambda: at.get("/health").status_code == 200, lambda: node.log)


def test_a_node_that_stops_ends_its_streams_with_a_word(tmp_path: Path) -> None:
    with started(tmp_path) as node, client(node) as etcd:
        until_served(node, etcd)
        with etcd.stream("POST", "/v3/watch", json={"create_request": {"key": "aw=="}}) as watch:
            lines = watch.iter_lines()
            assert json.loads(next(lines))["result"]["created"] is True
            assert node.end(signal.SIGTERM) == 0
            error = json.loads(next(lines))["error"]
            assert (error["grpc_code"], error["http_code"], error["message"]) == (14, 503, "etcdserver: server stopped")


def test_members_tell_where_clients_reach_them(tmp_path: Path) -> None:
    with started(tmp_path, NODE_ID="one") as node, client(node) as etcd:
        until_served(node, etcd)
        seed = str(node.start_line["listen_addr"])
        urls = "http://10.0.0.7:2379,http://etcd.example.net:2379"
        # The second one takes no part in Raft, and is told what to say of itself.
        second = {"SEED": seed, "NODE_ID": "two", "ETCD__ADVERTISE_URLS": urls, **ETCD}
        with running(**second) as other, client(other) as far:  # type: ignore[arg-type]

            def members(at: httpx.Client) -> dict[str, Any]:
                found = at.post("/v3/cluster/member/list").json().get("members", ())
                return {each["name"]: each.get("clientURLs") for each in found}

            wanted = {"one": [f"http://{node.start_line['etcd_addr']}"], "two": urls.split(",")}
            wait_until(lambda: members(etcd) == wanted, lambda: members(etcd))
            wait_until(lambda: members(far) == wanted, lambda: members(far))
            put = {"key": "aw==", "value": "dg=="}
            wait_until(lambda: far.post("/v3/kv/put", json=put).status_code == 200, lambda: other.log)
            assert etcd.post("/v3/kv/range", json={"key": "aw=="}).json()["kvs"][0]["value"] == "dg=="


def test_tls_and_certificates_of_clients_are_those_of_the_node(tmp_path: Path) -> None:
    ours, foreign = Authority("ours"), Authority("foreign")
    (tmp_path / "node").mkdir()
    certificate, key = ours.certify(tmp_path / "node", "127.0.0.1")
    tls = {"TLS__CERTIFICATE": certificate, "TLS__KEY": key, "TLS__CA": ours.file(tmp_path)}
    context = ssl.create_default_context(cadata=ours.pem.decode())
    with started(tmp_path, **tls, TLS__CLIENT_CERTIFICATES="required") as node:
        with client(node, verify=context) as stranger, pytest.raises(httpx.TransportError):
            stranger.get("/version")
        (tmp_path / "client").mkdir()
        context.load_cert_chain(*ours.certify(tmp_path / "client", "client"))
        with client(node, verify=context) as etcd:
            until_served(node, etcd)
            members = etcd.post("/v3/cluster/member/list").json()["members"]
            assert members[0]["clientURLs"] == [f"https://{node.start_line['etcd_addr']}"]
        other = ssl.create_default_context(cadata=foreign.pem.decode())
        with (
            client(node, verify=other) as doubting,
            pytest.raises(httpx.ConnectError, match="VERIFY_FAILED"),
        ):
            doubting.get("/version")


def test_an_address_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("--listen_addr", "127.0.0.1:0", ETCD__LISTEN_ADDR=address)
    assert ended.returncode == 1
    assert ended.stderr == f"coterie: etcd.listen_addr {address}: Address already in use; choose another one\n"


def test_without_an_address_it_is_not_served(tmp_path: Path) -> None:
    with started(tmp_path, ETCD__LISTEN_ADDR="") as node:
        assert "etcd_addr" not in node.start_line
        host, port = node.address
        answer = httpx.post(f"http://{host}:{port}/v1/etcd/kv/range", json={"key": "aw=="})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
