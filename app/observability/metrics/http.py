"""Counts and times requests, by route template, method and class of status.

Templates, not paths: a key is never a label. Paths without a route count under one name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from starlette.routing import BaseRoute, Match, Route

from coterie.app.wire.errors import Code
from coterie.consensus.raft.metrics import LATENCY_BOUNDS, Histogram

ROUTE = "coterie.route"
"""Where the front notes the template in the ASGI scope; FastAPI's own routes tell theirs by themselves."""

NO_ROUTE = "none"
"""For what was refused before it was looked at, or fits no route."""

METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})

OTHER_METHOD = "other"

REFUSALS = (Code.TOO_MANY_CONNECTIONS, Code.TOO_MANY_REQUESTS, Code.OVERLOADED)

ETCD_GRPC_STREAMS = (
    *("/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive", "/v3lockpb.Lock/Lock"),
    *("/v3electionpb.Election/Observe", "/v3electionpb.Election/Campaign"),
)
"""Calls over gRPC that go on, or wait for others."""

STREAMS = frozenset(
    {
        *("/v1/watch", "/v1/ws", "/v1/events"),
        *("/v3/watch", "/v3/election/observe", "/v3/election/campaign", "/v3/lock/lock"),
        *ETCD_GRPC_STREAMS,
    }
)
"""Answers that last as long as the client likes: counted, but no durations."""


class Unsent(Protocol):
    """A connection whose client has yet to take some of its answers."""

    def get_write_buffer_size(self) -> int:
        """Their bytes."""


class HttpMetrics:
    """Since the node's start."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By (route, method, hundreds of the status; 0 where the client left before there was one)."""
        self.seconds: dict[tuple[str, str], Histogram] = {}
        """By (route, method)."""
        self.in_flight = 0
        self.connections = 0
        self.of_address: Counter[str] = Counter()
        """Open connections by the client's IP address."""
        self.spare: dict[Any, None] = {}
        """Connections past a limit, which serve health checks alone; the oldest first."""
        self.refused: Counter[str] = Counter(dict.fromkeys(REFUSALS, 0))
        """What was turned away for the node's own protection, by code."""
        self.slow_clients = 0
        """Connections ended because their clients did not take what they had asked for."""
        self.unsent: set[Unsent] = set()
        """Connections whose clients have yet to take what was written."""

    def opened(self, address: str) -> None:
        self.connections += 1
        self.of_address[address] += 1

    def closed(self, address: str) -> None:
        self.connections -= 1
        self.of_address[address] -= 1
        if not self.of_address[address]:
            del self.of_address[address]

    def unsent_bytes(self) -> int:
        return sum(transport.get_write_buffer_size() for transport in self.unsent)

    def ended(self, scope: Any, status: int, seconds: float) -> None:
        """A request has been answered, or its client has left."""
        route = route_of(scope)
        method = scope["method"]
        if method not in METHODS:
            method = OTHER_METHOD
        self.requests[route, method, status // 100] += 1
        if route in STREAMS:
            return
        taken = self.seconds.get((route, method))
        if taken is None:
            taken = self.seconds[route, method] = Histogram(LATENCY_BOUNDS)
        taken.observe(seconds)


def route_of(scope: Any) -> str:
    """The template of the path, such as `/v1/kv/{key}`."""
    noted = scope.get(ROUTE)
    if noted is None:
        noted = _without_converters(getattr(scope.get("route"), "path", NO_ROUTE))
    return str(noted)


def template_of(scope: Any, routes: Sequence[BaseRoute]) -> str:
    """The template of what is passed on, and so matched by no router."""
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
            return _without_converters(route.path)
    return NO_ROUTE


@cache
def _without_converters(path: str) -> str:
    """As the OpenAPI document writes it: `{key}`, not `{key:path}`."""
    return re.sub(r":\w+}", "}", path)
