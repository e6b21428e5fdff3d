"""A token bucket: what answers to strangers may cost (gossip spec 10)."""

from __future__ import annotations


class TokenBucket:
    """Refills at `rate` units a second, up to one second's worth. One take may run into debt."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._level = rate
        self._at = now

    def is_spent(self, now: float) -> bool:
        self._level = min(self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level <= 0

    def take(self, amount: int, now: float) -> None:
        self.is_spent(now)
        self._level -= amount
