"""Latencies counted in buckets that are 1 % wide: any number of them in a few kilobytes, percentiles to within 1 %.

The idea is that of DDSketch (Masson, Rim, Lee: VLDB 2019); a library would bring more than these lines.
"""

from __future__ import annotations

import math
from collections import Counter

GROWTH = 1.01
"""Upper bound of a bucket over its lower one."""

SMALLEST = 1e-6
"""Seconds; below it all is one."""

_STEP = math.log(GROWTH)


class LatencyHistogram:
    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.max = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[math.ceil(math.log(max(seconds, SMALLEST) / SMALLEST) / _STEP)] += 1
        self.count += 1
        self.max = max(self.max, seconds)

    def merge(self, other: LatencyHistogram) -> None:
        self._buckets.update(other._buckets)
        self.count += other.count
        self.max = max(self.max, other.max)

    def percentile(self, share: float) -> float | None:
        """Seconds that this share of all took at most, to within 1 %; None where there is none."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return min(self.max, SMALLEST * GROWTH**bucket)
        return self.max
