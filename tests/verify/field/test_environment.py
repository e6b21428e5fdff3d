"""The usual environment: probes, names, proxies, scaling (rows 14, 24, 26, 36)."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from functools import partial

import pytest

from tests.app.processes import run
from tests.verify.field.clusters import Field, coterie, is_ready, ready, voters
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster


def test_head_is_answered_as_get_is(field: Field) -> None:
    """Row 14."""
    node = field.one()
    node.client.put("/v1/meta/k", content="v")
    node.client.put("/v1/kv/k", content="v")
    paths = ("/livez", "/readyz", "/healthz", "/metrics", "/", "/v1/meta/k", "/v1/meta/none", "/v1/kv/k", "/v1/cluster")
    for path in (*paths, "/ui", "/ui/", "/docs", "/v1/meta?prefix=", "/v1/members", "/v1/raft/snapshot", "/none"):
        got, head = node.client.get(path), node.client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b""
        assert head.headers.get("content-type") == got.headers.get("content-type"), path
        assert head.headers.get("etag") == got.headers.get("etag"), path
        if path not in {"/metrics", "/", "/v1/cluster", "/v1/members", "/v1/raft/snapshot"}:
            assert head.headers.get("content-length") == got.headers.get("content-length"), path
    for path in ("/v1/watch?prefix=", "/v1/events", "/v1/elections/x?watch=true"):
        assert node.client.head(path).status_code == 200, path


@pytest.mark.slow
def test_a_connection_outlives_the_pause_of_a_proxy(field: Field) -> None:
    """Row 26."""
    node = field.one(HTTP__HEAD_SECONDS="1")
    host, port = node.address.split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)) as connection:
        connection.request("PUT", "/v1/meta/k", b"v")
        connection.getresponse().read()
        held = connection.sock
        time.sleep(7)  # what is tried is a pause: the connection outlives five seconds
        connection.request("PUT", "/v1/meta/k", b"v")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        assert connection.sock is held


@pytest.mark.slow
def test_an_address_may_be_a_name(field: Field) -> None:
    """Row 24."""
    for setting in ("LISTEN_ADDR", "PUBLIC_ADDR", "RAFT__LISTEN_ADDR", "RAFT__PUBLIC_ADDR"):
        node = field.up(setting, 1, (), **{setting: "localhost:0"})
        wait_until(partial(is_ready, node), partial(ready, node))
        assert node.address.startswith("127.0.0.1:")
        node.stop()
        told = run("--listen_addr", "127.0.0.1:0", RAFT__PUBLIC_ADDR="no-such-name.invalid:0")
        assert told.returncode != 0
        assert "no-such-name.invalid" in told.stderr
        assert "hostname -i" in told.stderr


@pytest.mark.slow
def test_leaving_one_by_one_keeps_a_majority(field: Field) -> None:
    """Row 36."""
    nodes = field.three()
    for node in nodes[:0:-1]:
        assert coterie(node, "leave", "--yes", "--address", node.address).returncode == 0
    wait_until(lambda: voters(nodes[0]) == ["node1"])
    assert nodes[0].client.put("/v1/meta/k", content="v").status_code == 200
