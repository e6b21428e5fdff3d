"""Which peers were addressed recently, and with what: to tell answers from what nobody asked for (gossip spec 10)."""

from __future__ import annotations

from typing import NamedTuple

from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.stripe import Stripe

MAX_EXCHANGES = 20_000
"""Addresses remembered each way; the oldest give way."""


class OpenedSyn(NamedTuple):
    """What a Syn listed: the nodes of `stripe`, out of the first `births` that became known."""

    births: int
    stripe: Stripe


class Exchanges:
    """A Syn opens an exchange and lets a SynAck be expected; answering one lets an Ack be expected."""

    def __init__(self, window: float) -> None:
        """`window`: for how many seconds an answer counts as asked for."""
        self._window = window
        self._opened: dict[Address, tuple[float, OpenedSyn]] = {}
        self._answered: dict[Address, float] = {}

    def opened(self, peer: Address, now: float, births: int, stripe: Stripe) -> None:
        self._opened.pop(peer, None)
        self._opened[peer] = (now, OpenedSyn(births, stripe))
        if len(self._opened) > MAX_EXCHANGES:
            del self._opened[next(iter(self._opened))]

    def answered(self, peer: Address, now: float) -> None:
        self._answered.pop(peer, None)
        self._answered[peer] = now
        if len(self._answered) > MAX_EXCHANGES:
            del self._answered[next(iter(self._answered))]

    def syn_to(self, peer: Address, now: float) -> OpenedSyn | None:
        """What was sent to a peer that now answers; None where nothing was, of late."""
        at, syn = self._opened.get(peer, (float("-inf"), None))
        return syn if now - at <= self._window else None

    def expects_ack(self, peer: Address, now: float) -> bool:
        return now - self._answered.get(peer, float("-inf")) <= self._window

    def forget_before(self, now: float) -> None:
        """Drop what is older than the window. Both books are in the order of their times."""
        oldest = now - self._window
        while self._opened:
            peer, (at, _) = next(iter(self._opened.items()))
            if at >= oldest:
                break
            del self._opened[peer]
        while self._answered:
            peer, at = next(iter(self._answered.items()))
            if at >= oldest:
                break
            del self._answered[peer]
