"""A token bucket: bounds what strangers may take of bytes and of time (gossip spec 3, 10)."""

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

    def spend(self, amount: float, now: float) -> None:
        self.is_empty(now)
        self._level -= amount
