"""The phi-accrual failure detector (gossip spec 5).

After Hayashibara et al., "The φ accrual failure detector", SRDS 2004. Here phi is linear: the time since the last
heartbeat arrived, in units of the mean interval between arrivals.
"""

from __future__ import annotations

from array import array

PRIOR_WEIGHT = 5
"""How many intervals of `initial_interval` the mean starts with."""


class Liveness:
    """The recent heartbeat arrivals of one node, and the verdict on it."""

    __slots__ = ("alive", "cursor", "dead_since", "ever_alive", "intervals", "last_arrival", "total")

    def __init__(self) -> None:
        self.intervals = array("f")  # seconds; a ring once it holds `sampling_window`
        self.cursor = 0  # the place in the ring that the next interval overwrites
        self.total = 0.0  # sum of the intervals, exact: 32-bit floats add up in 64 bits without rounding
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
        """Times in seconds. `min_mean` bounds the mean interval from below: a burst of heartbeats, as from seeds when
        all nodes start, must not make the detector impatient in the calm that follows.
        """
        self.phi_threshold = phi_threshold
        self.timeout_multiplier = 1
        """Multiplies `phi_threshold`, as this node's local health asks (`local_health.py`)."""
        self._base_min_mean = self._min_mean = min_mean
        self._base_max_interval = self.max_interval = max_interval
        self._base_prior = self._prior = PRIOR_WEIGHT * initial_interval
        self._window = sampling_window

    def record_arrival(self, liveness: Liveness, now: float) -> None:
        """Record a heartbeat that arrived at `now` (seconds). An interval above `max_interval` is not recorded."""
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

    def record_late_arrival(self, liveness: Liveness, now: float) -> None:
        """Record a heartbeat that waited until `now` while this node paused: its interval is unknown."""
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
        return phi is not None and phi <= self.phi_threshold * self.timeout_multiplier

    def clear_intervals(self, liveness: Liveness) -> None:
        """Drop the intervals but not the last arrival: a node that returns starts afresh."""
        if liveness.intervals:
            liveness.intervals = array("f")
        liveness.cursor = 0
        liveness.total = 0.0

    def shift_last_arrival(self, liveness: Liveness, delay: float, now: float) -> None:
        """Move the last arrival forward by the `delay` (seconds) of this node's own pause, to `now` at most."""
        if liveness.last_arrival is not None:
            liveness.last_arrival = min(now, liveness.last_arrival + delay)

    def scale_expected(self, factor: int) -> None:
        """Expect intervals `factor` times longer than configured, for nodes not known yet too."""
        self.max_interval = self._base_max_interval * factor
        self._prior = self._base_prior * factor
        self._min_mean = self._base_min_mean * factor

    def scale_recorded(self, liveness: Liveness, factor: int) -> None:
        """Multiply the recorded intervals: heartbeats will arrive `factor` times less often."""
        liveness.intervals = array("f", [min(x * factor, self.max_interval) for x in liveness.intervals])
        liveness.total = sum(liveness.intervals)
