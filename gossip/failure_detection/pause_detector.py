"""Whether this node's own rounds come in time (gossip spec 3): who slept must not take the others for silent."""

from __future__ import annotations

LATE_ROUNDS = 2
"""A round this many intervals late means that this node slept."""


class RoundClock:
    """Knows when the last round began. Times in seconds."""

    __slots__ = ("_interval", "_last_round")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last_round: float | None = None

    def begin_round(self, now: float) -> None:
        self._last_round = now

    def delay(self, now: float) -> float:
        """By how much the next round is overdue where this node slept; otherwise 0."""
        if self._last_round is None:
            return 0.0
        delay = now - (self._last_round + self._interval)
        return delay if delay > LATE_ROUNDS * self._interval else 0.0

    def intervals_late(self, now: float) -> int:
        """By how many whole intervals the round is overdue that now begins."""
        if self._last_round is None:
            return 0
        return max(0, int((now - self._last_round) / self._interval) - 1)
