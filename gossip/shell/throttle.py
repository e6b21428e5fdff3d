"""Bounds how often an event is logged that any peer can cause."""

from __future__ import annotations


class Throttle:
    """Admits `burst` events of each kind in a period of seconds. The program chooses the kinds: they are few."""

    def __init__(self, period: float, burst: int = 1) -> None:
        self._period = period
        self._burst = burst
        self._kinds: dict[str, tuple[float, int, int]] = {}  # start of the period, admitted in it, suppressed since

    def admit(self, kind: str, now: float) -> int | None:
        """How many of the kind were suppressed since the last admitted one; None where this one is suppressed too."""
        start, admitted, suppressed = self._kinds.get(kind, (now, 0, 0))
        if now - start >= self._period:
            start, admitted = now, 0
        if admitted >= self._burst:
            self._kinds[kind] = (start, admitted, suppressed + 1)
            return None
        self._kinds[kind] = (start, admitted + 1, 0)
        return suppressed
