"""Handshakes that await an answer, which tell answers from unsolicited messages (gossip spec 10)."""

from __future__ import annotations

from typing import NamedTuple

from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.stripe import Stripe

MAX_PENDING_HANDSHAKES = 20_000
"""Addresses remembered each way; the oldest is dropped."""


class PendingSyn(NamedTuple):
    """What a Syn listed: the nodes of `stripe` with a join sequence below `next_join_sequence`."""

    next_join_sequence: int
    stripe: Stripe


class PendingHandshakes:
    """A sent Syn awaits a SynAck; a sent SynAck awaits an Ack."""

    def __init__(self, window: float) -> None:
        """`window`: how many seconds an answer may take."""
        self._window = window
        self._syns: dict[Address, tuple[float, PendingSyn]] = {}
        self._syn_acks: dict[Address, float] = {}

    def sent_syn(self, peer: Address, now: float, next_join_sequence: int, stripe: Stripe) -> None:
        self._syns.pop(peer, None)
        self._syns[peer] = (now, PendingSyn(next_join_sequence, stripe))
        if len(self._syns) > MAX_PENDING_HANDSHAKES:
            del self._syns[next(iter(self._syns))]

    def sent_syn_ack(self, peer: Address, now: float) -> None:
        self._syn_acks.pop(peer, None)
        self._syn_acks[peer] = now
        if len(self._syn_acks) > MAX_PENDING_HANDSHAKES:
            del self._syn_acks[next(iter(self._syn_acks))]

    def syn_to(self, peer: Address, now: float) -> PendingSyn | None:
        """The Syn that a SynAck from this peer answers; None where none was sent within the window."""
        at, syn = self._syns.get(peer, (float("-inf"), None))
        return syn if now - at <= self._window else None

    def expects_ack(self, peer: Address, now: float) -> bool:
        return now - self._syn_acks.get(peer, float("-inf")) <= self._window

    def expire(self, now: float) -> None:
        """Drop what is older than the window. Both dictionaries are in the order of their times."""
        oldest = now - self._window
        while self._syns:
            peer, (at, _) = next(iter(self._syns.items()))
            if at >= oldest:
                break
            del self._syns[peer]
        while self._syn_acks:
            peer, at = next(iter(self._syn_acks.items()))
            if at >= oldest:
                break
            del self._syn_acks[peer]
