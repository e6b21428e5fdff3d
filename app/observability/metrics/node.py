"""Metrics of the node: identity, readiness, event loop, HTTP requests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from coterie.app.observability.health import Health
from coterie.app.observability.metrics.families import PREFIX, counter, counters, gauge, gauges, histogram
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.gossip import GossipNode


class NodeCollector(Collector):
    def __init__(self, node: GossipNode, health: Health, loop_lag: LoopLag) -> None:
        self._node = node
        self._health = health
        self._loop_lag = loop_lag

    def collect(self) -> Iterator[Metric]:
        own = self._node.node
        info = GaugeMetricFamily(
            PREFIX + "node_info", "Who this node is.", labels=["node_id", "cluster_id", "generation", "version"]
        )
        cluster = self._node.engine.config.cluster_id
        info.add_metric([own.node_id, cluster, str(own.generation), version("coterie")], 1)
        yield info
        checks = self._health.ready_checks()
        yield gauge("ready", "What GET /readyz says.", all(check.ok for check in checks))
        yield gauges("ready_check", "Its parts, by name.", "check", {check.name: float(check.ok) for check in checks})
        yield histogram(
            "event_loop_lag_seconds",
            "How late the event loop woke a timer, twice a second.",
            [((), self._loop_lag.seconds)],
        )


class HttpCollector(Collector):
    def __init__(self, figures: HttpMetrics) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        requests = CounterMetricFamily(
            PREFIX + "http_requests",
            "Requests answered, by route template; status 0xx: the client left before the answer.",
            labels=["route", "method", "status"],
        )
        for (route, method, hundreds), count in sorted(figures.requests.items()):
            requests.add_metric([route, method, f"{hundreds}xx"], count)
        yield requests
        yield histogram(
            "http_request_duration_seconds",
            "From a request's head to the end of its answer; streams are not in here.",
            ((labels, figures.seconds[labels]) for labels in sorted(figures.seconds)),
            labels=["route", "method"],
        )
        yield gauge("http_requests_in_flight", "Requests being worked on, streams included.", figures.in_flight)
        yield gauge("http_connections", "Open connections.", figures.connections)
        yield gauge("http_unsent_bytes", "Answers that slow clients have yet to take.", figures.unsent_bytes())
        yield counter(
            "http_slow_clients", "Connections ended because their clients took nothing.", figures.slow_clients
        )
        yield counters(
            "http_refused", "Turned away for the node's own protection, by error code.", "code", figures.refused
        )
