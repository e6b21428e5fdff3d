"""A client of HTTP/2 that does as a test says, also what no client should do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

from tests.waiting import PATIENCE_SECONDS

Headers = dict[bytes, bytes]


@dataclass
class Answer:
    headers: Headers = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    trailers: Headers = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """gRPC's; -1: none has come."""
        return int(self.trailers.get(b"grpc-status", b"-1"))

    @property
    def message(self) -> str:
        return self.trailers.get(b"grpc-message", b"").decode()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, window: int) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.answers: dict[int, Answer] = {}
        self.closed = False
        self.goaway: int | None = None
        self.pings = 0
        self._takes = window > 0
        self.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def start(
        self, path: str, body: bytes = b"", headers: Headers | None = None, *, method: str = "POST", ends: bool = True
    ) -> int:
        """Send a request, or the beginning of one; its stream."""
        number = self.h2.get_next_available_stream_id()
        own = {b"content-type": b"application/grpc", b"te": b"trailers"} | (headers or {})
        special = {
            b":method": method.encode(),
            b":scheme": b"http",
            b":path": path.encode(),
            b":authority": b"localhost",
        }
        self.h2.send_headers(number, list((special | own).items()), end_stream=ends and not body)
        self.answers[number] = Answer()
        if body:
            self.send(number, body, ends=ends)
        self.flush()
        return number

    def send(self, number: int, body: bytes, *, ends: bool = False) -> None:
        """At most what the windows allow."""
        size = self.h2.max_outbound_frame_size
        for start in range(0, len(body), size):
            part = body[start : start + size]
            self.h2.send_data(number, part, end_stream=ends and start + size >= len(body))
        self.flush()

    async def send_all(self, number: int, body: bytes, *, ends: bool = False) -> None:
        """As the server's windows allow; less where it ends the stream before."""
        while body and not (self.answers[number].ended or self.answers[number].reset is not None or self.closed):
            room = min(self.h2.local_flow_control_window(number), len(body))
            if room:
                self.send(number, body[:room], ends=ends and room == len(body))
                body = body[room:]
                with suppress(ConnectionError):
                    await self.writer.drain()
            else:
                await self.pump()

    async def pump(self) -> None:
        """Read once, and note what has come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                data = await self.reader.read(65_536)
            except ConnectionError:
                data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self._note(event)
        self.flush()

    def _note(self, event: Any) -> None:
        match event:
            case h2.events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
            case h2.events.PingReceived():
                self.pings += 1
            case h2.events.ResponseReceived():
                self.answers[event.stream_id].headers = dict(event.headers)
            case h2.events.DataReceived():
                self.answers[event.stream_id].body += event.data
                if self._takes and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                self.answers[event.stream_id].trailers = dict(event.headers)
            case h2.events.StreamEnded():
                self.answers[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.answers[event.stream_id].reset = int(event.error_code)

    async def answer(self, number: int) -> Answer:
        """The whole answer."""
        found = self.answers[number]
        while not found.ended and found.reset is None and not self.closed:
            await self.pump()
        return found

    async def call(self, path: str, body: bytes = b"", headers: Headers | None = None) -> Answer:
        return await self.answer(self.start(path, body, headers))

    async def until_closed(self) -> None:
        while not self.closed:
            await self.pump()

    async def bytes_of(self, number: int, size: int) -> bytes:
        """The first bytes of an answer that goes on."""
        found = self.answers[number]
        while len(found.body) < size and not found.ended and found.reset is None and not self.closed:
            await self.pump()
        return bytes(found.body)


@asynccontextmanager
async def connected(port: int, *, window: int = 65_535) -> AsyncIterator[Client]:
    """`window`: what each stream may be sent; 0: the client takes nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer, window=window)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
