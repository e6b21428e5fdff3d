"""Quantiles of what a histogram recorded since the last call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf
from typing import Any

from coterie.consensus.raft.metrics import Histogram

QUANTILES = {"p50_seconds": 0.5, "p90_seconds": 0.9, "p99_seconds": 0.99}


class Latencies:
    """Of one histogram, or of several with the same bounds taken together."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._total = 0.0

    def since(self, histograms: Iterable[Histogram]) -> dict[str, Any]:
        """Since the last call; since the histograms began, at the first."""
        bounds: Sequence[float] = ()
        counts: list[int] = []
        total = 0.0
        for histogram in histograms:
            bounds = histogram.bounds
            counts = [sum(pair) for pair in zip(counts or [0] * len(histogram.counts), histogram.counts, strict=True)]
            total += histogram.total
        before = self._counts or [0] * len(counts)
        # Those of a member that started anew begin anew.
        fresh = counts if any(now < then for now, then in zip(counts, before, strict=False)) else None
        seen = fresh or [now - then for now, then in zip(counts, before, strict=False)]
        spent = total if fresh else total - self._total
        self._counts, self._total = counts, total
        return describe(bounds, seen, spent)


def describe(bounds: Sequence[float], counts: Sequence[int], total: float) -> dict[str, Any]:
    count = sum(counts)
    if not count:
        return {"count": 0, "mean_seconds": None, **dict.fromkeys(QUANTILES)}
    quantiles = {name: round(quantile(bounds, counts, q), 6) for name, q in QUANTILES.items()}
    return {"count": count, "mean_seconds": round(total / count, 6), **quantiles}


def quantile(bounds: Sequence[float], counts: Sequence[int], q: float) -> float:
    """Estimated within its bucket as if observations were spread evenly there; the last bound for what is above it."""
    rank, below, so_far = q * sum(counts), 0.0, 0
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        if count and so_far + count >= rank:
            return below if isinf(bound) else below + (bound - below) * (rank - so_far) / count
        so_far += count
        below = bound
    return below
