"""Going away on purpose: a node says goodbye with a key of its own, until enough others hold it.

A restart is a new identity, without the key.
"""

from __future__ import annotations

from random import Random

from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.key_value import KeyValue


class Farewell:
    """Whom a node that leaves has yet to tell."""

    def __init__(self, roster: Roster, rng: Random) -> None:
        self._roster = roster
        self._rng = rng
        self._told: set[Address] = set()  # who has shown that they hold the goodbye
        self.goodbye: KeyValue | None = None
        """The key-value that says it; None: this node stays."""

    @property
    def told(self) -> int:
        """How many others have shown that they know."""
        return len(self._told)

    def shown(self, peer: Address, own_version: int) -> None:
        """A peer showed how far it holds this node's namespace."""
        if self.goodbye is not None and own_version >= self.goodbye.version:
            self._told.add(peer)

    def choose(self, peers: int) -> list[Address]:
        """Whom to tell now, so that so many live nodes know, all of those that are there if they are fewer.

        Where this node has just started, and nobody is alive for it yet, one of those whom it knows by hearsay will
        do.
        """
        others = [(state.id.gossip_advertise_addr, state.liveness) for state in self._roster.others()]
        live = {address for address, liveness in others if liveness.alive}
        if live:
            untold = sorted(live - self._told)
            missing = min(peers, len(live | self._told)) - len(self._told)
        else:
            untold = sorted({address for address, liveness in others if not liveness.ever_alive})
            missing = 0 if self._told else peers
        return self._rng.sample(untold, max(0, min(missing, len(untold))))
