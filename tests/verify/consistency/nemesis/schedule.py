"""Schedules: which faults, when, for how long and on whom. Pure: a seed gives one schedule, always the same.

Whom is said by role, such as the leader: who that is then, the run decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

QUIET_AT_FIRST = 2.0
"""Seconds of a run before its first fault."""

QUIET_AT_LAST = 1.0

MIN_SECONDS = 1.5
MAX_SECONDS = 7.0
"""Of one fault; it ends before the run's end."""

MAX_GAP = 2.5
"""Seconds from one fault's end to the next one's beginning, in the same lane."""


class SkipError(Exception):
    """The fault cannot be had now; the message says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault."""

    at: float
    """Seconds from the beginning of the schedule."""
    kind: str
    seconds: float
    on: str
    """leader, follower or any."""
    chance: float
    """From 0 to 1: decides whatever else there is to choose."""


def plan(seed: int, seconds: float, kinds: Mapping[str, float], lanes: int = 2) -> Sequence[Step]:
    """A schedule of `seconds` with faults of these kinds, by their weights; up to `lanes` of them at a time."""
    rng = Random(seed)
    names, weights = list(kinds), list(kinds.values())
    steps: list[Step] = []
    for lane in range(lanes):
        now = QUIET_AT_FIRST + rng.random() * (MAX_GAP if lane else 0.5)
        while now < seconds - QUIET_AT_LAST - MIN_SECONDS:
            length = min(rng.uniform(MIN_SECONDS, MAX_SECONDS), seconds - QUIET_AT_LAST - now)
            (kind,) = rng.choices(names, weights)
            (on,) = rng.choices(("leader", "follower", "any"), (5, 3, 2))
            steps.append(Step(round(now, 3), kind, round(length, 3), on, rng.random()))
            now += length + rng.random() * MAX_GAP
    return sorted(steps, key=lambda step: step.at)
