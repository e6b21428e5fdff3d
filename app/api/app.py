"""The ASGI application of a node: every route, behind the dispatcher and the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from coterie.app.api.cluster.health_routes import add_health
from coterie.app.api.cluster.leave import GracefulLeave
from coterie.app.api.cluster.leave_routes import add_leave
from coterie.app.api.cluster.members import add_members
from coterie.app.api.cluster.overview import add_cluster
from coterie.app.api.cluster.raft_routes import add_raft
from coterie.app.api.cluster.statement import add_statement
from coterie.app.api.console.docs_page import add_docs
from coterie.app.api.console.page import add_console
from coterie.app.api.context import Context
from coterie.app.api.dispatcher import Dispatcher
from coterie.app.api.keys.fast_paths import OF_EITHER_LAYER, FastPaths
from coterie.app.api.keys.routes import KV_PATH, add_key_routes
from coterie.app.api.keys.txn import add_txn
from coterie.app.api.keys.watch import add_watch
from coterie.app.api.live.feed import LiveUpdates
from coterie.app.api.live.hub import Hub
from coterie.app.api.live.openapi import add_message_schemas
from coterie.app.api.live.samples.figures import NodeFigures
from coterie.app.api.live.socket import PingMessage, Subscribe, add_socket
from coterie.app.api.live.sse import add_events
from coterie.app.api.locks.leases import add_leases
from coterie.app.api.locks.routes import add_queues
from coterie.app.api.parameters.documenting import ANYWHERE, listed
from coterie.app.api.parameters.unknown import KnownParameters
from coterie.app.api.root_routes import add_root
from coterie.app.api.tokens import add_tokens
from coterie.app.auth.authority import Authority
from coterie.app.http.error_answers import add_error_answers
from coterie.app.http.forwarding import Forwarder
from coterie.app.http.gate.browser_guard import for_other_origins
from coterie.app.http.gate.gate import HttpGate
from coterie.app.observability.health import Health
from coterie.app.observability.metrics.exposition import Exposition
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.observability.tracing import Tracer, TracingMiddleware
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.view import RaftView
from coterie.app.settings.auth import AuthSettings
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.operation import LeaveSettings
from coterie.app.settings.tables import HealthSettings, HttpSettings, RaftSettings
from coterie.app.wire.errors import ErrorAnswer
from coterie.gossip import GossipNode

DESCRIPTION = """\
A node of a cluster of two layers. **Gossip**: each node tells live nodes from dead ones, and has keys of its own, \
which it alone writes and which spread to all others. **Raft**, where nodes have it on: one keyspace of metadata that \
all agree on, with transactions, watches, leases, locks and elections, at any node.

Every error is answered with the same shape, `ErrorAnswer`: rely on its `code`."""

_BEARER = HTTPBearer(
    auto_error=False,
    bearerFormat="coterie_<id>_<64 hexadecimal digits>",
    scheme_name="bearer",
    description="A token of `POST /v1/tokens` or of the setting `auth.tokens`. What needs none is said by the setting "
    "`auth.anonymous`: on loopback addresses nothing does.",
)
"""For the document: the gate has checked the token before."""


def create_app(
    node: GossipNode,
    limits: HttpSettings,
    raft_settings: RaftSettings | None = None,
    raft: RaftView | None = None,
    stopping: asyncio.Event | None = None,
    *,
    health: Health | None = None,
    figures: HttpMetrics | None = None,
    loop_lag: LoopLag | None = None,
    graceful_leave: GracefulLeave | None = None,
    live_settings: LiveSettings | None = None,
    tracer: Tracer | None = None,
    forwarder: Forwarder | None = None,
    authority: Authority | None = None,
    console: bool = True,
    etcd: Callable[[Context], ASGIApp] | None = None,
) -> ASGIApp:
    """The ASGI application of a node. It must run in the node's own event loop.

    `raft`: this node's view of Raft; gossip's view alone by default. `stopping`: set it when the node stops, for
    streams to end. `figures`, `loop_lag`: counters that other parts of the node write too. `tracer`: None for no
    traces. `forwarder`: sends requests to the leader; over plain HTTP by default. `authority`: allows everything by
    default, as on loopback. `console`: whether `/ui` is there.
    `etcd`: makes what answers other nodes' requests of etcd's API.
    """
    settings = raft_settings or RaftSettings()
    raft = raft or LocalRaft(node)
    stopping = stopping or asyncio.Event()
    health = health or Health(node, raft, stopping, HealthSettings().max_staleness)
    figures = figures or HttpMetrics()
    forwarder = forwarder or Forwarder(node.node.node_id, raft, limits, stopping, tracer)
    loop_lag = loop_lag or LoopLag()
    hub = Hub(node, raft, live_settings or LiveSettings(), stopping, NodeFigures(node, raft, figures, loop_lag))
    live = LiveUpdates(hub)
    graceful_leave = graceful_leave or GracefulLeave(node, raft, LeaveSettings(), stopping, health)
    authority = authority or Authority(AuthSettings(), raft, lambda _: False, forwarder.ask, on_loopback=True)
    context = Context(node, raft, limits, settings, forwarder, stopping, authority)
    app = _documented(context, live, graceful_leave, health, Exposition(node, raft, health, figures, loop_lag))
    if console:
        add_console(app)
    known = KnownParameters(app.routes, {KV_PATH: OF_EITHER_LAYER})
    paths = FastPaths(context, Dispatcher(app, context, live, None if etcd is None else etcd(context)), known)
    gate: ASGIApp = HttpGate(paths, limits, figures, authority)
    if tracer is not None:
        gate = TracingMiddleware(gate, tracer)
    return for_other_origins(gate, limits.allowed_origins) if limits.allowed_origins else gate


def _documented(
    context: Context, live: LiveUpdates, graceful_leave: GracefulLeave, health: Health, exposition: Exposition
) -> FastAPI:
    """The FastAPI application: it documents every route, and serves what the dispatcher leaves to it."""
    app = FastAPI(
        title="Coterie",
        version=version("coterie"),
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        redirect_slashes=False,
        dependencies=[Security(_BEARER)],
        # The stock pages load scripts from other hosts; `app/api/console/docs_page.py` has one that does not.
        docs_url=None,
        redoc_url=None,
        # What no operation lists by itself: answers of the server whatever was asked.
        responses={
            "default": {
                "model": ErrorAnswer,
                "description": "Any other error: " + listed(*ANYWHERE),
            }
        },
    )
    app.state.context = context
    add_error_answers(app)
    add_root(app, context.node)
    add_health(app, health, exposition)
    add_members(app, context)
    add_cluster(app, context)
    add_events(app, context, live)
    add_socket(app, context)
    add_key_routes(app, context)
    add_txn(app, context)
    add_watch(app, context)
    add_leases(app, context)
    add_queues(app, context)
    add_raft(app, context)
    add_statement(app, context)
    add_tokens(app, context)
    add_leave(app, context, graceful_leave)
    add_message_schemas(app, (Subscribe, PingMessage))
    add_docs(app)
    return app
