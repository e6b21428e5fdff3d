"""A service that answers what a test wants, behind the real HTTP/2 and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from coterie.app.auth.rules import Principal
from coterie.app.etcd.grpc.beside import http2_with_grpc
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.messages.kv import EtcdKeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse
from coterie.app.etcd.messages.lease import LeaseKeepAliveResponse
from coterie.app.etcd.messages.watch import WatchResponse
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError, Rpc
from coterie.app.http.protocol import bounded_protocol
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.settings.tables import HttpSettings
from tests.waiting import eventually

ANYBODY = Principal("anonymous", ())


class FakeService:
    """A put answers with what it was given, a range with as many bytes as `limit` says, or waits for ever."""

    def __init__(self) -> None:
        self.shown: list[bytes | None] = []
        self.seconds: list[float | None] = []
        self.requests: list[Any] = []
        self.released = asyncio.Event()
        """Ends stubborn calls, which go on when they are cancelled."""
        self.cancelled = 0
        self.closed = 0
        self.error: EtcdError | None = None
        self.answers = 0
        """Of a watch, of 1,000 bytes each."""

    async def caller(self, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None = None) -> Caller:
        self.shown.append(shown)
        self.seconds.append(seconds)
        if shown == b"bad":
            raise EtcdError(EtcdCode.UNAUTHENTICATED, "etcdserver: invalid auth token")
        return Caller(ANYBODY)

    async def call(self, rpc: Rpc, request: EtcdMessage, caller: Caller) -> EtcdMessage:
        if not rpc.served:
            raise EtcdError(EtcdCode.UNIMPLEMENTED, f"not served: {rpc.method}")
        if self.error is not None:
            raise self.error
        self.requests.append(request)
        match request:
            case PutRequest(key=key, value=value):
                return PutResponse(prev_kv=EtcdKeyValue(key=key, value=value))
            case RangeRequest(key=b"fault"):
                raise RuntimeError("a fault")
            case RangeRequest(key=b"stubborn"):
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                await self.released.wait()
                return RangeResponse()
            case RangeRequest(limit=limit) if limit:
                return RangeResponse(kvs=(EtcdKeyValue(value=b"x" * limit),))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return EtcdMessage()

    async def stream(self, rpc: Rpc, requests: AsyncIterator[Any], caller: Caller) -> AsyncGenerator[EtcdMessage, None]:
        try:
            if rpc.method == "Watch":
                reading = asyncio.ensure_future(self._read(requests))
                try:
                    for number in range(self.answers):
                        yield WatchResponse(watch_id=number, cancel_reason="x" * 1_000)
                    await reading
                    await asyncio.Event().wait()
                finally:
                    reading.cancel()
                return
            async for request in requests:
                self.requests.append(request)
                yield LeaseKeepAliveResponse(ID=request.ID, TTL=5)
        finally:
            self.closed += 1

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            self.requests.append(request)


class FakeAuthority:
    def __init__(self) -> None:
        self.streams: dict[object, Callable[[bool], None]] = {}

    def share_of(self, scope: Any) -> str:
        return ""

    def stream(self, scope: Any, end: Callable[[bool], None]) -> object:
        mark = object()
        self.streams[mark] = end
        return mark

    def stream_ended(self, mark: object) -> None:
        del self.streams[mark]


class Serving:
    def __init__(self, limits: HttpSettings) -> None:
        self.service = FakeService()
        self.authority = FakeAuthority()
        self.figures = HttpMetrics()
        self.stopping = asyncio.Event()
        self.limits = limits
        self.port = 0
        self.connections: set[Any] = set()
        self.tasks: set[Any] = set()
        self.make_http2 = http2_with_grpc(self.service, self.authority, limits, self.figures, self.stopping)


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Serving]:
    """The HTTP layer as a node has it; beside gRPC it answers every request with its method and path."""
    it = Serving(HttpSettings(**limits))
    protocol = bounded_protocol(it.limits, it.figures, it.make_http2)
    config, state = uvicorn.Config(_show, lifespan="off", log_config=None, access_log=False), ServerState()
    config.load()
    it.connections, it.tasks = state.connections, state.tasks
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
        "127.0.0.1",
        0,
    )
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        it.service.released.set()
        server.close()
        it.stopping.set()
        for connection in list(it.connections):
            connection.shutdown()
        for task in list(it.tasks):
            task.cancel()
        await eventually(lambda: not it.connections and not it.tasks)


async def _show(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    text = f"{scope['method']} {scope['path']} {scope['http_version']} {len(body)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": text})
