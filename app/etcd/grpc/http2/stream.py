"""One request and its answer: a stream of an HTTP/2 connection, as ASGI has it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from starlette.types import Message

from coterie.app.http.protocol import LEAST_TAKEN_BYTES

_ONLY_HTTP1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""Headers that HTTP/2 forbids."""


class StreamOwner(Protocol):
    """The connection, as a stream uses it."""

    send_seconds: float

    def taken(self, stream: Http2Stream, size: int) -> None:
        """The application has taken what the stream held: the client may send as much again."""

    def room(self, stream: Http2Stream) -> int:
        """How many bytes it may send now, in one frame; 0: it must wait."""

    def send_headers(self, stream: Http2Stream, headers: list[tuple[bytes, bytes]], *, ends: bool = False) -> None: ...

    def send_data(self, stream: Http2Stream, data: memoryview, *, ends: bool) -> None: ...

    def waits(self, stream: Http2Stream) -> None:
        """For room to send: `wake` tells it that there may be some."""

    def waits_no_more(self, stream: Http2Stream) -> None: ...

    def drop_slow(self, stream: Http2Stream) -> None:
        """Its client has not taken what it asked for in time."""


class Http2Stream:
    """`receive` and `send` are those of ASGI. Once the client has gone, `send` does nothing, and the application, whose
    task is cancelled then, ends."""

    def __init__(self, connection: StreamOwner, number: int) -> None:
        self._connection = connection
        self.number = number
        self.body = bytearray()
        """What the application has not taken yet; the client's window bounds it."""
        self.more = True
        """The client has not ended the request."""
        self.gone = False
        """Nothing can be sent any more: the client or the connection has gone, or the stream was reset."""
        self.credit = 0
        """Bytes that were taken, and that the client does not know to be."""
        self.unsent = 0
        """Bytes that wait for the client to take what is before them."""
        self.task: asyncio.Task[None] | None = None
        self._told_end = False
        self._trailers = False
        self._done = False
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def done(self) -> bool:
        """The whole answer is on its way."""
        return self._done

    # -- from the connection -------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        self.body += data
        self._arrived.set()

    def end_request(self) -> None:
        self.more = False
        self._arrived.set()

    def wake(self) -> None:
        """There may be room to send."""
        self._room.set()

    def leave(self) -> None:
        """The client has gone."""
        self.gone = True
        self._arrived.set()
        self._room.set()
        if self.task is not None:
            self.task.cancel()

    # -- from the application ------------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        while not self.gone and not self.body and (self.more or self._told_end):
            self._arrived.clear()
            await self._arrived.wait()
        if self.gone:
            return {"type": "http.disconnect"}
        data, self.body = bytes(self.body), bytearray()
        self._connection.taken(self, len(data))
        self._told_end = not self.more
        return {"type": "http.request", "body": data, "more_body": self.more}

    async def send(self, message: Any) -> None:
        if self.gone or self._done:
            await asyncio.sleep(0)  # or an application that only sends would not notice that it is cancelled
            return
        match message["type"]:
            case "http.response.start":
                self._trailers = message.get("trailers", False)
                status = (b":status", b"%d" % message["status"])
                self._connection.send_headers(self, [status, *_allowed(message.get("headers", ()))])
            case "http.response.body":
                ends = not message.get("more_body", False) and not self._trailers
                await self._send_body(memoryview(message.get("body", b"")), ends)
            case "http.response.trailers":
                self._done = True
                self._connection.send_headers(self, _allowed(message["headers"]), ends=True)

    async def _send_body(self, rest: memoryview, ends: bool) -> None:
        if not rest and ends:
            self._done = True
            self._connection.send_data(self, rest, ends=True)
        patience = _Patience(self._connection.send_seconds)
        while rest:
            room = self._connection.room(self)
            if not room:
                await self._wait_for_room(len(rest), patience)
                if self.gone:
                    return
                continue
            part, rest = rest[:room], rest[room:]
            self._done = ends and not rest
            self._connection.send_data(self, part, ends=self._done)
            patience.took(len(part))

    async def _wait_for_room(self, left: int, patience: _Patience) -> None:
        self.unsent = left
        self._room.clear()
        self._connection.waits(self)
        try:
            async with asyncio.timeout_at(patience.until()):
                await self._room.wait()
        except TimeoutError:
            self._connection.drop_slow(self)
        finally:
            self.unsent = 0
            self._connection.waits_no_more(self)


class _Patience:
    """Until when a client must have taken the next part of what it is sent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None
        self._bytes = 0

    def until(self) -> float:
        if self._end is None:
            self._end = asyncio.get_running_loop().time() + self._seconds
        return self._end

    def took(self, size: int) -> None:
        self._bytes += size
        if self._bytes >= LEAST_TAKEN_BYTES:
            self._bytes = 0
            self._end = None


def _allowed(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in _ONLY_HTTP1]
