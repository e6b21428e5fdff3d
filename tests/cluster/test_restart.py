"""A whole cluster that is started again: with its keys, and without the seeds by which it once found itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coterie.app.node.storage.gossip_file import FILE_NAME, decode
from tests.cluster.processes import Node, Nodes, nodes
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

NAMES = ("node-0", "node-1", "node-2")


def own_loopback() -> str:
    """An address of this test's own, so that nobody takes a port between its end and its return."""
    number = os.getpid()
    return f"127.{number >> 16 & 63 | 64}.{number >> 8 & 255}.{number & 255 or 1}"


def test_a_cluster_finds_itself_again_with_its_keys_and_without_seeds(tmp_path: Path) -> None:
    with nodes(INTERVAL_MS="100", PERSISTENCE__INTERVAL="0.1") as started:

        def start(started: Nodes, name: str, listen_addr: str, seeds: list[str]) -> Node:
            return started.start(name, listen_addr=listen_addr, seeds=seeds, DATA_DIR=str(tmp_path / name))

        first = start(started, NAMES[0], f"{own_loopback()}:0", [])
        rest = [start(started, name, f"{own_loopback()}:0", [first.address]) for name in NAMES[1:]]
        running = [first, *rest]
        wait_until(lambda: all(node.live() == set(NAMES) for node in running))
        for node in running:
            node.set("color", f"of {node.node_id}")
        first.set("gone", "soon")
        first.client.get("/mark_for_deletion", params={"key": "gone"})

        def kept(name: str) -> bool:
            held = decode((tmp_path / name / FILE_NAME).read_bytes())
            return len(held.peers) == 2 and {key.key for key in held.keys} == {"color"}

        wait_until(lambda: all(kept(name) for name in NAMES))
        generations = {n["node_id"]: n["generation"] for n in first.state()["live_nodes"]}
        first.stop()
        for node in rest:
            node.kill()

        again = [start(started, node.node_id, node.address, []) for node in running]
        wait_until(lambda: all(node.live() == set(NAMES) for node in again))
        colors = {name: f"of {name}" for name in NAMES}
        wait_until(lambda: all({name: node.value(name, "color") for name in NAMES} == colors for node in again))
        for node in again:
            assert node.value(NAMES[0], "gone") is None
            assert all(n["generation"] > generations[n["node_id"]] for n in node.state()["live_nodes"])
            assert node.state()["cluster_state"]["seed_addrs"] == []
