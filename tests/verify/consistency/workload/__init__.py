"""What clients do in a run: the same kind of load on both layers, written down as it happens."""

from __future__ import annotations

from tests.verify.consistency.contract import Workload
from tests.verify.consistency.workload.gossip.load import GossipWorkload
from tests.verify.consistency.workload.raft.load import RaftWorkload


def workloads() -> list[Workload]:
    return [GossipWorkload(), RaftWorkload()]
