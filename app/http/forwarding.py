"""Forwarding: a node that does not hold the metadata sends the request to the leader, once that has proved itself.

One hop: a forwarded request is marked, and a node that cannot serve a marked one answers so. The request id goes along
as it is, the time left as the header `Coterie-Timeout`, the Raft cluster that is meant as `Coterie-Cluster`. Answers
pass through as they come, so that watches work as well, but of the headers only those that are the leader's to set.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import h11
from starlette.types import Receive, Scope, Send

from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.peers.connection import FAILURES, PeerConnection
from coterie.app.http.peers.search import GOSSIP_ALONE, Leader, LeaderSearch, PeerTrust
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

CLUSTER = b"coterie-cluster"
"""The Raft cluster that a forwarded request is for: a member of another one refuses it."""

FORWARDED_ETCD = "/v1/etcd"
"""Where the leader answers what a node without metadata was asked by etcd's API."""

LEAST_SECONDS = 0.001
"""Of a request's time as it is written: nobody takes 0."""

ANSWER_GRACE_SECONDS = 1.0
"""How much longer than the request's own time the answer is waited for: the leader's own verdict is the better one."""

MAX_IDLE = 256

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
        CLUSTER,
        MARK,
        TIMEOUT,
    }
)
"""Headers of requests that are about one connection, or written anew here."""

_PASSED_BACK = frozenset(
    {
        b"allow",
        b"cache-control",
        b"content-disposition",
        b"content-length",
        b"content-type",
        b"etag",
        b"retry-after",
        b"www-authenticate",
        b"x-accel-buffering",
    }
)
_PASSED_BACK_PREFIX = b"coterie-"
"""Headers of answers that are the leader's to set. What tells browsers whom to trust is this node's own."""


class Forwarder:
    def __init__(
        self,
        node_id: str,
        raft: RaftView,
        limits: HttpSettings,
        stopping: asyncio.Event,
        tracer: Tracer | None = None,
        tls: Tls | None = None,
        trust: PeerTrust = GOSSIP_ALONE,
    ) -> None:
        """`stopping`: set when this node stops. `tls`: what the others are spoken to with; None: plain HTTP. `trust`:
        how a leader proves itself."""
        self._search = LeaderSearch(trust, tls)
        self.keys = trust.keys
        self._tracer = tracer
        self._own = quote(node_id).encode()
        self._raft = raft
        self._limits = limits
        self._stopping = stopping
        self._idle: deque[Leader] = deque()

    async def to_leader(self, scope: Scope, receive: Receive, send: Send, seconds: float, waits: float = 0.0) -> None:
        """Have the leader answer. `seconds`: the request's own time. `waits`: what it may wait for beside. Raises
        ApiError."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if MARK in headers:
            raise unavailable("not_leader", because=self._raft.reason)
        if not self._raft.leader_candidates():
            raise unavailable("no_leader", because=self._raft.reason)
        end = time.monotonic() + seconds
        declared = headers.get(b"content-length")
        body = await read_body(receive, None if declared is None else declared.decode("latin-1"), self._limits)
        safe = scope["method"] in {"GET", "HEAD"}
        with nullcontext() if self._tracer is None else self._tracer.call("forward to the leader"):
            head = self._head(scope, body, end)
            leader, response = await self._ask(head, body, end + waits, safe=safe)
        await self._pass_back(leader, response, scope, receive, send)

    async def ask_leader(self, path: bytes, seconds: float, authorization: bytes | None) -> bytes | None:
        """The body of the leader's answer to a GET, or None where there is none, none in time, or a refusal.

        `authorization`: that of whom it is asked for.
        """
        answer = await self.ask(path, seconds, authorization)
        return answer[1] if answer is not None and answer[0] == 200 else None

    async def ask(self, path: bytes, seconds: float, authorization: bytes | None) -> tuple[int, bytes] | None:
        """Status and body of the leader's answer to a GET, or None where there is none, or none in time."""
        headers = [(MARK, self._own)]
        if authorization is not None:
            headers.append((b"authorization", authorization))
        try:
            leader, response = await self._ask(_Head(b"GET", path, headers), b"", time.monotonic() + seconds, safe=True)
        except ApiError:
            return None
        body = bytearray()
        reusable = False
        try:
            async with asyncio.timeout(seconds):
                while isinstance(event := await leader.connection.next_event(), h11.Data):
                    body += event.data
                    if len(body) > self._limits.max_body_bytes:
                        return None
            reusable = isinstance(event, h11.EndOfMessage) and leader.connection.recycle()
        except FAILURES:
            return None
        finally:
            self._done_with(leader, reusable=reusable)
        return (response.status_code, bytes(body)) if reusable else None

    async def post(
        self, path: bytes, body: bytes, seconds: float, authorization: bytes | None, *, safe: bool
    ) -> LeaderAnswer:
        """The leader's answer to a POST, whose parts are to be read. `safe`: it may be sent twice. Raises ApiError."""
        headers = [(MARK, self._own), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if authorization is not None:
            headers.append((b"authorization", authorization))
        end = time.monotonic() + seconds
        leader, response = await self._ask(_Head(b"POST", path, headers, end), body, end, safe=safe)
        return LeaderAnswer(leader, response.status_code, self._done_with)

    def _head(self, scope: Scope, body: bytes, end: float) -> _Head:
        """Raises ApiError for what HTTP does not allow."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"] if name not in _OWN_HOP]
        headers.append((MARK, self._own))
        if body or scope["method"] not in {"GET", "HEAD", "DELETE"}:
            headers.append((b"content-length", b"%d" % len(body)))
        if self._tracer is not None:
            self._tracer.inject(headers)
        head = _Head(scope["method"].encode(), target, headers, end)
        try:
            head.to(Address("127.0.0.1", 1), None)
        except h11.LocalProtocolError as error:
            raise ApiError(Code.INVALID_REQUEST, f"the request cannot be passed on to the leader: {error}") from None
        return head

    async def _ask(self, head: _Head, body: bytes, end: float, *, safe: bool) -> tuple[Leader, h11.Response]:
        """`end`: of the request, by the monotonic clock. Raises ApiError."""
        last = end + ANSWER_GRACE_SECONDS
        candidates = self._search.ordered(self._raft.leader_candidates())
        if not candidates:
            raise unavailable("no_leader", because=self._raft.reason)
        leader = self._take_idle(candidates[0].address)
        if leader is not None and safe:
            try:
                return leader, await self._exchange(leader, head, body, last)
            except FAILURES:
                leader.connection.close()  # it may have ended as it was taken: once more, on a new one
                leader = None
        if leader is None:
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    leader = await self._search.open(candidates)
            except TimeoutError:
                raise unavailable("timed_out", because="no leader was reached in the request's time") from None
        try:
            return leader, await self._exchange(leader, head, body, last)
        except FAILURES:
            leader.connection.close()
            if safe:
                raise unavailable("leader_lost", f"the leader, at {leader.address}, did not answer") from None
            raise ApiError(
                Code.OUTCOME_UNKNOWN,
                f"the leader, at {leader.address}, did not answer: whether this happened is not known",
            ) from None
        except BaseException:
            leader.connection.close()
            raise

    async def _exchange(self, leader: Leader, head: _Head, body: bytes, end: float) -> h11.Response:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            await leader.connection.send(head.to(leader.address, leader.cluster), body)
            event = await leader.connection.next_event()
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError("the connection ended without an answer")
        if leader.cluster is not None and event.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            self._raft.spoke_to(leader.cluster)
        return event

    async def _pass_back(
        self, leader: Leader, response: h11.Response, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = [
            (name, value)
            for name, value in response.headers
            if name in _PASSED_BACK or name.startswith(_PASSED_BACK_PREFIX)
        ]
        connection = leader.connection
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
        except FAILURES:
            await abort(scope, receive)
        finally:
            self._done_with(leader, reusable=reusable)

    def _done_with(self, leader: Leader, *, reusable: bool) -> None:
        if reusable and len(self._idle) < MAX_IDLE:
            self._idle.append(leader)
        else:
            leader.connection.close()

    def _take_idle(self, address: Address) -> Leader | None:
        while self._idle:
            leader = self._idle.pop()  # the latest one: the others age, and are closed
            if leader.address == address and leader.connection.usable:
                while self._idle and not self._idle[0].connection.usable:
                    self._idle.popleft().connection.close()
                return leader
            leader.connection.close()
        return None

    def close(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()


class LeaderAnswer:
    """An answer of the leader whose body has not been read."""

    def __init__(self, leader: Leader, status: int, done_with: Callable[..., None]) -> None:
        self.status = status
        self._leader = leader
        self._done_with = done_with

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body, in pieces; to be closed. Raises ApiError where it is cut short."""
        connection = self._leader.connection
        reusable = False
        try:
            while isinstance(event := await connection.next_event(), h11.Data):
                yield bytes(event.data)
            reusable = isinstance(event, h11.EndOfMessage) and connection.recycle()
            if not reusable:
                raise h11.RemoteProtocolError("the answer ended early")
        except FAILURES:
            raise unavailable("leader_lost", f"the leader, at {self._leader.address}, did not answer") from None
        finally:
            self._done_with(self._leader, reusable=reusable)


@dataclass(frozen=True, slots=True)
class _Head:
    """A request, before it is known where to."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    end: float | None = None
    """Of the request, by the monotonic clock: the leader gets what is left as it is sent."""

    def to(self, address: Address, cluster: str | None) -> h11.Request:
        """Raises h11.LocalProtocolError."""
        own = [(b"host", str(address).encode())]
        if cluster is not None:
            own.append((CLUSTER, quote(cluster).encode()))
        if self.end is not None:
            own.append((TIMEOUT, b"%.3f" % max(LEAST_SECONDS, self.end - time.monotonic())))
        return h11.Request(method=self.method, target=self.target, headers=[*own, *self.headers])


async def _pump(connection: PeerConnection, send: Send) -> bool:
    """Pass the answer's body on; returns whether the connection can serve again."""
    while isinstance(event := await connection.next_event(), h11.Data):
        await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
    if not isinstance(event, h11.EndOfMessage):
        raise h11.RemoteProtocolError("the answer ended early")
    await send({"type": "http.response.body", "body": b""})
    return connection.recycle()
