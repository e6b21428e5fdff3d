"""The application before FastAPI: it forwards what only the leader can do.

gate (limits, faults, access log) -> fast paths -> dispatcher -> WebSocket | forwarder | FastAPI
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.api.keys.txn import TXN, check_shape
from coterie.app.api.live.feed import LiveUpdates
from coterie.app.api.live.socket import LiveSocket
from coterie.app.http.forwarding import FORWARDED_ETCD, TIMEOUT
from coterie.app.http.request import read_body
from coterie.app.observability.metrics.http import ROUTE, template_of

_NEED_METADATA = (
    b"/v1/meta",
    b"/v1/txn",
    b"/v1/watch",
    b"/v1/leases",
    b"/v1/locks",
    b"/v1/elections",
    b"/v1/semaphores",
    b"/v1/request_ids",
    b"/v1/raft/snapshot",
    b"/v1/raft/decisions",
    b"/v1/raft/members/",
    b"/v1/tokens",
)
"""Served by every node that takes part in Raft."""

_ANYWHERE = b"/v1/tokens/self"
"""Answered by each node, with what it found out about the token before."""

_NEED_LEADER = b"/v1/raft/transfer"
"""Done by the leader alone."""


_ETCD = f"{FORWARDED_ETCD}/"

_MEMBERS = b"/v1/members/"
"""To forget one is to remove it from the Raft layer too, where there is one: any member can ask for that."""

_WAIT = (b"/v1/locks/", b"/v1/semaphores/", b"/v1/elections/")
"""What may be waited for, beyond the time of the request itself."""

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Dispatcher:
    """ASGI middleware."""

    def __init__(self, app: FastAPI, context: Context, live: LiveUpdates, etcd: ASGIApp | None = None) -> None:
        """`etcd`: answers what other nodes pass on of etcd's API."""
        self._etcd = etcd
        self._context = context
        self._routes = app.routes
        self._socket = LiveSocket(context, live)
        self._rest: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError for refusals."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif self._etcd is not None and scope["path"].startswith(_ETCD):
            await self._etcd(scope, receive, send)
        elif self._is_for_leader(scope["raw_path"], scope["method"]):
            await self._forward(scope, receive, send)
        else:
            if scope["method"] not in _BODILESS:
                receive = await self._with_whole_body(scope, receive)
            await self._rest(scope, receive, send)

    def _is_for_leader(self, path: bytes, method: str) -> bool:
        raft = self._context.raft
        if method == "DELETE" and path.startswith(_MEMBERS):
            return raft.metadata is None and bool(raft.leader_candidates())
        if path.startswith(_NEED_METADATA):
            return raft.metadata is None and (path != _ANYWHERE or method not in _BODILESS)
        if path.startswith(_NEED_LEADER):
            status = raft.status()
            return status is None or status.role != "leader"
        return False

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = template_of(scope, self._routes)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("timeout")
        seconds = self._context.timeout(query, _header(scope, TIMEOUT))
        waits = scope["method"] == "POST" and scope["raw_path"].startswith(_WAIT)
        longest = self._context.settings.max_request_timeout if waits else 0.0
        await self._context.forwarder.to_leader(scope, receive, send, seconds, longest)

    async def _with_whole_body(self, scope: Scope, receive: Receive) -> Receive:
        """The framework takes bodies of any size, for any time: here they are bounded."""
        declared = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"content-length"), None
        )
        state = self._context.raft.state
        is_txn = scope["path"] == TXN
        setting = "max_body_bytes" if is_txn else "max_json_bytes"
        body = await read_body(receive, declared, self._context.limits, setting)
        if is_txn and state is not None:
            check_shape(body, state.limits.max_txn_ops)
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def receive_again() -> Message:
            nonlocal whole
            message, whole = whole, None
            return message or await receive()

        return receive_again


def _header(scope: Scope, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)
