"""A node's picture of the cluster in a few numbers, for whoever watches it. Nothing of the protocol reads them."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.gossip.engine import Engine
from coterie.gossip.state.node_state import NodeState


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one moment. Nodes are incarnations, as everywhere in the protocol."""

    live: int
    """The node itself is one of them."""
    dead: int
    """Those that were alive, and did not say that they leave."""
    left: int
    """Those that did."""
    joining: int
    """Known by hearsay, and not alive yet."""
    phis: list[float]
    """Suspicion of each live node, ascending; without the node itself."""
    silences: list[float]
    """Seconds since the last sign of life of each live node came in, ascending."""
    versions_behind: int
    """Writes that the last peer heard from has shown, and that are not here yet."""
    key_values: int
    """Of all nodes, marks of deleted keys included."""
    key_value_bytes: int
    """What they take on the wire, uncompressed."""


class Survey:
    """Takes the figures of an engine. A namespace is measured again only once it has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measured: dict[bytes, tuple[tuple[int, int], int]] = {}

    def take(self, now: float) -> Figures:
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
        return Figures(live, dead, left, joining, sorted(phis), sorted(silences), self._behind(), key_values, size)

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
            state = self._engine.find(encoded)
            if state is not None and state is not self._engine.own:
                behind += max(0, version - state.max_version)
        return behind
