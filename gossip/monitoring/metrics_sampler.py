"""Samples an engine's metrics: the cluster as this node sees it, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.gossip.engine import Engine
from coterie.gossip.state.node_state import NodeState


@dataclass(frozen=True, slots=True)
class GossipMetrics:
    """The metrics of one moment. Each identity counts as a node."""

    live: int
    """Live nodes, this one included."""
    dead: int
    """Nodes that were alive and did not leave on purpose."""
    left: int
    """Nodes that left on purpose."""
    joining: int
    """Known nodes that have never been alive."""
    phis: list[float]
    """Phi of each live node but this one, ascending."""
    silences: list[float]
    """Seconds since the last heartbeat of each live node arrived, ascending."""
    versions_behind: int
    """Versions in the last peer's digest that are missing here."""
    key_values: int
    """Key-values of all nodes, tombstones included."""
    key_value_bytes: int
    """Their bytes on the wire, uncompressed."""


class MetricsSampler:
    """Samples one engine. A namespace is measured again only once it has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measured: dict[bytes, tuple[tuple[int, int], int]] = {}

    def sample(self, now: float) -> GossipMetrics:
        engine = self._engine
        live, dead, left, joining, key_values, size = 1, 0, 0, 0, 0, 0
        phis: list[float] = []
        silences: list[float] = []
        measured: dict[bytes, tuple[tuple[int, int], int]] = {}
        for state in engine.known:
            measured[state.encoded] = seen = self._measure(state)
            size += seen[1]
            key_values += len(state.key_values)
            if state is engine.own:
                continue
            liveness = state.liveness
            if liveness.alive:
                live += 1
                phi = engine.phi(state, now)
                if phi is not None:
                    phis.append(phi)
                if liveness.last_arrival is not None:
                    silences.append(max(0.0, now - liveness.last_arrival))
            elif state.left:
                left += 1
            elif liveness.ever_alive:
                dead += 1
            else:
                joining += 1
        self._measured = measured
        return GossipMetrics(
            live, dead, left, joining, sorted(phis), sorted(silences), self._behind(), key_values, size
        )

    def _measure(self, state: NodeState) -> tuple[tuple[int, int], int]:
        at = state.max_version, state.last_gc_version
        before = self._measured.get(state.encoded)
        if before is not None and before[0] == at:
            return before
        return at, sum(len(kv.op) for kv in state.key_values.values())

    def _behind(self) -> int:
        digest = self._engine.last_digest
        if digest is None:
            return 0
        behind = 0
        for encoded, version in zip(digest.ids, digest.max_versions, strict=True):
            state = self._engine.by_identity.get(encoded)
            if state is not None and state is not self._engine.own:
                behind += max(0, version - state.max_version)
        return behind
