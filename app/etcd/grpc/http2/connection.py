"""An HTTP/2 connection: h2 knows the protocol, this its limits, its windows, and the tasks of its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.errors import ErrorCodes
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame
from starlette.types import ASGIApp, Scope

from coterie.app.etcd.grpc.http2.stream import Http2Stream
from coterie.app.http.protocol import ABORT
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings

MAX_STREAMS = 1_000
"""Calls of one connection that are under way; further ones are refused, and clients send them again."""

STREAM_WINDOW_BYTES = 65_535
"""What a stream may have sent that the application has not taken."""

CONNECTION_WINDOW_BYTES = 1_048_576
"""What a connection may have sent that has not been read from its socket."""

MAX_CONTROL_FRAMES_PER_SECOND = 1_000
"""Pings, settings, resets and the like of one connection; with more it is ended."""

PING_SECONDS = 60.0
"""A client with open calls that has been silent for this long is asked whether it is there."""

PONG_SECONDS = 20.0
"""How long its answer may take; then the connection is ended."""

SLICE_BYTES = 16_384
"""Bytes are read in parts of this size, so that a flood of small frames is noticed within one."""

FLUSH_BYTES = 65_536
"""Frames are handed to the socket in parts of this size, so that its buffer tells in time when to wait."""

_CLOSED_STREAMS_KNOWN = 1_024

_CONTROL_EVENTS = (
    h2.events.PingReceived,
    h2.events.RemoteSettingsChanged,
    h2.events.StreamReset,
    h2.events.PriorityUpdated,
    h2.events.UnknownFrameReceived,
    h2.events.TrailersReceived,
)


class _Http2(h2.connection.H2Connection):
    """Remembers fewer streams that are over: by default they take megabytes of each connection."""

    MAX_CLOSED_STREAMS = _CLOSED_STREAMS_KNOWN


class HeldBodies:
    """Bytes of all connections' requests that no application has taken yet, or that it holds as a part of a message."""

    def __init__(self) -> None:
        self.bytes = 0


class Http2Connection(asyncio.Protocol):
    def __init__(
        self,
        app: ASGIApp,
        limits: HttpSettings,
        figures: HttpMetrics,
        held: HeldBodies,
        connections: set[Any],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """`connections`, `tasks`: the server's own, which it waits for when it stops."""
        self._app = app
        self._limits = limits
        self._figures = figures
        self.send_seconds: float = limits.send_seconds
        self._held = held
        self._connections = connections
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding=None,
            # What is sent is this program's own, and in order: to look at it costs a tenth of a small call.
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = _Http2(config)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_header_bytes,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = limits.max_header_bytes
        self._transport: asyncio.Transport
        self._streams: dict[int, Http2Stream] = {}
        self._waiting: dict[Http2Stream, None] = {}
        self._paused = False
        self._ending = False
        self._credit = 0
        self._unflushed = 0
        self._flush_handle: asyncio.Handle | None = None
        self._heard = self._idle_since = self._loop.time()
        self._pinged = False
        self._watch_handle: asyncio.TimerHandle | None = None
        self._second = 0.0
        self._control_frames = 0

    # -- the socket ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._client = transport.get_extra_info("peername")
        self._address = self._client[0] if self._client else ""
        self._server = transport.get_extra_info("sockname")
        self._scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"
        self._connections.add(self)
        self._figures.opened(self._address)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - self._h2.inbound_flow_control_window)
        self._flush_soon()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._connections.discard(self)
        self._figures.closed(self._address)
        for each in (self._watch_handle, self._flush_handle):
            if each is not None:
                each.cancel()
        self._leave_all()
        self._figures.unsent.discard(self)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._pinged = False
        for start in range(0, len(data), SLICE_BYTES):
            if self._transport.is_closing():
                return
            try:
                events = self._h2.receive_data(data[start : start + SLICE_BYTES])
            except h2.exceptions.ProtocolError:
                self._close()  # h2 has written down why
                return
            for event in events:
                self._take(event)
        self._flush_soon()

    def eof_received(self) -> None:
        """The client sends nothing more: without its windows, nothing more can be sent either."""

    def pause_writing(self) -> None:
        """The client takes nothing: nothing is taken from it either."""
        self._paused = True
        self._figures.unsent.add(self)
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if not self._waiting:
            self._figures.unsent.discard(self)
        self._transport.resume_reading()
        self._wake_all()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has yet to take."""
        return self._transport.get_write_buffer_size() + sum(stream.unsent for stream in self._waiting)

    def shutdown(self) -> None:
        """The server stops: calls under way are answered, others refused."""
        self._end()

    def _flush_soon(self) -> None:
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        self._unflushed = 0
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    # -- its end -------------------------------------------------------------------------------------------------------

    def _end(self, error: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Take no further requests, and close once those under way are answered; at once after an error."""
        if not self._ending:
            self._ending = True
            self._flush()
            last = self._h2.highest_inbound_stream_id
            if not self._transport.is_closing():
                self._transport.write(GoAwayFrame(0, last_stream_id=last, error_code=error).serialize())
        if error is not ErrorCodes.NO_ERROR or not self._streams:
            self._close()

    def _close(self) -> None:
        self._flush()
        self._transport.close()
        self._leave_all()

    def _watch(self) -> None:
        """Look now and then whether the client is there, and needs this connection."""
        now = self._loop.time()
        silent = now - self._heard
        if not self._streams:
            if now - self._idle_since >= self._limits.keep_alive_seconds:
                self._end()
                return
        elif silent >= PING_SECONDS + PONG_SECONDS:
            self._transport.abort()
            return
        elif silent >= PING_SECONDS and not self._pinged:
            self._pinged = True
            self._h2.ping(b"coterie.")
            self._flush_soon()
        self._watch_handle = self._loop.call_later(min(PONG_SECONDS / 2, self._limits.keep_alive_seconds), self._watch)

    # -- what h2 has read ----------------------------------------------------------------------------------------------

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._open(event)
            case h2.events.DataReceived():
                self._take_data(event)
            case h2.events.StreamEnded(stream_id=number):
                if number in self._streams:
                    self._streams[number].end_request()
            case h2.events.StreamReset(stream_id=number):
                if number in self._streams:
                    self._leave(self._streams[number])
            case h2.events.WindowUpdated(stream_id=number) if number:
                if number in self._streams:
                    self._streams[number].wake()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._wake_all()
            case h2.events.ConnectionTerminated():
                self._close()
        if isinstance(event, _CONTROL_EVENTS):
            self._count_control_frame()

    def _take_data(self, event: h2.events.DataReceived) -> None:
        taken = event.flow_controlled_length or 0
        # Streams that are not read must not hold up the others: each has a window of its own.
        self._credit += taken
        if self._credit >= CONNECTION_WINDOW_BYTES // 2:
            self._h2.increment_flow_control_window(self._credit)
            self._credit = 0
        if not event.data:
            self._count_control_frame()
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.done or not event.data:
            return
        self._held.bytes += len(event.data)
        stream.take(event.data)
        stream.credit += taken - len(event.data)  # of padding, which nobody takes
        if self._held.bytes > self._limits.max_bodies_bytes:  # for clients of gRPC this is RESOURCE_EXHAUSTED
            self._reset(stream, ErrorCodes.ENHANCE_YOUR_CALM)

    def _count_control_frame(self) -> None:
        now = self._heard
        if now - self._second >= 1.0:
            self._second, self._control_frames = now, 0
        self._control_frames += 1
        if self._control_frames > MAX_CONTROL_FRAMES_PER_SECOND and not self._transport.is_closing():
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    def _open(self, event: h2.events.RequestReceived) -> None:
        number: int = event.stream_id
        if self._ending or len(self._streams) >= MAX_STREAMS:
            self._say_reset(number, ErrorCodes.REFUSED_STREAM)
            return
        stream = self._streams[number] = Http2Stream(self, number)
        scope = self._scope(event.headers, stream)
        stream.task = task = self._loop.create_task(self._run(scope, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._ended(stream))

    def _scope(self, headers: Iterable[tuple[bytes, bytes]], stream: Http2Stream) -> Scope:
        special: dict[bytes, bytes] = {}
        plain = []
        for name, value in headers:
            if name[:1] == b":":
                special[name] = value
            else:
                plain.append((name, value))
        if b":authority" in special:
            plain = [(b"host", special[b":authority"]), *((name, value) for name, value in plain if name != b"host")]
        path, _, query = special.get(b":path", b"").partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": special[b":method"].decode("latin-1"),
            "root_path": "",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "headers": plain,
            "state": {},
            "extensions": {ABORT: lambda: self._reset(stream, ErrorCodes.INTERNAL_ERROR), "http.response.trailers": {}},
        }

    async def _run(self, scope: Scope, stream: Http2Stream) -> None:
        await self._app(scope, stream.receive, stream.send)

    def _ended(self, stream: Http2Stream) -> None:
        """The application is done with it."""
        if not (stream.done or stream.gone):
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)
        self._release(stream)
        del self._streams[stream.number]
        if not self._streams:
            self._idle_since = self._loop.time()
            if self._ending:
                self._close()

    # -- for streams ---------------------------------------------------------------------------------------------------

    def taken(self, stream: Http2Stream, size: int) -> None:
        self._held.bytes -= size
        stream.credit += size
        if stream.credit >= STREAM_WINDOW_BYTES // 2 and stream.more:
            self._h2.increment_flow_control_window(stream.credit, stream.number)
            self._flush_soon()
            stream.credit = 0

    def room(self, stream: Http2Stream) -> int:
        if self._paused:
            return 0
        return max(0, min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size))

    def send_headers(self, stream: Http2Stream, headers: list[tuple[bytes, bytes]], *, ends: bool = False) -> None:
        self._h2.send_headers(stream.number, headers, end_stream=ends)
        self._sent(stream, 0)

    def send_data(self, stream: Http2Stream, data: memoryview, *, ends: bool) -> None:
        self._h2.send_data(stream.number, data, end_stream=ends)
        self._sent(stream, len(data))

    def _sent(self, stream: Http2Stream, size: int) -> None:
        if stream.done and stream.more:  # the rest of the request is of no use
            self._say_reset(stream.number, ErrorCodes.NO_ERROR)
        self._unflushed += size
        if self._unflushed >= FLUSH_BYTES:
            self._flush()
        else:
            self._flush_soon()

    def waits(self, stream: Http2Stream) -> None:
        self._waiting[stream] = None
        self._figures.unsent.add(self)

    def waits_no_more(self, stream: Http2Stream) -> None:
        self._waiting.pop(stream, None)
        if not self._waiting and not self._paused:
            self._figures.unsent.discard(self)

    def drop_slow(self, stream: Http2Stream) -> None:
        self._figures.slow_clients += 1
        self._reset(stream, ErrorCodes.CANCEL)

    def _reset(self, stream: Http2Stream, error: ErrorCodes) -> None:
        if not (stream.gone or stream.done or self._transport.is_closing()):
            self._say_reset(stream.number, error)
        self._leave(stream)

    def _say_reset(self, number: int, error: ErrorCodes) -> None:
        with suppress(h2.exceptions.StreamClosedError):  # the client has reset it, and the event is still to come
            self._h2.reset_stream(number, error)
            self._flush_soon()

    def _leave(self, stream: Http2Stream) -> None:
        self._release(stream)
        stream.leave()

    def _leave_all(self) -> None:
        for stream in list(self._streams.values()):
            self._leave(stream)

    def _release(self, stream: Http2Stream) -> None:
        self._held.bytes -= len(stream.body)
        stream.body.clear()

    def _wake_all(self) -> None:
        for stream in self._waiting:
            stream.wake()
