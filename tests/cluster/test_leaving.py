"""Real nodes that go in good order: seen as left at once, without a vote, and welcome again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.processes import Node, Nodes, nodes
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster

NAMES = ("node-0", "node-1", "node-2", "node-3")


def start(started: Nodes, name: str, directory: Path, seeds: list[str]) -> Node:
    return started.start(
        name,
        seeds=seeds,
        DATA_DIR=str(directory / name),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="3",
        RAFT__LISTEN_ADDR="127.0.0.1:0",
        RAFT__MAX_VOTERS="3",
        # Nobody is to be replaced for being dead.
        RAFT__DEAD_VOTER_GRACE="600",
    )


def member(node: Node, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = node.client.get(f"/v1/members/{name}").json()
    return answer


def voters(node: Node) -> set[str]:
    return set(node.client.get("/v1/cluster").json()["raft"]["voters"])


def test_a_voter_leaves_on_command_and_comes_back(tmp_path: Path) -> None:
    with nodes(INTERVAL_MS="200", GOSSIP__INITIAL_INTERVAL="60") as started:
        first = start(started, NAMES[0], tmp_path, [])
        running = [first, *(start(started, name, tmp_path, [first.address]) for name in NAMES[1:3])]
        wait_until(lambda: all(voters(node) == set(NAMES[:3]) for node in running))
        wait_until(lambda: all(node.live() == set(NAMES[:3]) for node in running))
        *others, leaver = running
        command = [sys.executable, "-m", "coterie", "leave", "--address", leaver.address]
        said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert said.returncode == 0, said.stderr
        assert "has left: 2 others know of it. It gave up its place in the Raft layer." in said.stdout
        # No detection: with an initial interval of a minute that would take minutes.
        assert [member(node, NAMES[2])["status"] for node in others] == ["left", "left"]
        assert all(NAMES[2] in node.dead() for node in others)
        assert leaver.process.wait(PATIENCE_SECONDS) == 0
        wait_until(lambda: all(voters(node) == set(NAMES[:2]) for node in others))

        again = start(started, NAMES[2], tmp_path, [first.address])
        wait_until(lambda: member(first, NAMES[2])["status"] == "live")
        # SIGTERM says goodbye too, and keeps what the node is in the Raft layer.
        assert again.stop() == 0
        wait_until(lambda: member(first, NAMES[2])["status"] == "left")

        gone = first.client.delete(f"/v1/members/{NAMES[2]}")
        assert gone.status_code == 200, gone.text
        wait_until(lambda: all(NAMES[2] not in node.dead() for node in others))


def test_a_node_that_is_not_there_cannot_leave() -> None:
    command = [sys.executable, "-m", "coterie", "leave", "--address", "127.0.0.1:1"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (said.returncode, said.stdout) == (5, "")
    assert said.stderr.startswith("coterie: http://127.0.0.1:1 cannot be reached: ")
    wrong = subprocess.run([*command[:-1], "ftp://nowhere"], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert wrong.returncode == 2
    assert "--address: must be http://host:port, https://host:port or host:port, not 'ftp://nowhere'" in wrong.stderr
