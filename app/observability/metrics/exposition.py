"""`GET /metrics`: one registry a node, in the format that the client accepts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from coterie.app.observability.health import Health
from coterie.app.observability.metrics.gossip import GossipCollector
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.observability.metrics.node import HttpCollector, NodeCollector
from coterie.app.observability.metrics.raft import RaftCollector
from coterie.app.raft.view import RaftView
from coterie.gossip import GossipNode


class Exposition:
    def __init__(self, node: GossipNode, raft: RaftView, health: Health, http: HttpMetrics, loop_lag: LoopLag) -> None:
        # Not the library's own registry, which all nodes in one process would share.
        self.registry = CollectorRegistry()
        for collector in (
            NodeCollector(node, health, loop_lag),
            GossipCollector(node),
            RaftCollector(raft),
            HttpCollector(http),
        ):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """All metrics, and their content type. `accept`: the request's header; OpenMetrics where it asks for it."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
