"""Which peers a node exchanges with, and what they showed of what they hold: kept while somebody looks on.

An engine has none by itself, and then pays a comparison for each message. Nothing of the protocol reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.stripe import Stripe

FORGET_SECONDS = 60.0
"""A peer with which nothing was exchanged for so long is left out."""

MAX_NODES_COMPARED = 256
"""Of larger digests only the row of the book's own node is kept: all of them would take a column for each peer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a peer showed last: how far it holds each node's namespace. References into its decoded digest."""

    at: float
    ids: tuple[bytes, ...]
    """Encoded identities."""
    max_versions: Sequence[int]
    whole: bool
    """Every node that the peer speaks of is there; otherwise the book's own node at the most."""


@dataclass(slots=True)
class Exchanged:
    """With one address. Counts begin anew at each reading; times are those of the engine's clock, None for never."""

    opened: int = 0
    """Handshakes that this node began."""
    replied: int = 0
    """Answers to those."""
    answered: int = 0
    """Handshakes that the peer began."""
    opened_at: float | None = None
    replied_at: float | None = None
    answered_at: float | None = None
    shown: Shown | None = None

    @property
    def latest(self) -> float:
        return max(at or 0.0 for at in (self.opened_at, self.replied_at, self.answered_at))


class PeerBook:
    """Of the engine whose `peer_book` it is. Strangers do not get in: the engine keeps them out."""

    def __init__(self, own: bytes) -> None:
        """`own`: the node's encoded identity."""
        self._own = own
        self._peers: dict[Address, Exchanged] = {}

    def _of(self, peer: Address) -> Exchanged:
        found = self._peers.get(peer)
        if found is None:
            found = self._peers[peer] = Exchanged()
        return found

    def opened(self, peer: Address, now: float) -> None:
        """A Syn is sent."""
        entry = self._of(peer)
        entry.opened += 1
        entry.opened_at = now

    def replied(self, peer: Address, digest: Digest, stripe: Stripe, now: float) -> None:
        """A SynAck came."""
        entry = self._of(peer)
        entry.replied += 1
        entry.replied_at = now
        self._show(entry, digest, stripe, now)

    def answered(self, peer: Address, digest: Digest, stripe: Stripe, now: float) -> None:
        """A Syn came."""
        entry = self._of(peer)
        entry.answered += 1
        entry.answered_at = now
        self._show(entry, digest, stripe, now)

    def _show(self, entry: Exchanged, digest: Digest, stripe: Stripe, now: float) -> None:
        if stripe.bits == 0 and len(digest.ids) <= MAX_NODES_COMPARED:
            entry.shown = Shown(now, digest.ids, digest.max_versions, whole=True)
        elif self._own in digest.ids:
            row = digest.ids.index(self._own)
            entry.shown = Shown(now, (self._own,), (digest.max_versions[row],), whole=False)

    def peers(self, now: float) -> dict[Address, Exchanged]:
        """What is known, without those that were silent for long. Not to be changed."""
        silent = [peer for peer, entry in self._peers.items() if now - entry.latest > FORGET_SECONDS]
        for peer in silent:
            del self._peers[peer]
        return self._peers

    def begin_anew(self) -> None:
        """Counts, from here on."""
        for entry in self._peers.values():
            entry.opened = entry.replied = entry.answered = 0
