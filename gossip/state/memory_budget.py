"""How many bytes the key-values of other nodes may take here (gossip spec 4)."""

from __future__ import annotations

from coterie.gossip.config import GossipConfig
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.key_value import KEY_COST


class MemoryBudget:
    """Bounds each other node's state, all of them, and those of nodes that were never alive here."""

    def __init__(self, nodes: NodeTable, config: GossipConfig) -> None:
        self._nodes = nodes
        self._config = config
        self._living = 0
        self._joining = 0
        self._most_by_delta = config.max_delta_bytes + KEY_COST * config.max_delta_ops

    def measure(self) -> None:
        """Add up what is held. Called once a round; in between `record` counts."""
        self._living = self._joining = 0
        for state in self._nodes.others():
            self.record(state, state.held_bytes)

    def record(self, state: NodeState, grown: int) -> None:
        if state.liveness.ever_alive:
            self._living += grown
        else:
            self._joining += grown

    @property
    def ample(self) -> bool:
        """Whether no delta can reach a bound but that of a single node."""
        config = self._config
        left = min(config.max_foreign_bytes - self._living, config.max_joining_bytes - self._joining)
        return left >= self._most_by_delta

    def limit(self, state: NodeState) -> int:
        """The most bytes that this node's state may take now.

        Where the nodes together are at their bound, each may still have an equal part of it: no node takes the room of
        all others.
        """
        config = self._config
        if not state.liveness.ever_alive:
            return min(config.max_node_bytes, state.held_bytes + config.max_joining_bytes - self._joining)
        left = config.max_foreign_bytes - self._living
        fair = config.max_foreign_bytes // len(self._nodes.known)
        return min(config.max_node_bytes, max(state.held_bytes + left, fair))
