"""Real nodes with Raft on, from nothing but their settings: they found one cluster, and any of them answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.processes import Running, running
from tests.waiting import PATIENCE_SECONDS, wait_for, wait_until

pytestmark = pytest.mark.cluster

NAMES = ("n1", "n2", "n3")
FAST = {"INTERVAL_MS": "50", "GOSSIP__INITIAL_INTERVAL": "0.1"}


def started_with(settings: dict[str, str]) -> AbstractContextManager[Running]:
    return running(**FAST, **settings)  # type: ignore[arg-type] # all of them are settings


def url(node: Running) -> str:
    host, port = node.address
    return f"http://{host}:{port}"


@contextmanager
def three_members_and_a_client(path: Path) -> Iterator[list[Running]]:
    """The last one takes no part in Raft."""
    with ExitStack() as stack:
        started: list[Running] = []
        seed: dict[str, str] = {}
        for name in NAMES:
            settings = {"NODE_ID": name, "RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "3", **seed}
            started.append(stack.enter_context(started_with({"DATA_DIR": str(path / name), **settings})))
            seed = seed or {"SEED": str(started[0].start_line["listen_addr"])}
        started.append(stack.enter_context(started_with({"NODE_ID": "client", **seed})))
        for node in started:
            _picture_of(node, lambda raft: raft["leader"] is not None and len(raft["voters"]) == 3)
        yield started
        _stop_all(started)


def _picture_of(node: Running, holds: Any) -> Any:
    """The cluster's picture, once it is the one wanted."""

    def picture() -> Any:
        raft = httpx.get(f"{url(node)}/v1/cluster", timeout=PATIENCE_SECONDS).json()["raft"]
        return raft if holds(raft) else None

    return wait_for(picture, lambda: node.log)


def _stop_all(nodes: list[Running]) -> None:
    """All of them with a watch open, which must not hold anything up."""
    with ExitStack() as stack:
        watches = [
            stack.enter_context(httpx.stream("GET", f"{url(node)}/v1/watch?prefix=", timeout=PATIENCE_SECONDS))
            for node in nodes
        ]
        # The client first: its watch is the leader's, and ends with it otherwise.
        for node, watch in reversed(list(zip(nodes, watches, strict=True))):
            assert node.end() == 0
            errors = [entry for entry in node.entries if entry["level"] in {"error", "critical"}]
            assert errors == []
            try:
                told = watch.read()
            except httpx.RemoteProtocolError:
                continue  # a forwarded stream is cut
            assert b"event: end\n" in told


@pytest.mark.slow
def test_nodes_found_one_cluster_by_themselves_and_any_of_them_answers(tmp_path: Path) -> None:
    with three_members_and_a_client(tmp_path) as nodes:
        _they_are_one_cluster(nodes)
        _they_are_ready(nodes)
        _any_node_answers(nodes)
        _leadership_moves_and_is_followed(nodes)
        _a_watch_at_a_client_sees_a_write_at_a_member(nodes)


def _they_are_one_cluster(nodes: list[Running]) -> None:
    pictures = [_picture_of(node, lambda raft: raft["leader"] is not None) for node in nodes]
    assert len({picture["cluster_id"] for picture in pictures}) == 1
    for picture in pictures:
        assert sorted(picture["voters"]) == list(NAMES)
        assert picture["leader"] in NAMES


def _they_are_ready(nodes: list[Running]) -> None:
    for node in nodes:
        ready = partial(httpx.get, f"{url(node)}/readyz", timeout=PATIENCE_SECONDS)
        wait_until(lambda ready=ready: ready().status_code == 200, lambda ready=ready: ready().text)  # type: ignore[misc]


def _any_node_answers(nodes: list[Running]) -> None:
    for number, writer in enumerate(nodes):
        key = f"jobs/{number}"
        written = httpx.put(f"{url(writer)}/v1/meta/{key}", content=b"\x00\xff", timeout=PATIENCE_SECONDS)
        assert written.status_code == 200, written.text
        for reader in nodes:
            read = httpx.get(f"{url(reader)}/v1/meta/{key}?raw=true", timeout=PATIENCE_SECONDS)
            assert (read.content, read.headers["etag"]) == (b"\x00\xff", written.headers["etag"])


def _transferred(node: Running, target: str) -> bool:
    """On a machine that is too busy for elections it may take more than one try; it never says so of what is not."""
    moved = httpx.post(f"{url(node)}/v1/raft/transfer", json={"node": target}, timeout=PATIENCE_SECONDS)
    assert moved.json() == {"leader": target} or moved.status_code in {503, 504}, moved.text
    return moved.status_code == 200


def _leadership_moves_and_is_followed(nodes: list[Running]) -> None:
    before = _picture_of(nodes[-1], lambda raft: raft["leader"] is not None)["leader"]
    target = next(name for name in NAMES if name != before)
    for _ in range(2):  # asked for once more, it is as it should be
        wait_until(lambda: _transferred(nodes[-1], target))
    for node in nodes:
        _picture_of(node, lambda raft: raft["leader"] == target)
        answer = httpx.put(f"{url(node)}/v1/meta/after", content=b"x", timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, answer.text


def _a_watch_at_a_client_sees_a_write_at_a_member(nodes: list[Running]) -> None:
    with httpx.stream("GET", f"{url(nodes[-1])}/v1/watch?key=watched", timeout=PATIENCE_SECONDS) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        httpx.put(f"{url(nodes[0])}/v1/meta/watched", content=b"x", timeout=PATIENCE_SECONDS)
        data = next(line for line in lines if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["changes"][0]["key"] == "watched"


def test_a_founder_that_waits_for_the_others_is_alive_and_not_ready(tmp_path: Path) -> None:
    settings = {"NODE_ID": "alone", "DATA_DIR": str(tmp_path), "RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "3"}
    with started_with(settings) as node:
        assert httpx.get(f"{url(node)}/livez", timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
        refused = httpx.get(f"{url(node)}/readyz", timeout=PATIENCE_SECONDS)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["code"] == "not_ready"
        assert "raft: " in refused.json()["error"]["message"]
        without_raft = httpx.get(f"{url(node)}/readyz?exclude=raft&verbose", timeout=PATIENCE_SECONDS)
        assert [check["name"] for check in without_raft.json()["checks"]] == ["gossip", "shutdown"]


def test_one_node_is_a_cluster_and_keeps_its_data(tmp_path: Path) -> None:
    settings = {"NODE_ID": "alone", "DATA_DIR": str(tmp_path), "RAFT__ENABLED": "true", "RAFT__BOOTSTRAP_EXPECT": "1"}
    for start in range(2):
        with started_with(settings) as node:
            _picture_of(node, lambda raft: raft["leader"] == "alone")
            if start == 0:
                httpx.put(f"{url(node)}/v1/meta/a", content=b"kept", timeout=PATIENCE_SECONDS)
            else:
                assert httpx.get(f"{url(node)}/v1/meta/a?raw=true", timeout=PATIENCE_SECONDS).text == "kept"
            assert node.end() == 0
