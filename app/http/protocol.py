"""Limits on connections that uvicorn lacks: their number, and the time and size of each request, trailers included.

What is refused here never reaches the application, and gets the same shape of answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from coterie.app.http.admission import ALWAYS
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

MAX_PIPELINED = 64
"""Requests of one connection that wait for the answers before theirs. The connection ends after the last of these."""

HEALTH_CONNECTIONS = 16
"""Connections past a limit that are taken nevertheless, for health checks; the oldest gives way to a new one."""

SPARE_SECONDS = 1.0
"""How long such a connection may take for the head of its request."""

SLICE_BYTES = 4_096
"""A WebSocket's bytes are read in parts of this size, so that a flood of small frames is noticed within one."""

MAX_FRAMES_PER_SECOND = 1_000
"""A WebSocket whose client sends more is ended."""

LINGER_SECONDS = 2.0
"""How long what a client still sends is dropped after the last answer: closed at once, the connection would be reset,
and the client might not see the answer."""

ABORT = "coterie.abort"
"""An extension of the ASGI scope: ends the connection at once, for answers that cannot be ended well."""

UNREAD = "coterie.unread"
"""An extension of the ASGI scope: whether a part of the body is still to come. An answer then ends the connection."""


_NO_HANDSHAKE = ApiError(
    Code.INVALID_REQUEST,
    "this is not a handshake of a WebSocket: send a GET without a body, with fewer and shorter headers",
)


HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client that speaks HTTP/2."""


class MakeHttp2(Protocol):
    """Makes what speaks HTTP/2 on a connection."""

    def __call__(self, app: ASGIApp, connections: set[Any], tasks: set[asyncio.Task[None]]) -> asyncio.Protocol:
        """`connections`, `tasks`: the server's own, which it waits for when it stops."""


def bounded_protocol(
    limits: HttpSettings, figures: HttpMetrics | None = None, make_http2: MakeHttp2 | None = None
) -> type[asyncio.Protocol]:
    """What uvicorn shall speak HTTP with; `figures` count its connections; without `make_http2` it is HTTP/1 alone."""
    base = _BoundedH11 if HttpToolsProtocol is None else _BoundedHttpTools
    http2 = None if make_http2 is None else staticmethod(make_http2)
    return type(
        "BoundedProtocol", (base,), {"limits": limits, "figures": figures or HttpMetrics(), "make_http2": http2}
    )


def bounded_socket(limits: HttpSettings, figures: HttpMetrics) -> type[asyncio.Protocol]:
    """What it shall speak WebSocket with; `figures` count its connections."""
    return type("BoundedSocket", (_Socket,), {"limits": limits, "figures": figures})


class _Socket(WebSocketsSansIOProtocol):
    """Can be ended at once, does not log each of its clients, and bounds handshakes and frames."""

    limits: ClassVar[HttpSettings]
    figures: ClassVar[HttpMetrics]
    _second = 0.0
    _frames = 0
    """Within this second."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _socket_log
        self.close_timeout = float(self.limits.shutdown_seconds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.figures.opened(self._address)
        self._handshake = self.loop.call_later(self.limits.head_seconds, self._end_handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        self._handshake.cancel()
        self.figures.closed(self._address)
        self.figures.unsent.discard(self.transport)
        super().connection_lost(exc)

    def _end_handshake(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + SLICE_BYTES])
        if not self.handshake_initiated and not self.transport.is_closing():  # the whole head has come at once
            self.transport.write(_whole_answer(_NO_HANDSHAKE))
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """The client broke the protocol: for the application it is gone."""
        if self.conn.close_sent is None:  # its handshake has not been answered yet: no frame can say why
            self.transport.abort()
            return
        super().handle_parser_exception()
        self.disconnected = True

    def handle_events(self) -> None:
        now = self.loop.time()
        if now - self._second >= 1.0:
            self._second, self._frames = now, 0
        self._frames += len(self.conn.events)
        if self._frames <= MAX_FRAMES_PER_SECOND:
            super().handle_events()
        else:
            self.transport.abort()

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
        self.scope["extensions"].update({ABORT: self.transport.abort})  # type: ignore[dict-item]
        await super().run_asgi()


class _Bounded(asyncio.Protocol):
    """To be mixed into one of uvicorn's protocols."""

    limits: ClassVar[HttpSettings]
    figures: ClassVar[HttpMetrics]
    make_http2: ClassVar[MakeHttp2 | None]
    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    _first: bytes | None = b""
    """What has come while it is not clear whether it is HTTP/2."""
    cycle: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    pipeline: Any = ()
    _in_head = False
    _in_body = False
    _bytes = 0
    """Taken of the request that is coming."""
    _owed = 0.0
    """For how long, in seconds, the client may take for the part that it owes; 0 while it owes none."""
    _deadline: asyncio.TimerHandle | None = None
    _send_check: asyncio.TimerHandle | None = None
    _dropping = False
    """What the client sends is not read any more."""
    _lingering = False
    """The last answer is out."""
    _upgraded = False
    flow: Any
    config: Any
    client: tuple[str, int] | None
    app: Any
    _spare: ApiError | None = None
    """Why this connection serves health checks alone."""

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # What uvicorn sends an answer with.
        self._answering = SimpleNamespace(
            write=self._write, is_closing=self.transport.is_closing, close=self._close_answered
        )
        self.figures.opened(self._address)
        self._spare = self._lack_of_room()
        if self._spare is not None:
            self.app = self._serve_health
            self.figures.spare[self] = None
            if len(self.figures.spare) > HEALTH_CONNECTIONS:
                next(iter(self.figures.spare))._turn_away()
        self._watch_client()

    def _write(self, data: bytes) -> None:
        """Nothing where the connection is being closed: what answers may not have heard of it yet."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def _lack_of_room(self) -> ApiError | None:
        limits, figures = self.limits, self.figures
        if len(self.connections) - len(figures.spare) > limits.max_connections:
            held = f"this node serves http.max_connections = {limits.max_connections}"
        elif figures.of_address[self._address] > limits.max_connections_per_client:
            held = f"this address has http.max_connections_per_client = {limits.max_connections_per_client}"
        else:
            return None
        return ApiError(Code.TOO_MANY_CONNECTIONS, f"{held} already", closes=True)

    async def _serve_health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What a connection past a limit is there for."""
        if scope["raw_path"] in ALWAYS:
            await self.config.loaded_app(scope, receive, send)
        elif self._spare is not None:
            self.figures.refused[self._spare.code] += 1
            await self._spare.response()(scope, receive, send)

    def _turn_away(self) -> None:
        self.figures.spare.pop(self, None)
        if self.cycle is None and self._spare is not None:
            self.figures.refused[self._spare.code] += 1
            self._refuse(self._spare)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owe(0.0)
        self._all_taken()
        self.figures.spare.pop(self, None)
        self.figures.closed(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.make_http2 is not None and self._first is not None:
            data = self._look_for_http2(self.make_http2, self._first + data)
            if not data:
                return
        limits = self.limits
        most = limits.max_query_bytes + limits.max_header_bytes
        if self._in_head:
            if self._bytes > most:
                self._refuse(ApiError(Code.HEADERS_TOO_LARGE, f"the head of a request may take {most} bytes"))
                return
        elif self._bytes > most + 2 * limits.max_body_bytes:  # room for the frames of small chunks
            self.transport.abort()
            return
        # A head or body that ends in these bytes is measured by the application.
        self._bytes += len(data)
        if not self._dropping:
            super().data_received(data)
            self._watch_client()

    def _look_for_http2(self, make_http2: MakeHttp2, first: bytes) -> bytes:
        """The first bytes of a connection, once they are known to be HTTP/1."""
        self._first = first
        if len(first) < len(HTTP2_PREFACE) and HTTP2_PREFACE.startswith(first):
            return b""
        self._first = None
        if not first.startswith(HTTP2_PREFACE):
            return first
        if self._spare is not None:
            self.transport.close()
            return b""
        self._hand_over()
        self.connections.discard(self)
        protocol = make_http2(self.app, self.connections, self.tasks)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(first)
        return b""

    def _message_begins(self) -> None:
        self._bytes = 0
        self._owe(0.0)

    def _watch_client(self) -> None:
        """Give the client a deadline for what it owes; while it waits for an answer, that is nothing."""
        if self._dropping or self._upgraded:
            return
        if self._in_body:
            self._owe(self.limits.body_seconds + LINGER_SECONDS)  # the application, which answers 408, comes first
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._owe(self.limits.head_seconds if self._spare is None else SPARE_SECONDS)
        else:
            self._owe(0.0)

    def _owe(self, seconds: float) -> None:
        if seconds == self._owed:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._owed = seconds
        end = self.transport.close if self._spare is None else self._turn_away
        self._deadline = self.loop.call_later(seconds, end) if seconds else None

    def _cycle_begins(self) -> None:
        self.cycle.transport = self._answering
        self.cycle.scope["extensions"] = {ABORT: self.transport.abort, UNREAD: self._is_unread}

    def _is_unread(self) -> bool:
        return self._in_body and not self.pipeline

    def _close_answered(self) -> None:
        """End the connection with an answer."""
        if not (self._in_body or self._dropping):
            self.transport.close()
            return
        self._dropping = self._lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._owe(LINGER_SECONDS)

    def on_response_complete(self) -> None:
        if self._lingering:
            self.flow.resume_reading()
        else:
            super().on_response_complete()  # type: ignore[misc]

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
        if self._spare is not None:
            self._turn_away()
            return
        self._hand_over()
        super().handle_websocket_upgrade(*event)  # type: ignore[misc]

    def _hand_over(self) -> None:
        """From here on another protocol has the connection."""
        self._upgraded = True
        self.figures.closed(self._address)
        self._owe(0.0)
        self._all_taken()

    def send_400_response(self, _message: str) -> None:
        """What uvicorn answers to bytes that are no HTTP."""
        if not self._dropping:
            self._refuse(
                ApiError(Code.INVALID_REQUEST, "this is not an HTTP request (what is not ASCII must be %-escaped)")
            )

    def _refuse(self, error: ApiError) -> None:
        if not self.transport.is_closing():
            self.transport.write(_whole_answer(error))
            self.transport.close()


def _whole_answer(error: ApiError) -> bytes:
    body = error.body()
    status = HTTPStatus(error.code.status)
    retry = f"retry-after: {RETRY_AFTER_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body


class _QueueFullError(Exception):
    """Stops the parser of httptools within the bytes that it was given."""


if HttpToolsProtocol is not None:

    class _BoundedHttpTools(_Bounded, HttpToolsProtocol):
        """httptools itself takes heads and trailers of any length, and requests without number."""

        _in_head = True

        def on_message_begin(self) -> None:
            self._in_head = True
            self._message_begins()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            if len(self.pipeline) >= MAX_PIPELINED:
                self._dropping = True
                self.pipeline[0][0].keep_alive = False  # the one that came last
                raise _QueueFullError
            self._in_head = False
            self._in_body = True
            before = self.cycle
            super().on_headers_complete()
            if self.cycle is not before:
                self._cycle_begins()
                self.headers = deque(maxlen=0)  # type: ignore[assignment]  # takes the trailers, and drops them

        def on_message_complete(self) -> None:
            self._in_body = False
            super().on_message_complete()


class _BoundedH11(_Bounded, H11Protocol):
    """h11 bounds heads and trailers by itself, with what uvicorn's Config tells it, and queues no requests."""

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._message_begins()
            self._cycle_begins()
        self._in_body = self.conn.their_state is h11.SEND_BODY
        self._watch_client()
