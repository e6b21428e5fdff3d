"""What must hold on every replica after every datagram and round: the rules that no schedule may break."""

from __future__ import annotations

from dataclasses import dataclass, field

from coterie.gossip import KeyStatus, NodeState
from tests.verify.gossip_sim.cluster import Cluster, SimNode, SimulationError


@dataclass(slots=True)
class _Replica:
    """What was seen of one node's state on one holder."""

    versions: tuple[int, int] = (0, 0)
    tombstones: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Per key, the highest tombstone version that this replica held, and when it was first seen there."""


class ReplicaInvariants:
    """An observer of a cluster. Raises SimulationError where

    - `(last_gc_version, max_version)` of a replica decreases, or
    - a key is visible in a version at or below that of a tombstone which the replica held less than the grace period
      ago, or
    - key-values are not in ascending order of version, or lie above `max_version`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._replicas: dict[SimNode, dict[NodeState, _Replica]] = {}
        self.checks = 0
        cluster.observers.append(self.check)

    def check(self, holder: SimNode, now: float) -> None:
        before = self._replicas.get(holder, {})
        after = self._replicas[holder] = {}
        for state in holder.engine.states:
            replica = before.get(state) or _Replica()
            after[state] = replica
            versions = (state.last_gc_version, state.max_version)
            if versions != replica.versions:
                self._check_replica(holder, state, replica, now)
                replica.versions = versions
            self.checks += 1

    def _check_replica(self, holder: SimNode, state: NodeState, replica: _Replica, now: float) -> None:
        where = f"{holder.id} holds {state.id}"
        versions = (state.last_gc_version, state.max_version)
        if versions < replica.versions:
            raise SimulationError(f"{where}: (last_gc_version, max_version) fell from {replica.versions} to {versions}")
        grace = holder.engine.config.marked_for_deletion_grace_period
        last = 0
        for kv in state.key_values.values():
            if not last < kv.version <= state.max_version:
                raise SimulationError(f"{where}: {kv} behind version {last}, with max_version {state.max_version}")
            last = kv.version
            tombstone = replica.tombstones.get(kv.key)
            if kv.status == KeyStatus.DELETE:
                if tombstone is None or tombstone[0] < kv.version:
                    replica.tombstones[kv.key] = (kv.version, now)
            elif tombstone is not None and kv.version <= tombstone[0] and now - tombstone[1] < grace:
                raise SimulationError(f"{where}: {kv} is back, deleted in version {tombstone[0]} at {tombstone[1]:.3f}")


def disagreement(cluster: Cluster) -> str | None:
    """How a running node's view of a running node's keys differs from the owner's own, in one instance.

    Only where no deletion is pending on either; a pending one counts as a disagreement to be waited out.
    """
    running = cluster.running
    for owner in running:
        own = owner.engine.own
        truth = {kv.key: (kv.value, kv.version, kv.status) for kv in own.visible()}
        for holder in running:
            replica = holder.engine.state(owner.id)
            if replica is None:
                return f"{holder.id} does not know {owner.id}"
            if any(kv.status != KeyStatus.SET for kv in replica.key_values.values()):
                return f"{holder.id} has deletions of {owner.id} pending"
            held = {kv.key: (kv.value, kv.version, kv.status) for kv in replica.visible()}
            if held != truth or replica.max_version != own.max_version:
                return (
                    f"{holder.id} holds {owner.id} with {held} up to {replica.max_version}, "
                    f"not {truth} up to {own.max_version}"
                )
    return None
