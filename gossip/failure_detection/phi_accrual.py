"""Phi-accrual failure detection (gossip spec 5).

After Hayashibara et al., "The φ accrual failure detector", SRDS 2004; here phi is linear:
the time since the last sign of life, in units of the mean interval between signs of life.
"""

from __future__ import annotations

from array import array

PRIOR_WEIGHT = 5
"""How many intervals of `initial_interval` the mean starts with."""


class Liveness:
    """What a node knows of another's signs of life: its recent arrival intervals, and the verdict on it."""

    __slots__ = ("alive", "cursor", "dead_since", "ever_alive", "intervals", "last_arrival", "total")

    def __init__(self) -> None:
        self.intervals = array("f")  # seconds; a ring once it holds `sampling_window`
        self.cursor = 0  # where the ring overwrites next
        self.total = 0.0  # sum of the intervals: exact, for 32-bit floats add up in 64 bits without rounding
        self.last_arrival: float | None = None
        self.alive = False
        self.ever_alive = False
        self.dead_since: float | None = None


class PhiAccrualDetector:
    """Feeds and reads `Liveness` records under one set of parameters."""

    def __init__(
        self,
        phi_threshold: float,
        initial_interval: float,
        max_interval: float,
        sampling_window: int,
        min_mean: float = 0.0,
    ) -> None:
        """`min_mean`: seconds. A node that many speak of at once, as of the seeds when all nodes start, or that wakes
        and answers all that waited, shows many signs of life in no time; in the calm after it no such mean may count.
        """
        self.phi_threshold = phi_threshold
        self.patience = 1
        """How many times longer than that a node is waited for: this node's own health (`local_health.py`)."""
        self._calm_min_mean = self._min_mean = min_mean
        self._calm_max_interval = self.max_interval = max_interval
        self._calm_prior = self._prior = PRIOR_WEIGHT * initial_interval
        self._window = sampling_window

    def arrival(self, liveness: Liveness, now: float) -> None:
        """A sign of life at `now` (seconds). An interval above `max_interval` is not recorded."""
        last = liveness.last_arrival
        liveness.last_arrival = now
        if last is None:
            return
        interval = now - last
        if interval > self.max_interval:
            return
        intervals = liveness.intervals
        if len(intervals) < self._window:
            intervals.append(interval)
            liveness.total += intervals[-1]
        else:
            at = liveness.cursor
            old = intervals[at]
            intervals[at] = interval
            liveness.total += intervals[at] - old
            liveness.cursor = at + 1 if at + 1 < self._window else 0

    def late_arrival(self, liveness: Liveness, now: float) -> None:
        """A sign of life that waited until `now` while this node slept: how long it took to come is not known."""
        liveness.last_arrival = now

    def phi(self, liveness: Liveness, now: float) -> float | None:
        """Suspicion at `now`, or None while no interval is recorded."""
        n = len(liveness.intervals)
        if n == 0 or liveness.last_arrival is None:
            return None
        mean = (liveness.total + self._prior) / (n + PRIOR_WEIGHT)
        return (now - liveness.last_arrival) / (mean if mean > self._min_mean else self._min_mean)

    def is_alive(self, liveness: Liveness, now: float) -> bool:
        phi = self.phi(liveness, now)
        return phi is not None and phi <= self.phi_threshold * self.patience

    def forget_intervals(self, liveness: Liveness) -> None:
        """Drop the record, but not the last arrival: a return starts afresh."""
        if liveness.intervals:
            liveness.intervals = array("f")
        liveness.cursor = 0
        liveness.total = 0.0

    def excuse(self, liveness: Liveness, delay: float, now: float) -> None:
        """Move the last arrival forward by the `delay` (seconds) that this node itself slept, to `now` at most."""
        if liveness.last_arrival is not None:
            liveness.last_arrival = min(now, liveness.last_arrival + delay)

    def expect_slower(self, factor: int) -> None:
        """Take signs of life to come `factor` times more slowly than was configured, of nodes not yet known too."""
        self.max_interval = self._calm_max_interval * factor
        self._prior = self._calm_prior * factor
        self._min_mean = self._calm_min_mean * factor

    def stretch(self, liveness: Liveness, factor: int) -> None:
        """Multiply the recorded intervals, when signs of life are about to come `factor` times more slowly."""
        liveness.intervals = array("f", [min(x * factor, self.max_interval) for x in liveness.intervals])
        liveness.total = sum(liveness.intervals)
