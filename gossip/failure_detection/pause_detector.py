"""Detects that this node itself paused: a node that slept must not take the others for silent (gossip spec 3)."""

from __future__ import annotations

PAUSE_INTERVALS = 2
"""A round more than this many intervals late means that this node paused."""


class PauseDetector:
    """Compares the times of rounds with the gossip interval. Times in seconds."""

    __slots__ = ("_interval", "_last_round")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last_round: float | None = None

    def begin_round(self, now: float) -> None:
        self._last_round = now

    def pause(self, now: float) -> float:
        """How long the next round is overdue where this node paused; otherwise 0."""
        if self._last_round is None:
            return 0.0
        overdue = now - (self._last_round + self._interval)
        return overdue if overdue > PAUSE_INTERVALS * self._interval else 0.0

    def intervals_late(self, now: float) -> int:
        """How many whole intervals late the round is that begins now."""
        if self._last_round is None:
            return 0
        return max(0, int((now - self._last_round) / self._interval) - 1)
