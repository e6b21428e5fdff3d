"""Leaving on purpose: a node sets the key LEFT_KEY and sends it until enough live nodes hold it.

A restart is a new identity, without the key.
"""

from __future__ import annotations

from random import Random

from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.key_value import KeyValue


class LeaveBroadcast:
    """Tracks which peers hold this node's LEFT_KEY."""

    def __init__(self, nodes: NodeTable, rng: Random) -> None:
        self._nodes = nodes
        self._rng = rng
        self._acknowledged: set[Address] = set()
        self.left_key: KeyValue | None = None
        """This node's LEFT_KEY; None where it does not leave."""

    @property
    def acknowledged(self) -> int:
        """How many peers hold LEFT_KEY, by their digests."""
        return len(self._acknowledged)

    def receive_digest(self, peer: Address, own_version: int) -> None:
        """Note how far a peer holds this node's namespace."""
        if self.left_key is not None and own_version >= self.left_key.version:
            self._acknowledged.add(peer)

    def choose(self, peers: int) -> list[Address]:
        """The peers to send to next, until `peers` live nodes hold LEFT_KEY, or all live ones if they are fewer.

        Where no node is alive yet, as after a start, known nodes that never were alive take their place.
        """
        others = [(state.id.gossip_advertise_addr, state.liveness) for state in self._nodes.others()]
        live = {address for address, liveness in others if liveness.alive}
        if live:
            unaware = sorted(live - self._acknowledged)
            missing = min(peers, len(live | self._acknowledged)) - len(self._acknowledged)
        else:
            unaware = sorted({address for address, liveness in others if not liveness.ever_alive})
            missing = 0 if self._acknowledged else peers
        return self._rng.sample(unaware, max(0, min(missing, len(unaware))))
