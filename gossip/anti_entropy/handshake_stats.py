"""Counts the handshakes with each peer and keeps their last digests, for monitoring.

An engine has no stats until they are set, and then pays one comparison a message. The protocol reads nothing of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.stripe import Stripe

FORGET_SECONDS = 60.0
"""A peer without a handshake for this long is dropped."""

MAX_NODES_COMPARED = 256
"""Of larger digests only the own node's row is kept: whole ones would take a column for each peer."""


@dataclass(frozen=True, slots=True)
class DigestSummary:
    """A peer's last digest: how far it holds each node's namespace. References into the decoded digest."""

    at: float
    ids: tuple[bytes, ...]
    """Encoded identities."""
    max_versions: Sequence[int]
    whole: bool
    """Whether every row of the digest is here; otherwise at most that of the own node."""


@dataclass(slots=True)
class PeerHandshakes:
    """The handshakes with one address. Counts start at the last reset; times are of the engine's clock, None: never."""

    opened: int = 0
    """Handshakes that this node opened."""
    replied: int = 0
    """SynAcks to those."""
    answered: int = 0
    """Handshakes that the peer opened."""
    opened_at: float | None = None
    replied_at: float | None = None
    answered_at: float | None = None
    last_digest: DigestSummary | None = None

    @property
    def latest(self) -> float:
        return max(at or 0.0 for at in (self.opened_at, self.replied_at, self.answered_at))


class HandshakeStats:
    """The handshakes of one engine, which records none with unknown peers."""

    def __init__(self, own: bytes) -> None:
        """`own`: the node's encoded identity."""
        self._own = own
        self._peers: dict[Address, PeerHandshakes] = {}

    def _entry(self, peer: Address) -> PeerHandshakes:
        found = self._peers.get(peer)
        if found is None:
            found = self._peers[peer] = PeerHandshakes()
        return found

    def record_syn_sent(self, peer: Address, now: float) -> None:
        entry = self._entry(peer)
        entry.opened += 1
        entry.opened_at = now

    def record_syn_ack(self, peer: Address, digest: Digest, stripe: Stripe, now: float) -> None:
        entry = self._entry(peer)
        entry.replied += 1
        entry.replied_at = now
        self._keep_digest(entry, digest, stripe, now)

    def record_syn(self, peer: Address, digest: Digest, stripe: Stripe, now: float) -> None:
        entry = self._entry(peer)
        entry.answered += 1
        entry.answered_at = now
        self._keep_digest(entry, digest, stripe, now)

    def _keep_digest(self, entry: PeerHandshakes, digest: Digest, stripe: Stripe, now: float) -> None:
        if stripe.bits == 0 and len(digest.ids) <= MAX_NODES_COMPARED:
            entry.last_digest = DigestSummary(now, digest.ids, digest.max_versions, whole=True)
        elif self._own in digest.ids:
            row = digest.ids.index(self._own)
            entry.last_digest = DigestSummary(now, (self._own,), (digest.max_versions[row],), whole=False)

    def peers(self, now: float) -> dict[Address, PeerHandshakes]:
        """The handshakes by address, without peers silent for FORGET_SECONDS. Do not change it."""
        silent = [peer for peer, entry in self._peers.items() if now - entry.latest > FORGET_SECONDS]
        for peer in silent:
            del self._peers[peer]
        return self._peers

    def reset_counts(self) -> None:
        """Count from 0 again."""
        for entry in self._peers.values():
            entry.opened = entry.replied = entry.answered = 0
