"""Ten more reports, of other kinds (rows A to J)."""

from __future__ import annotations

import json
import signal
import socket
import stat
from functools import partial

import pytest

from coterie.app.wire.tokens import hash_of
from tests.app.auth.conftest import ADMIN
from tests.app.processes import read_to_end, run
from tests.cluster.processes import Node
from tests.verify.field.clusters import Field, coterie, is_ready, metric, ready
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster

SERVICE = {
    "PORT": "tcp://10.3.104.46:80",
    "PORT_80_TCP": "tcp://10.3.104.46:80",
    "PORT_80_TCP_ADDR": "10.3.104.46",
    "SERVICE_HOST": "10.3.104.46",
    "SERVICE_PORT": "80",
    "SERVICE_PORT_HTTP": "80",
}
"""What Kubernetes puts into the environment of every pod beside a service named coterie."""


def connect(node: Node) -> socket.socket:
    host, port = node.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def test_a_service_of_the_same_name(field: Field) -> None:
    """Row A."""
    node = field.up("one", 1, (), **SERVICE)
    wait_until(partial(is_ready, node), partial(ready, node))
    assert coterie(node, "status", "--check").returncode == 0
    misspelt = run("check-config", LISTEN_ADR="127.0.0.1:0")
    assert misspelt.returncode != 0 or "LISTEN_ADR" in misspelt.stderr, "a misspelt setting is still told of"


@pytest.mark.slow
def test_a_volume_with_files_of_its_own(field: Field) -> None:
    """Row B."""
    directory = field.directory / "one"
    for name in ("lost+found", ".snapshot"):
        (directory / name).mkdir(parents=True)
    node = field.one()
    assert node.client.put("/v1/meta/k", content="v").status_code == 200
    assert node.stop() == 0
    assert (directory / "lost+found").is_dir()
    again = field.one()
    assert again.client.get("/v1/meta/k?raw").text == "v"


def test_a_reload_while_it_joins(field: Field) -> None:
    """Row C: of good settings and of bad ones."""
    file = field.directory / "node.toml"
    file.write_text('cluster_id = "field"\nseed = ["127.0.0.1:1"]\n')
    node = field.up("one", None, (), CONFIG=str(file))
    node.process.send_signal(signal.SIGHUP)
    file.write_text("cluster_id = [broken\n")
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any("node.toml" in line for line in node.lines), lambda: "".join(node.lines))
    file.write_text('cluster_id = "field"\n[log]\nlevel = "debug"\n')
    node.process.send_signal(signal.SIGHUP)
    wait_until(partial(is_ready, node), partial(ready, node))
    assert node.client.get("/livez").status_code == 200


@pytest.mark.slow
def test_scanners_do_not_grow_the_metrics(field: Field) -> None:
    """Row D."""
    node = field.up("one", None)
    node.client.get("/.env")
    before = len(node.client.get("/metrics").text.splitlines())
    for number in range(300):
        node.client.get(f"/wp-admin/{number}.php")
        node.client.request(f"X{number}", "/v1/kv/k")
        node.client.get(f"/v1/meta/{number}")
    assert len(node.client.get("/metrics").text.splitlines()) < before + 100


@pytest.mark.slow
def test_watches_go_with_their_clients(field: Field) -> None:
    """Row E."""
    node = field.one()
    for _ in range(50):
        with connect(node) as connection:
            connection.sendall(b"GET /v1/watch?prefix= HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"200" in connection.recv(64)
    wait_until(lambda: metric(node, "coterie_raft_watches") == 0)


def test_a_token_file_that_ends_with_a_newline(field: Field) -> None:
    """Row F."""
    known = [{"id": "admin", "hash": hash_of(ADMIN), "rules": [{"layer": "*", "action": "admin"}]}]
    node = field.up("one", None, (), AUTH__TOKENS=json.dumps(known), AUTH__ANONYMOUS="none")
    file = field.directory / "token"
    file.write_text(ADMIN + "\r\n")
    file.chmod(stat.S_IRUSR)
    assert node.client.get("/v1/members").status_code == 401
    asked = coterie(node, "members", "--token_file", str(file))
    assert asked.returncode == 0, asked.stderr


def test_a_file_of_settings_with_a_byte_order_mark(field: Field) -> None:
    """Row G."""
    file = field.directory / "node.toml"
    file.write_bytes(b"\xef\xbb\xbf" + b'cluster_id = "windows"\r\n')
    checked = run("check-config", "--config", str(file))
    assert checked.returncode == 0, checked.stderr


def test_a_killed_node_leaves_no_lock(field: Field) -> None:
    """Row H: its process number is another's now."""
    node = field.one()
    node.kill()
    (field.directory / "one" / "lock").write_text("1\n")
    again = field.one()
    assert again.client.put("/v1/meta/k", content="v").status_code == 200


def test_slashes_are_letters_of_a_key(field: Field) -> None:
    """Row I."""
    node = field.one()
    keys = ("a/b", "a//b", "a/b/", "/a/b", "a/./b", "a/../b", "a%2Fb%2F%2F", "%252F", "a b", "a?b")
    for layer in ("kv", "meta"):
        for number, key in enumerate(keys):
            path = f"/v1/{layer}/{key}".replace("?", "%3F")
            with connect(node) as connection:
                body = str(number)
                connection.sendall(
                    f"PUT {path.replace(' ', '%20')} HTTP/1.1\r\nhost: localhost\r\n"
                    f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()
                )
                assert b" 200 OK" in read_to_end(connection), path
        listed = node.client.get(f"/v1/{layer}?prefix=&limit=1000").json()["keys"]
        found = {each["key"]: each["value"] for each in listed}
        assert found | {"a/b//": "6", "%2F": "7", "a//b": "1", "a/b/": "2", "/a/b": "3", "a/../b": "5"} == found


def test_a_client_that_waits_for_100(field: Field) -> None:
    """Row J."""
    node = field.one()
    with connect(node) as connection:
        connection.sendall(
            b"PUT /v1/meta/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nexpect: 100-continue\r\n"
            b"connection: close\r\n\r\n"
        )
        assert connection.recv(64).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"value")
        assert b" 200 OK" in read_to_end(connection)
    with connect(node) as connection:
        connection.sendall(
            b"PUT /v1/meta/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
        )
        assert b" 413 " in read_to_end(connection), "refused before the body is sent"
