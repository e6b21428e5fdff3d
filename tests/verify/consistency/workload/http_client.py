"""A lean HTTP/1.1 client for histories: it costs little, and says of each failure whether the request may have arrived.

One request at a time on a connection that is kept open. Every way in which a call can end is one of three: an answer;
`GoneError` with `sent` False, where no byte of the request left; `GoneError` with `sent` True, where nobody knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CONNECT_SECONDS = 1.0
"""How long a connection may take to come about."""

REUSE_SECONDS = 3.0
"""An idle connection is used again within this time: below `http.keep_alive_seconds`."""

MAX_LINE_BYTES = 1 << 20

Address = tuple[str, int]


class GoneError(Exception):
    """There was no answer."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, or nothing."""
        if self.status < 400:
            return ""
        try:
            return str(self.json()["error"]["code"])
        except (ValueError, LookupError, TypeError):
            return f"http_{self.status}"

    @property
    def details(self) -> Mapping[str, Any]:
        """What a program needs to go on after an error."""
        try:
            found: Mapping[str, Any] = self.json()["error"].get("details") or {}
        except (ValueError, LookupError, TypeError):
            return {}
        return found


class Connection:
    """A connection to one process."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self._reader = reader
        self._writer = writer
        self._host = f"{address[0]}:{address[1]}".encode()
        self._used = time.monotonic()
        self.generation: int | None = None
        """Of the process behind it, for who has asked."""

    @classmethod
    async def open(cls, address: Address) -> Connection:
        """Raises GoneError."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return cls(address, *await asyncio.open_connection(*address, limit=MAX_LINE_BYTES))
        except (OSError, TimeoutError) as error:
            raise GoneError(f"no connection: {error!r}", sent=False) from None

    @property
    def usable(self) -> bool:
        fresh = time.monotonic() - self._used < REUSE_SECONDS
        return fresh and not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        self._writer.transport.abort()

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, seconds: float
    ) -> Answer:
        """One request and its answer. Raises GoneError, and then the connection is closed."""
        try:
            async with asyncio.timeout(seconds):
                self._send(method, path, body, headers or {})
                status, length, chunked = await self._head()
                content = b"".join([part async for part in self._chunks()]) if chunked else await self._body(length)
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise GoneError(repr(error), sent=True) from None
        except asyncio.CancelledError:
            self.close()
            raise
        self._used = time.monotonic()
        return Answer(status, content)

    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None, *, seconds: float
    ) -> tuple[Answer, AsyncIterator[bytes]]:
        """A GET whose answer has no end: its head (with the body, where it is an error), and the pieces as they come.

        `seconds` bound the head alone. Raises GoneError, also between pieces.
        """
        try:
            async with asyncio.timeout(seconds):
                self._send("GET", path, b"", headers or {})
                status, length, chunked = await self._head()
                content = b"" if chunked else await self._body(length)
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise GoneError(repr(error), sent=True) from None
        return Answer(status, content), self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._chunks():
                yield part
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise GoneError(repr(error), sent=True) from None
        finally:
            self.close()

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        head = [f"{method} {path} HTTP/1.1\r\nhost: {self._host.decode()}\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body or method in {"POST", "PUT"}:
            head.append(f"content-length: {len(body)}\r\n")
        if method == "POST" and body:
            head.append("content-type: application/json\r\n")
        self._writer.write("".join(head).encode() + b"\r\n" + body)

    async def _head(self) -> tuple[int, int, bool]:
        """Status, length of the body, and whether it comes in chunks."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head[9:12])
        length, chunked = 0, False
        for line in head.split("\r\n")[1:]:
            if line.startswith("content-length:"):
                length = int(line[15:])
            elif line.startswith("transfer-encoding:"):
                chunked = True
        return status, length, chunked

    async def _body(self, length: int) -> bytes:
        return await self._reader.readexactly(length) if length else b""

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            size = int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16)
            part = await self._reader.readexactly(size + 2)
            if not size:
                return
            yield part[:-2]


class Caller:
    """One client's connections: one to each address, opened when it is needed."""

    def __init__(self) -> None:
        self._open: dict[Address, Connection] = {}

    async def connection(self, address: Address) -> Connection:
        """Raises GoneError."""
        there = self._open.get(address)
        if there is None or not there.usable:
            if there is not None:
                there.close()
            there = self._open[address] = await Connection.open(address)
        return there

    async def ask(
        self,
        address: Address,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
    ) -> Answer:
        """Raises GoneError."""
        connection = await self.connection(address)
        return await connection.ask(method, path, body, headers, seconds=seconds)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()
