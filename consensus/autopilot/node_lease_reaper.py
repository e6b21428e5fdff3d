"""Ends node-bound leases whose nodes gossip holds dead, by operations that the leader proposes (raft spec 3).

A lease names a node and the generation of its process. It ends once gossip has held that process dead for the lease's
hold, or shows a later generation of the node alive: the process that took the lease is gone then. Gossip alone ends no
lease: the operation carries the evidence, and is void where the lease was renewed since.
"""

from __future__ import annotations

from collections.abc import Iterable

from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.consensus.store import LeaseNodeLost, LeaseRecord, State

MAX_ENDS_A_TURN = 1_000


class NodeLeaseReaper:
    """One leader's. It remembers since when it has known nothing of a process, which counts as dead from then on."""

    def __init__(self) -> None:
        self._unknown_since: dict[str, float] = {}

    def reap(self, state: State, seen: Observations, now: float) -> list[LeaseNodeLost]:
        """The operations that end leases now. `now`: the monotonic clock, in seconds."""
        nodes = state.leased_nodes()
        if not nodes:
            self._unknown_since.clear()
            return []
        by_name: dict[str, list[Observation]] = {name: [] for name in nodes}
        for each in seen.all:
            if each.node in by_name:
                by_name[each.node].append(each)
        found: list[LeaseNodeLost] = []
        for node, observations in by_name.items():
            for lease in state.leases_of_node(node):
                end = self._end(lease, observations, now)
                if end is not None:
                    found.append(end)
        self._forget(nodes)
        return found[:MAX_ENDS_A_TURN]

    def _end(self, lease: LeaseRecord, observations: Iterable[Observation], now: float) -> LeaseNodeLost | None:
        own: Observation | None = None
        for each in observations:
            if each.generation > lease.generation and each.presence is not Presence.UNSEEN:
                return LeaseNodeLost(lease.id, lease.renewal, each.generation, 0)
            if each.generation == lease.generation:
                # Several addresses may claim one process: while one of them lives, it does.
                own = each if own is None or each.live else own
        if own is not None and own.live:
            self._unknown_since.pop(_process(lease), None)
            return None
        dead_for = own.dead_for if own is not None else None
        if dead_for is None:  # never seen alive here, or not known at all
            dead_for = now - self._unknown_since.setdefault(_process(lease), now)
        if dead_for * 1000 < lease.hold_ms:
            return None
        return LeaseNodeLost(lease.id, lease.renewal, lease.generation, int(dead_for * 1000))

    def _forget(self, nodes: list[str]) -> None:
        if len(self._unknown_since) > 2 * len(nodes) + 100:
            kept = set(nodes)
            self._unknown_since = {
                process: since for process, since in self._unknown_since.items() if process.rpartition("@")[0] in kept
            }


def _process(lease: LeaseRecord) -> str:
    return f"{lease.node}@{lease.generation}"
