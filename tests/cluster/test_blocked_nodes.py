"""Real nodes that are stopped for seconds, as by a blocked event loop, and go on."""

from __future__ import annotations

import json
import time

import pytest

from tests.cluster.processes import Node, nodes
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

STOPS = {"node-1": 5.0, "node-2": 10.0}
"""Seconds. Both begin at the same time."""
CALM_SECONDS = 6.0


def deaths(node: Node) -> list[str]:
    """Whom this node took for dead so far, by its log."""
    entries = [json.loads(line) for line in list(node.lines) if '"node dead"' in line]
    return [entry["node_id"] for entry in entries]


@pytest.mark.slow
def test_nodes_that_were_stopped_call_nobody_dead_and_make_nobody_flap() -> None:
    with nodes(GOSSIP__INITIAL_INTERVAL="1") as started:
        first = started.start("node-0")
        running = [first, *(started.start(f"node-{i}", seeds=[first.address]) for i in range(1, 4))]
        everyone = {node.node_id for node in running}

        def agreed() -> bool:
            return all(node.live() == everyone for node in running)

        wait_until(agreed)
        before = {node.node_id: len(deaths(node)) for node in running}
        stopped = [node for node in running if node.node_id in STOPS]
        for node in stopped:
            node.pause()
        began = time.monotonic()
        for node in stopped:
            time.sleep(max(0.0, began + STOPS[node.node_id] - time.monotonic()))
            node.wake()
        wait_until(agreed)
        time.sleep(CALM_SECONDS)
        assert agreed()
        for node in running:
            told = deaths(node)[before[node.node_id] :]
            if node in stopped:
                # Each slept while the other did; whoever woke first may find that the other is still silent.
                assert set(told) <= {"node-2"} - {node.node_id}, node.lines
            else:
                assert set(told) <= set(STOPS), node.lines
            # Once each at the most: nobody goes to and fro.
            assert len(told) == len(set(told)), node.lines
