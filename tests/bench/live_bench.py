"""500 WebSocket clients and 1,000 keep-alive connections on one node of three, while gossip and Raft go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.idle_bench import processor_seconds, resident_bytes
from tests.bench.live_load import Seen, put_under_load
from tests.cluster.processes import Node, Nodes, nodes
from tests.waiting import wait_until

CLIENTS = 500
CONNECTIONS = 1_000
SECONDS = 20.0


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))] if values else 0.0


def three_voters(started: Nodes, directory: Path) -> list[Node]:
    """With both layers on; returned once they have a leader."""
    running: list[Node] = []
    for number in range(3):
        node = started.start(
            f"node-{number}",
            seeds=[running[0].address] if running else [],
            DATA_DIR=str(directory / str(number)),
            RAFT__ENABLED="true",
            RAFT__BOOTSTRAP_EXPECT="3",
            RAFT__LISTEN_ADDR="127.0.0.1:0",
        )
        running.append(node)
    wait_until(lambda: running[0].client.get("/v1/cluster").json()["raft"]["leader"] is not None)
    wait_until(lambda: all(len(node.live()) == 3 for node in running))
    return running


def leader_of(node: Node) -> tuple[str, int]:
    raft = node.client.get("/v1/cluster").json()["raft"]
    return raft["leader"], raft["term"]


def rows() -> Iterator[tuple[str, float]]:
    with nodes() as started, TemporaryDirectory() as directory:
        running = three_voters(started, Path(directory))
        leader, _ = leader_of(running[0])
        for name, leads in (("the leader", True), ("a follower", False)):
            node = next(each for each in running if (each.node_id == leader) is leads)
            yield from measure(node, running, name)


def measure(node: Node, running: list[Node], name: str) -> Iterator[tuple[str, float]]:
    pid, term = node.process.pid, leader_of(node)[1]
    before, used, began = resident_bytes(pid), processor_seconds(pid), time.perf_counter()
    seen: Seen = asyncio.run(put_under_load(node.address, CLIENTS, CONNECTIONS, SECONDS))
    took = time.perf_counter() - began
    about = f"at {name}, {CLIENTS} WebSockets and {CONNECTIONS} keep-alive connections: "
    yield about + "events delivered /s", seen.events / took
    yield about + "delay of an event, median (ms)", percentile(seen.delays, 0.5) * 1e3
    yield about + "delay of an event, p99 (ms)", percentile(seen.delays, 0.99) * 1e3
    yield about + "clients that had every event", seen.complete
    yield about + "requests answered /s", seen.answers / took
    yield about + "delay of an answer, p99 (ms)", percentile(seen.answer_delays, 0.99) * 1e3
    yield about + "requests refused", seen.refused
    yield (
        about + "nodes taken for dead, by the client or any node",
        len(seen.dead | {each for other in running for each in other.dead()}),
    )
    yield about + "changes of leaders", leader_of(node)[1] - term
    yield about + "processor time (% of a core)", (processor_seconds(pid) - used) / took * 100
    yield about + "memory more than before (MB)", (resident_bytes(pid) - before) / 1e6
    yield (
        about + "memory more than before, for each connection (kB)",
        (resident_bytes(pid) - before) / (CLIENTS + CONNECTIONS) / 1e3,
    )
