"""What a histogram saw in between, as a mean and quantiles."""

from __future__ import annotations

import pytest

from coterie.app.api.live.samples.latencies import Latencies, quantile
from coterie.consensus.raft.metrics import Histogram

BOUNDS = (1.0, 2.0, 4.0)


def histogram(*values: float) -> Histogram:
    made = Histogram(BOUNDS)
    for value in values:
        made.observe(value)
    return made


@pytest.mark.parametrize(
    ("counts", "q", "expected"),
    [
        ([4, 0, 0, 0], 0.5, 0.5),
        ([0, 4, 0, 0], 0.5, 1.5),
        ([1, 1, 0, 0], 1.0, 2.0),
        ([2, 0, 2, 0], 0.75, 3.0),
        ([0, 0, 0, 3], 0.99, 4.0),
        ([99, 0, 0, 1], 0.5, 50 / 99),
    ],
)
def test_quantiles_are_spread_within_their_bucket(counts: list[int], q: float, expected: float) -> None:
    assert quantile(BOUNDS, counts, q) == pytest.approx(expected)


def test_only_what_came_in_between_counts() -> None:
    latencies, seen = Latencies(), histogram(0.5, 0.5)
    assert latencies.since([seen])["count"] == 2
    nothing = latencies.since([seen])
    assert nothing == {"count": 0, "mean_seconds": None, "p50_seconds": None, "p90_seconds": None, "p99_seconds": None}
    seen.observe(3.0)
    told = latencies.since([seen])
    assert (told["count"], told["mean_seconds"]) == (1, 3.0)
    assert 2.0 <= told["p50_seconds"] <= 4.0


def test_several_are_taken_together_also_ones_that_are_new() -> None:
    latencies, first, second = Latencies(), histogram(0.5), histogram(3.0, 1.5)
    assert latencies.since([])["count"] == 0
    latencies.since([first])
    first.observe(1.5)
    told = latencies.since([first, second])
    assert (told["count"], told["mean_seconds"]) == (3, 2.0)


def test_a_histogram_that_begins_anew_is_no_debt() -> None:
    latencies = Latencies()
    latencies.since([histogram(0.5, 0.5, 0.5)])
    told = latencies.since([histogram(1.5)])
    assert (told["count"], told["mean_seconds"]) == (1, 1.5)
