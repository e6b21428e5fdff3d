"""Live updates for many on one node of three, while gossip and Raft go on: nothing is missed, and nobody seems dead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench.idle_bench import resident_bytes
from tests.bench.live_bench import three_voters
from tests.bench.live_load import put_under_load
from tests.cluster.processes import nodes

pytestmark = pytest.mark.cluster

CLIENTS, CONNECTIONS = 60, 120
MEMORY_FOR_EACH = 250_000
"""Bytes; about ten times what was measured."""


@pytest.mark.slow
def test_many_clients_miss_nothing_and_nobody_seems_dead(tmp_path: Path) -> None:
    with nodes() as started:
        running = three_voters(started, tmp_path)
        node = running[0]
        before = resident_bytes(node.process.pid)
        seen = asyncio.run(put_under_load(node.address, CLIENTS, CONNECTIONS, 3.0))
        assert seen.complete == CLIENTS
        assert seen.answers >= CONNECTIONS
        assert seen.refused == 0
        assert seen.dead == set()
        assert [each.dead() for each in running] == [set()] * 3
        more = resident_bytes(node.process.pid) - before
        assert more < (CLIENTS + CONNECTIONS) * MEMORY_FOR_EACH, more
