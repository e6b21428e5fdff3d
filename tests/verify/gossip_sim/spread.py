"""How long news takes: a key to reach every node, an identity to be seen alive, or dead, by all."""

from __future__ import annotations

from tests.verify.gossip_sim.cluster import Cluster, SimNode


class KeySpread:
    """Writes a key on `owner` now and waits, as an observer of the cluster, for every running node to hold it."""

    def __init__(self, cluster: Cluster, owner: SimNode, key: str = "news", value: str = "new") -> None:
        self._cluster = cluster
        self._owner = owner
        self._key = key
        self.written_at = cluster.now
        self.complete_at: float | None = None
        written = owner.engine.set(key, value, cluster.now + owner.clock_offset)
        if written is None:
            raise ValueError(f"{key!r} already has this value")
        self._version = written.version
        self._lacking = {node for node in cluster.running if node is not owner}
        cluster.observers.append(self._look)

    def _look(self, node: SimNode, now: float) -> None:
        if node not in self._lacking:
            return
        replica = node.engine.state(self._owner.id)
        held = replica.get(self._key) if replica is not None else None
        if held is not None and held.version >= self._version:
            self._lacking.remove(node)
            if not self._lacking:
                self.complete_at = now
                self._cluster.observers.remove(self._look)

    @property
    def lacking(self) -> int:
        """How many nodes do not hold the key yet."""
        return len(self._lacking)

    def done(self) -> bool:
        return self.complete_at is not None

    @property
    def rounds(self) -> float:
        """Gossip intervals from the write until the last node held the key."""
        if self.complete_at is None:
            raise ValueError("the key has not reached every node yet")
        return (self.complete_at - self.written_at) / self._cluster.config.gossip_interval
