"""Metric families in a line each, and the registry of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isinf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from coterie.consensus.raft.metrics import Histogram

PREFIX = "coterie_"

QUANTILES = (0.5, 0.9, 0.99, 1.0)
"""Of what is told of many nodes at once."""


def counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, help_text, value=value)


def counters(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    """One counter for each value of a label."""
    family = CounterMetricFamily(PREFIX + name, help_text, labels=[label])
    for of, value in sorted(values.items()):
        family.add_metric([of], value)
    return family


def gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value)


def gauges(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    """One gauge for each value of a label."""
    family = GaugeMetricFamily(PREFIX + name, help_text, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def quantiles(name: str, help_text: str, ascending: Sequence[float]) -> Metric:
    """A distribution over nodes as of now, by nearest rank; no sample where there are no nodes."""
    last = len(ascending) - 1
    values = {f"{q:g}": ascending[round(q * last)] for q in QUANTILES} if ascending else {}
    return gauges(name, help_text, "quantile", values)


def histogram(
    name: str, help_text: str, by_labels: Iterable[tuple[Sequence[str], Histogram]], labels: Sequence[str] = ()
) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, help_text, labels=labels)
    for values, taken in by_labels:
        buckets = [(_bound(bound), count) for bound, count in taken.cumulated()]
        family.add_metric(values, buckets=buckets, sum_value=taken.total)
    return family


def _bound(bound: float) -> str:
    return "+Inf" if isinf(bound) else repr(bound)
