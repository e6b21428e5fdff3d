"""Calls that wait for an outcome, and their deadlines: every call ends (specification, promise 4; fault 9)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from coterie.consensus.raft.errors import RaftError

Callback = Callable[[RaftError | None, Any], None]
"""`callback(error, result)`; called exactly once, never from inside the call that registered it."""


class Call:
    """One call of a user of this node, or of another member on behalf of one."""

    __slots__ = ("callback", "deadline", "ended", "late")

    def __init__(self, callback: Callback, deadline: float, late: RaftError) -> None:
        self.callback = callback
        self.deadline = deadline
        self.late = late
        """What the call ends with should its deadline come now."""
        self.ended = False


class Deadlines:
    """Open calls by deadline."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Call]] = []
        self._count = 0

    def add(self, call: Call) -> None:
        self._count += 1
        heapq.heappush(self._heap, (call.deadline, self._count, call))

    def due(self, now: float) -> list[Call]:
        """Remove and return the open calls whose deadline has come."""
        late = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].ended):
            call = heapq.heappop(self._heap)[2]
            if not call.ended:
                late.append(call)
        return late

    def all(self) -> list[Call]:
        """Every open call, in order of deadline."""
        return [call for _, _, call in sorted(self._heap, key=lambda item: item[:2]) if not call.ended]

    @property
    def next(self) -> float | None:
        while self._heap and self._heap[0][2].ended:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        self._heap.clear()
