"""Forwarding: a node that does not hold the metadata sends the request to the leader that gossip names.

One hop: a forwarded request is marked, and a node that cannot serve a marked one answers so. The request id goes along
as it is, the time left as the header `Coterie-Timeout`. Answers pass through as they come, so that watches work as
well. The client's side of HTTP is h11, which uvicorn brings along.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

import h11
from starlette.types import Receive, Scope, Send

from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.request import read_body
from coterie.app.http.streams import abort, while_wanted
from coterie.app.http.tls.context import Tls
from coterie.app.observability.tracing import Tracer
from coterie.app.raft.view import RaftView
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code
from coterie.gossip import Address

MARK = b"coterie-forwarded"
TIMEOUT = b"coterie-timeout"

CONNECT_SECONDS = 2.0

ANSWER_GRACE_SECONDS = 1.0
"""How much longer than the request's own time the answer is waited for: the leader's own verdict is the better one."""

REUSE_SECONDS = 0.9
"""An idle connection is used again within this time: below the shortest that a server can be set to keep one."""

MAX_IDLE = 256

READ_BYTES = 65_536

_OWN_HOP = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        # Where a browser's request comes from was checked here; it says nothing of the node that it goes on to.
        b"origin",
        b"proxy-connection",
        b"referer",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        MARK,
        TIMEOUT,
    }
)
"""Headers of requests that are about one connection, or written anew here."""

_NOT_PASSED_BACK = frozenset({b"connection", b"date", b"keep-alive", b"transfer-encoding"})

_Failure = (OSError, h11.ProtocolError, TimeoutError)


class _Connection:
    """A connection to another node, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self.idle_since = 0.0

    @classmethod
    async def open(cls, address: Address, tls: Tls | None) -> _Connection:
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

    def recycle(self) -> bool:
        """Whether another request can go over it."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.idle_since = time.monotonic()
            return True
        return False

    def close(self) -> None:
        self._writer.close()


class Forwarder:
    def __init__(
        self,
        node_id: str,
        raft: RaftView,
        limits: HttpSettings,
        stopping: asyncio.Event,
        tracer: Tracer | None = None,
        tls: Tls | None = None,
    ) -> None:
        """`stopping`: set when this node stops. `tls`: what the others are spoken to with; None: plain HTTP."""
        self._tls = tls
        self._tracer = tracer
        self._own = quote(node_id).encode()
        self._raft = raft
        self._limits = limits
        self._stopping = stopping
        self._idle: deque[tuple[Address, _Connection]] = deque()

    async def to_leader(self, scope: Scope, receive: Receive, send: Send, seconds: float, waits: float = 0.0) -> None:
        """Have the leader answer. `seconds`: the request's own time. `waits`: what it may wait for beside. Raises
        ApiError."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if MARK in headers:
            raise unavailable("not_leader", because=self._raft.reason)
        address = self._raft.leader_address()
        if address is None:
            raise unavailable("no_leader", because=self._raft.reason)
        declared = headers.get(b"content-length")
        body = await read_body(receive, None if declared is None else declared.decode("latin-1"), self._limits)
        safe = scope["method"] in {"GET", "HEAD"}
        with nullcontext() if self._tracer is None else self._tracer.call("forward to the leader"):
            head = self._head(scope, address, body, seconds)
            connection, response = await self._ask(address, head, body, seconds + waits, safe=safe)
        await self._pass_back(address, connection, response, scope, receive, send)

    async def ask_leader(self, path: bytes, seconds: float, authorization: bytes | None) -> bytes | None:
        """The body of the leader's answer to a GET, or None where there is none, none in time, or a refusal.

        `authorization`: that of whom it is asked for.
        """
        answer = await self.ask(path, seconds, authorization)
        return answer[1] if answer is not None and answer[0] == 200 else None

    async def ask(self, path: bytes, seconds: float, authorization: bytes | None) -> tuple[int, bytes] | None:
        """Status and body of the leader's answer to a GET, or None where there is none, or none in time."""
        address = self._raft.leader_address()
        if address is None:
            return None
        headers = [(b"host", str(address).encode()), (MARK, self._own)]
        if authorization is not None:
            headers.append((b"authorization", authorization))
        head = h11.Request(method=b"GET", target=path, headers=headers)
        try:
            connection, response = await self._ask(address, head, b"", seconds, safe=True)
        except ApiError:
            return None
        body = bytearray()
        reusable = False
        try:
            async with asyncio.timeout(seconds):
                while isinstance(event := await connection.next_event(), h11.Data):
                    body += event.data
                    if len(body) > self._limits.max_body_bytes:
                        return None
            reusable = isinstance(event, h11.EndOfMessage) and connection.recycle()
        except _Failure:
            return None
        finally:
            self._done_with(address, connection, reusable=reusable)
        return (response.status_code, bytes(body)) if reusable else None

    def _head(self, scope: Scope, address: Address, body: bytes, seconds: float) -> h11.Request:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"] if name not in _OWN_HOP]
        headers += [
            (b"host", str(address).encode()),
            (MARK, self._own),
            (TIMEOUT, b"%.3f" % seconds),
        ]
        if body or scope["method"] not in {"GET", "HEAD", "DELETE"}:
            headers.append((b"content-length", b"%d" % len(body)))
        if self._tracer is not None:
            self._tracer.inject(headers)
        try:
            return h11.Request(method=scope["method"].encode(), target=target, headers=headers)
        except h11.LocalProtocolError as error:
            raise ApiError(Code.INVALID_REQUEST, f"the request cannot be passed on to the leader: {error}") from None

    async def _ask(
        self, address: Address, head: h11.Request, body: bytes, seconds: float, *, safe: bool
    ) -> tuple[_Connection, h11.Response]:
        end = time.monotonic() + seconds + ANSWER_GRACE_SECONDS
        connection = self._take_idle(address)
        if connection is not None and safe:
            try:
                return connection, await self._exchange(connection, head, body, end)
            except _Failure:
                connection.close()  # it may have ended as it was taken: once more, on a new one
                connection = None
        if connection is None:
            try:
                connection = await _Connection.open(address, self._tls)
            except _Failure:
                raise unavailable("leader_unreachable", f"the leader, at {address}, cannot be reached") from None
        try:
            return connection, await self._exchange(connection, head, body, end)
        except _Failure:
            connection.close()
            if safe:
                raise unavailable("leader_lost", f"the leader, at {address}, did not answer") from None
            raise ApiError(
                Code.OUTCOME_UNKNOWN,
                f"the leader, at {address}, did not answer: whether this happened is not known",
            ) from None
        except BaseException:
            connection.close()
            raise

    async def _exchange(self, connection: _Connection, head: h11.Request, body: bytes, end: float) -> h11.Response:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            await connection.send(head, body)
            event = await connection.next_event()
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError("the connection ended without an answer")
        return event

    async def _pass_back(
        self,
        address: Address,
        connection: _Connection,
        response: h11.Response,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        headers = [(name, value) for name, value in response.headers if name not in _NOT_PASSED_BACK]
        reusable = False
        try:
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            if any(name == b"content-length" for name, _ in headers):
                reusable = await _pump(connection, send)
            else:
                # A stream may have no end: the client's leaving is one.
                reusable = await while_wanted(_pump(connection, send), receive, self._stopping) or False
                if self._stopping.is_set():
                    await abort(scope, receive)
        except _Failure:
            await abort(scope, receive)
        finally:
            self._done_with(address, connection, reusable=reusable)

    def _done_with(self, address: Address, connection: _Connection, *, reusable: bool) -> None:
        if reusable and len(self._idle) < MAX_IDLE:
            self._idle.append((address, connection))
        else:
            connection.close()

    def _take_idle(self, address: Address) -> _Connection | None:
        while self._idle:
            of, connection = self._idle.pop()  # the latest one: the others age, and are closed
            if of == address and connection.usable:
                while self._idle and not self._idle[0][1].usable:
                    self._idle.popleft()[1].close()
                return connection
            connection.close()
        return None

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


async def _pump(connection: _Connection, send: Send) -> bool:
    """Pass the answer's body on; returns whether the connection can serve again."""
    while isinstance(event := await connection.next_event(), h11.Data):
        await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
    if not isinstance(event, h11.EndOfMessage):
        raise h11.RemoteProtocolError("the answer ended early")
    await send({"type": "http.response.body", "body": b""})
    return connection.recycle()
