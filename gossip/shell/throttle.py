"""Keeps what strangers can cause at will from flooding the log."""

from __future__ import annotations


class Throttle:
    """Admits `burst` events of each kind in a period. Kinds are words of the program's own: their number is bounded."""

    def __init__(self, period: float, burst: int = 1) -> None:
        self._period = period
        self._burst = burst
        self._books: dict[str, tuple[float, int, int]] = {}  # start of the period, admitted in it, suppressed since

    def admit(self, kind: str, now: float) -> int | None:
        """How many of the kind were suppressed since the last admitted one; None where this one is to be as well."""
        start, admitted, suppressed = self._books.get(kind, (now, 0, 0))
        if now - start >= self._period:
            start, admitted = now, 0
        if admitted >= self._burst:
            self._books[kind] = (start, admitted, suppressed + 1)
            return None
        self._books[kind] = (start, admitted + 1, 0)
        return suppressed
