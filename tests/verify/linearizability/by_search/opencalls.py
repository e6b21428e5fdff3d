"""Calls that never returned, for the search: each may be placed at any time from its invocation on, or never.

A few dozen of them make a search hopeless that tries them all everywhere. So one is offered only where what it changes
is seen by something that may come next; of calls that do the same, only the one invoked first; and those whose effect
no answer names before those that may be needed for one later.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from typing import Protocol


class Offered(Protocol):
    """What this needs to know of a call."""

    @property
    def sees(self) -> frozenset[Hashable]: ...
    @property
    def gives(self) -> frozenset[Hashable] | None: ...
    @property
    def twin(self) -> Hashable: ...


class OpenCalls:
    """Which open call to try next. Calls are known by their number among all, a set of open calls by its bits."""

    def __init__(self, calls: Sequence[Offered], open_: Sequence[int], ranks: Sequence[int]) -> None:
        """`open_` are the open calls in the order of invocation, `ranks` the places in time of all invocations."""
        others = set(range(len(calls))) - set(open_)
        named = frozenset[Hashable]().union(*(calls[i].sees for i in others))
        self._calls = calls
        self._ranks = ranks
        self._order = sorted(open_, key=lambda i: len(named & (calls[i].gives or named)))
        self._place = {i: place for place, i in enumerate(self._order)}
        self._seen = frozenset[Hashable]().union(*(calls[i].sees for i in open_))
        self.bit = {i: 1 << k for k, i in enumerate(open_)}
        last: dict[Hashable, int] = {}
        self._first: dict[int, int] = {}
        for i in open_:
            twin = calls[i].twin
            self._first[i] = 0 if twin is None else last.get(twin, 0)
            last[twin] = self.bit[i]

    def next(self, behind: int, placed: int, seen: Set[Hashable], before: int) -> int:
        """The open call to try after `behind`, where the open calls `placed` are; -1 for the first, and where none is.

        `seen` is what the returned calls that may come next see, `before` the rank of the first return among them.
        """
        for i in self._order[self._place[behind] + 1 if behind >= 0 else 0 :]:
            if placed & self.bit[i] or self._first[i] & ~placed or self._ranks[i] > before:
                continue
            gives = self._calls[i].gives
            if gives is None or not gives.isdisjoint(seen) or not gives.isdisjoint(self._seen):
                return i
        return -1
