"""How old what is applied here may be, at most: what a stale read is answered with (raft spec 3).

Time is counted from when a question was *asked*, never from when its answer came: a message may have waited anywhere,
and others may have committed meanwhile. A leader asks by pings, and knows itself to have been the leader, with all
that was committed, at the time of the latest ping that a majority has answered. It sends a follower that time as an
age, beside the follower's own clock reading of an earlier pong: both clocks are only ever compared with themselves.
All times are seconds of the node's own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from coterie.consensus.raft.core.model.progress import Progress


def confirmed(progress: Mapping[str, Progress], voters: Sequence[str], own: str, now: float) -> float:
    """As of when this leader is known to have been the leader; -inf where it is not yet."""
    times = sorted(
        (now if voter == own else progress[voter].asked if voter in progress else -inf for voter in voters),
        reverse=True,
    )
    return times[len(times) // 2] if times else -inf


class Freshness:
    """As a follower: as of when it is known to hold everything committed."""

    __slots__ = ("_later", "at")

    def __init__(self) -> None:
        self.at = -inf
        """What is applied here held all that was committed at this time."""
        self._later: tuple[float, int] | None = None  # fresh as of this time once this index is applied

    def heard(self, at: float, commit: int, applied: int) -> None:
        """A member that has applied `commit` has all that was committed at `at`."""
        if applied >= commit:
            self.at = max(self.at, at)
            self._later = None
        elif self._later is None:
            self._later = (at, commit)

    def applied(self, applied: int) -> None:
        if self._later is not None and applied >= self._later[1]:
            self.at = max(self.at, self._later[0])
            self._later = None
