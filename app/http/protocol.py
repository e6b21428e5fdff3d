"""Limits on connections that uvicorn lacks: their number, and the time and size of a request's head.

What is refused here never reaches the application, and gets the same shape of answer.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from coterie.app.http.errors import RETRY_AFTER_SECONDS, ApiError
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # httptools is C, and not everywhere
    HttpToolsProtocol = None  # type: ignore[assignment,misc]

_socket_log = logging.getLogger("websocket")
_socket_log.setLevel(logging.WARNING)

LEAST_TAKEN_BYTES = 16_384
"""A client that has been sent more than it takes must take this much in `http.send_seconds`."""

ABORT = "coterie.abort"
"""An extension of the ASGI scope: ends the connection at once, for answers that cannot be ended well."""


def bounded_protocol(limits: HttpSettings, figures: HttpMetrics | None = None) -> type[asyncio.Protocol]:
    """What uvicorn shall speak HTTP with; `figures` count its connections."""
    base = _BoundedH11 if HttpToolsProtocol is None else _BoundedHttpTools
    return type("BoundedProtocol", (base,), {"limits": limits, "figures": figures or HttpMetrics()})


def bounded_socket(limits: HttpSettings, figures: HttpMetrics) -> type[asyncio.Protocol]:
    """What it shall speak WebSocket with; `figures` count its connections."""
    return type("BoundedSocket", (_Socket,), {"limits": limits, "figures": figures})


class _Socket(WebSocketsSansIOProtocol):
    """Can be ended at once, and does not log each of its clients."""

    limits: ClassVar[HttpSettings]
    figures: ClassVar[HttpMetrics]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _socket_log
        self.close_timeout = float(self.limits.shutdown_seconds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.figures.connections += 1
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.figures.connections -= 1
        self.figures.unsent.discard(self.transport)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Who takes nothing for too long is dropped by the application (`live.stall_seconds`)."""
        super().pause_writing()
        self.figures.unsent.add(self.transport)

    def resume_writing(self) -> None:
        self.figures.unsent.discard(self.transport)
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops. The application knows, and tells the client why; who is half connected is turned away."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()

    async def run_asgi(self) -> None:
        self.scope["extensions"].update(_extensions(self.transport)["extensions"])
        await super().run_asgi()


class _Bounded(asyncio.Protocol):
    """To be mixed into one of uvicorn's protocols."""

    limits: ClassVar[HttpSettings]
    figures: ClassVar[HttpMetrics]
    connections: set[Any]
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _head_deadline: asyncio.TimerHandle | None = None
    _send_check: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.figures.connections += 1
        limit = self.limits.max_connections
        if len(self.connections) > limit:
            self.figures.refused[Code.TOO_MANY_CONNECTIONS] += 1
            self._refuse(
                ApiError(Code.TOO_MANY_CONNECTIONS, f"this node serves http.max_connections = {limit} already")
            )
        else:
            self._head_begins()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ends()
        self._all_taken()
        self.figures.connections -= 1
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has not taken what was written so far: from here on it is watched."""
        super().pause_writing()
        self.figures.unsent.add(self.transport)
        self._watch_sending()

    def resume_writing(self) -> None:
        self._all_taken()
        super().resume_writing()

    def _watch_sending(self) -> None:
        before = self.transport.get_write_buffer_size()
        self._send_check = self.loop.call_later(self.limits.send_seconds, self._check_sending, before)

    def _check_sending(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < LEAST_TAKEN_BYTES:
            self.figures.slow_clients += 1
            self.transport.abort()
        else:
            self._watch_sending()

    def _all_taken(self) -> None:
        self.figures.unsent.discard(self.transport)
        if self._send_check is not None:
            self._send_check.cancel()
            self._send_check = None

    def handle_websocket_upgrade(self, *event: Any) -> None:
        """From here on another protocol has the connection."""
        self._upgraded = True
        self.figures.connections -= 1
        self._head_ends()
        self._all_taken()
        super().handle_websocket_upgrade(*event)  # type: ignore[misc]

    def send_400_response(self, _message: str) -> None:
        """What uvicorn answers to bytes that are no HTTP."""
        self._refuse(
            ApiError(Code.INVALID_REQUEST, "this is not an HTTP request (what is not ASCII must be %-escaped)")
        )

    def _head_begins(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.limits.head_seconds, self.transport.close)

    def _head_ends(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _refuse(self, error: ApiError) -> None:
        if not self.transport.is_closing():
            self.transport.write(_whole_answer(error))
            self.transport.close()


def _extensions(transport: asyncio.Transport) -> Any:
    return {"extensions": {ABORT: transport.abort}}


def _whole_answer(error: ApiError) -> bytes:
    body = error.body()
    status = HTTPStatus(error.code.status)
    retry = f"retry-after: {RETRY_AFTER_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body


if HttpToolsProtocol is not None:

    class _BoundedHttpTools(_Bounded, HttpToolsProtocol):
        """httptools itself takes heads of any length."""

        _in_head = True
        _head_bytes = 0

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                limit = self.limits.max_query_bytes + self.limits.max_header_bytes
                if self._head_bytes > limit:
                    self._refuse(ApiError(Code.HEADERS_TOO_LARGE, f"the head of a request may take {limit} bytes"))
                    return
                # A head that ends in these bytes is measured by the application.
                self._head_bytes += len(data)
            super().data_received(data)

        def on_message_begin(self) -> None:
            self._in_head = True
            self._head_bytes = 0
            self._head_begins()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head_ends()
            self.scope.update(_extensions(self.transport))
            super().on_headers_complete()


class _BoundedH11(_Bounded, H11Protocol):
    """h11 bounds the head by itself, with what uvicorn's Config tells it."""

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.cycle.scope.update(_extensions(self.transport))
            self._head_ends()
        elif getattr(before, "response_complete", True) and not self._upgraded:
            self._head_begins()
