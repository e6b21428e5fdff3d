"""A connection to another node, for one request at a time. The client's side of HTTP is h11, which uvicorn brings."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11

from coterie.app.http.tls.context import Tls
from coterie.gossip import Address

CONNECT_SECONDS = 2.0

REUSE_SECONDS = 0.9
"""An idle connection is used again within this time: below the shortest that a server can be set to keep one."""

READ_BYTES = 65_536

FAILURES = (OSError, h11.ProtocolError, TimeoutError)


class PeerConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self.idle_since = 0.0

    @classmethod
    async def open(cls, address: Address, tls: Tls | None) -> PeerConnection:
        """Raises FAILURES."""
        async with asyncio.timeout(CONNECT_SECONDS):
            if tls is None:
                return cls(*await asyncio.open_connection(*address))
            name = tls.node_name or address.host
            return cls(*await asyncio.open_connection(*address, ssl=tls.client, server_hostname=name))

    @property
    def usable(self) -> bool:
        fresh = time.monotonic() - self.idle_since < REUSE_SECONDS
        return fresh and not self._reader.at_eof() and not self._writer.is_closing()

    async def send(self, head: h11.Request, body: bytes) -> None:
        parts = [self._http.send(head)]
        if body:
            parts.append(self._http.send(h11.Data(body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        await self._writer.drain()

    async def next_event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_BYTES))
            elif not isinstance(event, h11.InformationalResponse):
                return event

    async def ask(self, head: h11.Request, most_bytes: int) -> tuple[h11.Response, bytes]:
        """A small answer, whole; another request can follow. Raises FAILURES."""
        await self.send(head, b"")
        response = await self.next_event()
        if not isinstance(response, h11.Response):
            raise h11.RemoteProtocolError("the connection ended without an answer")
        body = bytearray()
        while isinstance(event := await self.next_event(), h11.Data):
            body += event.data
            if len(body) > most_bytes:
                raise h11.RemoteProtocolError("the answer is too long")
        if not isinstance(event, h11.EndOfMessage) or not self.recycle():
            raise h11.RemoteProtocolError("the connection ended with the answer")
        return response, bytes(body)

    def recycle(self) -> bool:
        """Whether another request can go over it."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.idle_since = time.monotonic()
            return True
        return False

    def close(self) -> None:
        self._writer.close()
