"""A token bucket: the bytes that answers to unknown peers may take (gossip spec 10)."""

from __future__ import annotations


class TokenBucket:
    """Refills at `rate` tokens a second and holds one second's worth. One spend may overdraw it."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._level = rate
        self._at = now

    def is_empty(self, now: float) -> bool:
        self._level = min(self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level <= 0

    def spend(self, amount: int, now: float) -> None:
        self.is_empty(now)
        self._level -= amount
