"""The documented HTTP endpoints: the cluster as this node sees it, and writes to this node's own keys.

Every answer that is not 200 has the shape of `app/wire/errors.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from coterie.app.api.cluster.health_routes import add_watching
from coterie.app.api.cluster.leave import Departure
from coterie.app.api.cluster.state import encode_cluster_state
from coterie.app.api.context import Context
from coterie.app.api.dispatcher import Front
from coterie.app.api.documenting import ANYWHERE, errors, listed
from coterie.app.api.keys.gossip import refuse
from coterie.app.api.live.hub import Hub
from coterie.app.api.live.samples.figures import NodeFigures
from coterie.app.api.live.snapshot import Pages
from coterie.app.api.register import add_v1
from coterie.app.auth.authority import Authority
from coterie.app.console.docs_page import add_docs
from coterie.app.console.page import add_console
from coterie.app.http.browser_guard import for_other_origins
from coterie.app.http.forwarding import Forwarder
from coterie.app.http.gate import FAULT, HttpGate
from coterie.app.http.tls import Tls
from coterie.app.observability.health import Health
from coterie.app.observability.metrics.exposition import Exposition
from coterie.app.observability.metrics.http import HttpFigures
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.observability.tracing import Traced, Tracer
from coterie.app.raft.local import LocalRaft
from coterie.app.raft.view import RaftView
from coterie.app.settings.auth import AuthSettings
from coterie.app.settings.live import LiveSettings
from coterie.app.settings.operation import LeaveSettings
from coterie.app.settings.tables import HealthSettings, HttpSettings, RaftSettings
from coterie.app.wire.errors import ApiError, Code, json_response
from coterie.app.wire.models import ClusterStateAnswer, ErrorAnswer, StatusAnswer
from coterie.gossip import GossipNode, KeyRefusedError

DESCRIPTION = """\
A node of a cluster of two layers. **Gossip**: each node tells live nodes from dead ones, and has keys of its own, \
which it alone writes and which spread to all others. **Raft**, where nodes have it on: one keyspace of metadata that \
all agree on, with transactions, watches, leases, locks and elections, at any node.

Every error is answered with the same shape, `ErrorAnswer`: rely on its `code`."""

_KEY_REFUSALS = (
    Code.MISSING_PARAMETER,
    Code.EMPTY_PARAMETER,
    Code.INVALID_ENCODING,
    Code.INVALID_REQUEST,
    Code.KEY_REFUSED,
    Code.RESERVED_KEY,
    Code.TOO_LARGE,
)

_BEARER = HTTPBearer(
    auto_error=False,
    bearerFormat="coterie_<id>_<64 hexadecimal digits>",
    scheme_name="bearer",
    description="A token of `POST /v1/tokens` or of the setting `auth.tokens`. What needs none is said by the setting "
    "`auth.anonymous`: on loopback addresses nothing does.",
)
"""For the document: the gate has checked the token before."""

DONE = b'{"status":true}'

Key = Annotated[str, Query(min_length=1, description="The key; not empty.", examples=["hello"])]
Value = Annotated[str, Query(description="The value to associate with the key; may be empty.", examples=["world"])]


def create_app(
    node: GossipNode,
    limits: HttpSettings,
    raft_settings: RaftSettings | None = None,
    raft: RaftView | None = None,
    stopping: asyncio.Event | None = None,
    *,
    health: Health | None = None,
    figures: HttpFigures | None = None,
    loop_lag: LoopLag | None = None,
    departure: Departure | None = None,
    live_settings: LiveSettings | None = None,
    tracer: Tracer | None = None,
    authority: Authority | None = None,
    tls: Tls | None = None,
    console: bool = True,
) -> ASGIApp:
    """The ASGI application of a node. It must run in the node's own event loop.

    `raft`: the node's part in the Raft layer; without one it is a client of the others'. `stopping`: set it when
    the node stops, for streams to end. `figures`, `loop_lag`: what else counts there. `departure`: how the node
    leaves, where it is not by the defaults. `tracer`: None for no traces. `authority`: who may do what; everybody
    everything where left out, as on loopback. `tls`: what other nodes are spoken to with; None: plain HTTP.
    `console`: whether `/ui` is there.
    """
    settings = raft_settings or RaftSettings()
    raft = raft or LocalRaft(node)
    stopping = stopping or asyncio.Event()
    health = health or Health(node, raft, stopping, HealthSettings().max_staleness)
    figures = figures or HttpFigures()
    forwarder = Forwarder(node.node.node_id, raft, limits, stopping, tracer, tls)
    loop_lag = loop_lag or LoopLag()
    live = Hub(node, raft, live_settings or LiveSettings(), stopping, NodeFigures(node, raft, figures, loop_lag))
    departure = departure or Departure(node, raft, LeaveSettings(), stopping, health)
    authority = authority or Authority(AuthSettings(), raft, lambda _: False, on_loopback=True)
    authority.ask_leader = forwarder.ask
    context = Context(
        node, raft, limits, settings, forwarder, health, stopping, departure, live, Pages(live), authority
    )
    exposition = Exposition(node, raft, health, figures, loop_lag)
    app = _documented(context, exposition)
    if console:
        add_console(app)
    gate: ASGIApp = HttpGate(Front(app, context), limits, figures, authority)
    if tracer is not None:
        gate = Traced(gate, tracer)
    return for_other_origins(gate, limits.allowed_origins) if limits.allowed_origins else gate


def _documented(context: Context, exposition: Exposition) -> FastAPI:
    """What FastAPI describes, and serves where the front does not."""
    app = FastAPI(
        title="Coterie",
        version=version("coterie"),
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        redirect_slashes=False,
        dependencies=[Security(_BEARER)],
        # The stock pages load scripts from other hosts; `app/console/docs_page.py` has one that does not.
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
    _add_error_answers(app)
    _add_endpoints(app, context.node)
    add_watching(app, context, exposition)
    add_v1(app, context)
    add_docs(app)
    return app


def _add_endpoints(app: FastAPI, node: GossipNode) -> None:
    engine = node.engine

    def documented(path: str, **about: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A GET endpoint; with and without a trailing slash, and in the OpenAPI document once."""

        def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            app.get(path, operation_id=endpoint.__name__, **about)(endpoint)
            if path != "/":
                app.get(path + "/", include_in_schema=False)(endpoint)
            return endpoint

        return add

    @documented(
        "/",
        summary="The cluster as this node sees it",
        response_model=ClusterStateAnswer,
        response_description="The cluster, as compact JSON",
        tags=["cluster"],
    )
    async def get_cluster_state() -> Response:
        """All known nodes with their keys, and which of them are alive."""
        # Thousands of nodes with their keys: rendered directly, not by way of the model.
        return json_response(encode_cluster_state(engine))

    @documented(
        "/set_kv",
        summary="Set a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=errors(*_KEY_REFUSALS, Code.TOO_MANY_KEYS),
        tags=["keys"],
    )
    async def set_kv(key: Key, value: Value) -> Response:
        """Sets a key-value pair on the current node; from there it spreads to all others."""
        try:
            node.set(key, value)
        except KeyRefusedError as error:
            refuse(error, "key" if len(key.encode()) > engine.config.max_key_value_bytes else "value")
        return json_response(DONE)

    @documented(
        "/mark_for_deletion",
        summary="Delete a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=errors(*_KEY_REFUSALS),
        tags=["keys"],
    )
    async def mark_for_deletion(key: Key) -> Response:
        """Marks a key for deletion on the current node. The mark spreads to all others and is kept for
        `marked_for_deletion_grace_period`. A key that is not there is no error."""
        limit = engine.config.max_key_value_bytes
        if len(key.encode()) > limit:
            raise ApiError(Code.TOO_LARGE, f"the key is longer than max_key_value_bytes = {limit}", "key")
        try:
            node.delete(key)
        except KeyRefusedError as error:
            refuse(error, "key")
        return json_response(DONE)


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def answer_api_error(_request: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(Exception)
    async def answer_fault(_request: Request, _error: Exception) -> Response:
        return FAULT.response()  # the gate logs it

    @app.exception_handler(RequestValidationError)
    async def answer_validation_error(request: Request, error: RequestValidationError) -> Response:
        details = error.errors()[0]
        where, *path = map(str, details["loc"])
        parameter = ".".join(path) or where
        match details["type"]:
            case "missing":
                refused = ApiError(Code.MISSING_PARAMETER, f"the parameter {parameter} is missing", parameter)
            case "string_too_short":
                refused = ApiError(Code.EMPTY_PARAMETER, f"the parameter {parameter} must not be empty", parameter)
            case "model_attributes_type" if not path and isinstance(details["input"], bytes):
                # Read as JSON is only what says that it is; curl calls what it sends with -d a form.
                told = request.headers.get("content-type", "nothing")
                problem = f"the body must come as Content-Type: application/json, not as {told}"
                refused = ApiError(Code.INVALID_REQUEST, problem, "Content-Type")
            case _:
                problem = details["msg"].removeprefix("Value error, ")
                refused = ApiError(Code.INVALID_REQUEST, f"the parameter {parameter}: {problem}", parameter)
        return refused.response()

    @app.exception_handler(HTTPException)
    async def answer_http_exception(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        match error.status_code:
            case 404:
                refused = ApiError(Code.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is")
            case 405:
                use = _allowed(request)
                headers["Allow"] = use
                refused = ApiError(Code.METHOD_NOT_ALLOWED, f"{request.method} is not possible at this path; use {use}")
            case _:
                refused = ApiError(Code.INVALID_REQUEST, str(error.detail))
        return refused.response(headers)


def _allowed(request: Request) -> str:
    """What can be done at a path, by all the routes that have it."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))
