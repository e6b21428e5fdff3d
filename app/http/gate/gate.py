"""The gate that every request passes first and last: limits of size, encoding, authority, faults, the access log."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from coterie.app.http.admission import RequestAdmission
from coterie.app.http.errors import ApiError
from coterie.app.http.gate.browser_guard import BrowserGuard
from coterie.app.http.gate.head import answer_head, is_head
from coterie.app.http.protocol import ABORT, UNREAD
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code

log = structlog.stdlib.get_logger("http")
_stdlib_log = logging.getLogger("http")

KEYS = (b"/v1/kv/", b"/v1/meta/")
"""What follows is a key, whose every byte counts."""

MAX_PARAMETERS = 100
"""Of a query: each is read by several parts of the framework."""

_ESCAPED_WORD = re.compile(rb"%(?:3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])")
"""An escape of a letter or a digit: no client needs it, and a fixed part of the path can hide behind it."""

CLOSE_HEADER = (b"connection", b"close")

FAULT = ApiError(Code.INTERNAL, "this node failed to answer; its log says why")

_CLOSED_FOR = {Code.UNAUTHORIZED: (1008, "unauthorized"), Code.FORBIDDEN: (1008, "rights_changed")}
"""Code and reason of a WebSocket's end. After the second it may be opened again at once, for what may be told then."""

CUT_SHORT = ApiError(
    Code.UNAVAILABLE, "this node is stopping, and did not wait for the answer", details={"reason": "stopped"}
)
CUT_SHORT_WRITE = ApiError(
    Code.OUTCOME_UNKNOWN,
    "this node is stopping, and did not wait for the outcome: whether this happened is not known; with the request id "
    "that it was sent with in Coterie-Request-Id it may be sent again, and happens at most once",
)


class RequestAuthority(Protocol):
    """Decides which requests pass."""

    async def admit(self, scope: Scope, shown: bytes | None) -> tuple[Any, ...]:
        """Let a request pass, and return the rights that it needs. `shown`: its `Authorization`. Raises ApiError."""

    def share_of(self, scope: Scope) -> str:
        """The id of an admitted request's token, where what it holds is bounded; else empty."""

    def ended(self, scope: Scope, rights: tuple[Any, ...], status: int) -> None:
        """An admitted request was answered."""

    def stream(self, scope: Scope, end: Callable[[bool], None]) -> object:
        """An answer goes on: `end` is called once its token allows less (True) or nothing. Returns a mark."""

    def stream_ended(self, mark: object) -> None: ...


class HttpGate:
    """ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpSettings,
        figures: HttpMetrics,
        authority: RequestAuthority,
        show: Callable[[ApiError], ASGIApp] = ApiError.response,
    ) -> None:
        """`show`: what a refusal is answered with."""
        self._app = app
        self._show = show
        self._authority = authority
        self._limits = limits
        self._figures = figures
        self._admission = RequestAdmission(limits, figures)
        self._guard = BrowserGuard(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._socket(scope, receive, send)
            return
        status = 0
        complete = False
        started = time.perf_counter()
        rights: tuple[Any, ...] = ()
        streams: list[object] = []

        async def watch(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                if _is_unread(scope) and CLOSE_HEADER not in (headers := message.get("headers", ())):
                    message["headers"] = [*headers, CLOSE_HEADER]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
                if not complete and not streams:
                    streams.append(self._authority.stream(scope, lambda _: abort(scope)))
            await send(message)

        figures = self._figures
        figures.in_flight += 1
        held = None
        try:
            refused: ApiError | None = None
            try:
                rights = await self._authority.admit(scope, self._admit(scope))
                held = self._admission.enter(scope, self._authority.share_of(scope))
                if is_head(scope):
                    await answer_head(self._app, scope, receive, watch)
                else:
                    await self._app(scope, receive, watch)
            except ApiError as error:
                refused = error.bare()
            except asyncio.CancelledError:
                # A stopping server ends so what took longer than `http.shutdown_seconds`, and sends what is answered.
                if status:
                    raise
                refused = CUT_SHORT if scope["method"] in {"GET", "HEAD"} else CUT_SHORT_WRITE
            except Exception:
                log.exception("internal error: please report it", method=scope["method"], path=scope["path"])
                if status and not complete:
                    raise
                refused = None if status else FAULT
            if refused is not None:
                await self._show(refused)(scope, receive, watch)
        finally:
            took = time.perf_counter() - started
            self._admission.leave(held)
            figures.in_flight -= 1
            figures.ended(scope, status, took)
            for stream in streams:
                self._authority.stream_ended(stream)
            if rights:
                self._authority.ended(scope, rights, status)
        if _stdlib_log.isEnabledFor(logging.DEBUG):
            log.debug("request", method=scope["method"], path=scope["path"], status=status, ms=round(took * 1e3, 3))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: refused as requests are, before it is accepted; a fault after that ends it."""
        status = 0
        held = None
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = HTTPStatus.SWITCHING_PROTOCOLS
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            await send(message)

        log.debug("websocket opens", path=scope["path"])
        try:
            refused: ApiError | None = None
            try:
                shown = self._admit(scope)
                await self._authority.admit(scope, _of_browser(scope) if shown is None else shown)
                held = self._admission.enter(scope, self._authority.share_of(scope))
                await self._while_allowed(scope, receive, watch)
            except ApiError as error:
                refused = error.bare()
            except ClientDisconnected:
                pass  # it went while its handshake was answered
            except Exception:
                log.exception("internal error: please report it", method="WEBSOCKET", path=scope["path"])
                refused = FAULT
            if refused is not None and not status:
                await self._show(refused)(scope, receive, watch)
            elif refused is not None:
                with suppress(OSError, RuntimeError):  # it may be closed already
                    code, reason = _CLOSED_FOR.get(refused.code, (1011, refused.code.value))
                    await send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            self._admission.leave(held)
            self._figures.ended({**scope, "method": "GET"}, status, time.perf_counter() - started)
        log.debug("websocket closed", path=scope["path"], status=int(status))

    async def _while_allowed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket until it ends, or its token does. Raises ApiError then."""
        serving = asyncio.ensure_future(self._app(scope, receive, send))
        gone: ApiError | None = None

        def end(less: bool) -> None:
            nonlocal gone
            if less:
                gone = ApiError(
                    Code.FORBIDDEN, "the token allows less than it did; connect again with what it allows now"
                )
            else:
                gone = ApiError(Code.UNAUTHORIZED, "the token was revoked, or its time is over")
            serving.cancel()

        stream = self._authority.stream(scope, end)
        try:
            await serving
        except asyncio.CancelledError:
            serving.cancel()
            if gone is None:
                raise
            raise gone from None
        finally:
            self._authority.stream_ended(stream)

    def _admit(self, scope: Scope) -> bytes | None:
        """Returns the `Authorization`. Raises ApiError for what is too long, not text, or comes from another site."""
        query: bytes = scope["query_string"]
        if len(scope["raw_path"]) + len(query) > self._limits.max_query_bytes:
            raise ApiError(
                Code.QUERY_TOO_LONG,
                f"path and query are longer than http.max_query_bytes = {self._limits.max_query_bytes}",
            )
        if query.count(b"&") >= MAX_PARAMETERS:
            raise ApiError(Code.QUERY_TOO_LONG, f"the query has more than {MAX_PARAMETERS} parameters")
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        if size > self._limits.max_header_bytes:
            raise ApiError(
                Code.HEADERS_TOO_LARGE,
                f"the headers are larger than http.max_header_bytes = {self._limits.max_header_bytes}",
            )
        if b"%" in scope["raw_path"]:
            _check_path(scope["raw_path"])
        # The framework would put U+FFFD in the place of what is not UTF-8.
        if b"%" in query:
            try:
                unquote_to_bytes(query).decode()
            except UnicodeDecodeError:
                raise ApiError(Code.INVALID_ENCODING, "the query is not UTF-8 once its %-escapes are read") from None
        return self._guard.check(scope)


def abort(scope: Scope) -> None:
    """End the connection of an answer that goes on."""
    end = scope.get("extensions", {}).get(ABORT)
    if end is not None:
        end()


def _check_path(raw: bytes) -> None:
    """Whatever routes by the path as sent must route as what routes by the decoded one. Raises ApiError."""
    if raw.startswith(KEYS):
        return
    if b"%" in b"/".join(raw.split(b"/", 3)[:3]) or _ESCAPED_WORD.search(raw):
        raise ApiError(
            Code.NOT_FOUND, "write the path without %-escapes of letters and digits; keys and names may have others"
        )
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise ApiError(Code.INVALID_ENCODING, "the path is not UTF-8 once its %-escapes are read") from None


def _is_unread(scope: Scope) -> bool:
    """Whether a part of the request's body is still to come."""
    check = scope.get("extensions", {}).get(UNREAD)
    return check is not None and check()


def _of_browser(scope: Scope) -> bytes | None:
    """A token among the subprotocols of a WebSocket: pages cannot set `Authorization` there."""
    token = next((each for each in scope.get("subprotocols", ()) if each.startswith("coterie_")), None)
    return None if token is None else b"Bearer " + token.encode("latin-1", "replace")
