"""How old what is applied here may be, at most: what a stale read tells (specification, section 3).

Time is counted from when a question was *asked*, never from when its answer came: a message may have waited anywhere,
and others may have committed meanwhile. A leader asks by pings, and knows itself to have been the leader, with all
that was committed, at the time of the latest ping that a majority has answered. It tells a follower that time as an
age, beside the follower's own clock reading of an earlier pong: both clocks are only ever compared with themselves.
All times are seconds of the node's own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


class Freshness:
    def __init__(self) -> None:
        self._asked: dict[str, float] = {}  # as leader: when the latest ping that a member answered was sent
        self._readings: dict[str, float] = {}  # as leader: that member's clock when it answered, on the present link
        self._at = -inf  # as follower
        self._later: tuple[float, int] | None = None  # fresh as of this time once this index is applied

    # the leader

    def new_office(self) -> None:
        self._asked.clear()
        self._readings.clear()

    def link_lost(self, member: str) -> None:
        """It may come back as another process, with another clock."""
        self._readings.pop(member, None)

    def answered(self, member: str, asked: float, reading: float) -> None:
        self._asked[member] = max(asked, self._asked.get(member, -inf))
        self._readings[member] = reading

    def confirmed(self, voters: Sequence[str], own: str, now: float) -> float:
        """As of when this leader is known to have been the leader; -inf where it is not yet."""
        times = sorted((now if voter == own else self._asked.get(voter, -inf) for voter in voters), reverse=True)
        return times[len(times) // 2] if times else -inf

    def reading(self, member: str) -> float | None:
        return self._readings.get(member)

    # the follower

    def told(self, at: float, commit: int, applied: int) -> None:
        """Who has applied `commit` has all that was committed at `at`."""
        if applied >= commit:
            self._at = max(self._at, at)
            self._later = None
        elif self._later is None:
            self._later = (at, commit)

    def applied(self, applied: int) -> None:
        if self._later is not None and applied >= self._later[1]:
            self._at = max(self._at, self._later[0])
            self._later = None

    @property
    def at(self) -> float:
        """What is applied here held all that was committed at this time."""
        return self._at
