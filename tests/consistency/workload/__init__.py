"""What clients do in a run: the same kind of load on both layers, written down as it happens."""

from __future__ import annotations

from tests.consistency.contract import Workload
from tests.consistency.workload.gossip import GossipWorkload
from tests.consistency.workload.raft import RaftWorkload


def workloads() -> list[Workload]:
    return [GossipWorkload(), RaftWorkload()]
