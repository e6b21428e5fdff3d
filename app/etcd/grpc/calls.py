"""gRPC as an ASGI application: a request is a call of etcd's API, or a stream of them.

It has no gate before it: nothing that a browser sends reaches it, and clients of etcd name hosts as they like.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.types import Receive, Scope, Send

from coterie.app.auth.authority import PRINCIPAL
from coterie.app.etcd.errors import etcd_error, of_api
from coterie.app.etcd.grpc.framing import MessageReader, frame, read_timeout, status_trailers
from coterie.app.etcd.grpc.http2.connection import HeldBodies
from coterie.app.etcd.grpc.protobuf import decode_message, encode_message
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.rpcs import BY_METHOD, RPCS, Caller, EtcdCode, EtcdError, EtcdService, Rpc, Shape
from coterie.app.http.admission import RequestAdmission
from coterie.app.http.errors import ApiError
from coterie.app.observability.metrics.http import ROUTE, HttpMetrics
from coterie.app.settings.tables import HttpSettings

log = structlog.stdlib.get_logger("grpc")

CONTENT_TYPE = b"application/grpc"

_HEADERS = [(b"content-type", CONTENT_TYPE), (b"grpc-accept-encoding", b"identity")]

_SERVICES = {rpc.service for rpc in RPCS}


class StreamAuthority(Protocol):
    """What tells that a token's rights have changed while a stream is open."""

    def share_of(self, scope: Scope) -> str:
        """The id of the token, where what it holds is bounded; else empty."""

    def stream(self, scope: Scope, end: Callable[[bool], None]) -> object:
        """`end` is called once the token allows less (True) or nothing. Returns a mark."""

    def stream_ended(self, mark: object) -> None: ...


_LESS_ALLOWED = EtcdError(EtcdCode.UNAVAILABLE, "etcdserver: the token's rights have changed; try again")
"""A client that asks again learns what is still allowed."""


class GrpcCalls:
    def __init__(
        self,
        service: EtcdService,
        authority: StreamAuthority,
        limits: HttpSettings,
        figures: HttpMetrics,
        held: HeldBodies,
        stopping: asyncio.Event,
    ) -> None:
        """`held`: what is held of all requests. `stopping`: set when this node stops: streams end then."""
        self._service = service
        self._authority = authority
        self._limits = limits
        self._figures = figures
        self._stopping = stopping
        self._admission = RequestAdmission(limits, figures)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not _is_protobuf(headers[b"content-type"]):
            await send({"type": "http.response.start", "status": HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "headers": []})
            await send({"type": "http.response.body", "body": b"of gRPC, application/grpc+proto alone is served\n"})
            return
        started = time.perf_counter()
        self._figures.in_flight += 1
        call = _Call(scope, receive, send)
        try:
            await call.end(await self._outcome(call, headers))
        finally:
            self._figures.in_flight -= 1
            self._figures.ended(scope, HTTPStatus.OK, time.perf_counter() - started)

    async def _outcome(self, call: _Call, headers: dict[bytes, bytes]) -> EtcdError | None:
        """Carry the call out; what it failed with."""
        try:
            async with asyncio.timeout(read_timeout(headers.get(b"grpc-timeout"))):
                await self._carry_out(call, headers)
        except EtcdError as error:
            return error
        except ApiError as error:
            return of_api(error)
        except TimeoutError:
            return EtcdError(EtcdCode.DEADLINE_EXCEEDED, "context deadline exceeded")
        except asyncio.CancelledError:
            return call.outcome
        except Exception:
            log.exception("internal error: please report it", path=call.scope["path"])
            return EtcdError(EtcdCode.INTERNAL, "etcdserver: this node failed to answer; its log says why")
        return None

    async def _carry_out(self, call: _Call, headers: dict[bytes, bytes]) -> None:
        """Raises EtcdError and ApiError."""
        rpc = _rpc_of(call.scope["path"])
        call.scope[ROUTE] = rpc.name
        if headers.get(b"grpc-encoding", b"identity") != b"identity":
            raise EtcdError(
                EtcdCode.UNIMPLEMENTED, "compressed messages are not served; grpc-encoding must be identity"
            )
        shown = headers.get(b"token") or headers.get(b"authorization")
        caller = await self._service.caller(rpc, call.scope, shown, read_timeout(headers.get(b"grpc-timeout")))
        call.scope[PRINCIPAL] = caller.principal
        held = self._admission.enter(call.scope, self._authority.share_of(call.scope))
        try:
            await self._answer(rpc, call, caller)
        finally:
            self._admission.leave(held)

    async def _answer(self, rpc: Rpc, call: _Call, caller: Caller) -> None:
        if not rpc.served:
            await self._service.call(rpc, EtcdMessage(), caller)  # which refuses it
            return
        requests = _Requests(rpc, call, self._limits, self._held)
        try:
            if rpc.shape is Shape.UNARY:
                request = await requests.next()
                if request is None:
                    raise EtcdError(EtcdCode.INVALID_ARGUMENT, "malformed request: it ended before its message")
                await call.tell(await self._service.call(rpc, request, caller))
            else:
                await self._stream(rpc, call, requests, caller)
        finally:
            requests.close()

    async def _stream(self, rpc: Rpc, call: _Call, requests: _Requests, caller: Caller) -> None:
        mark = self._authority.stream(
            call.scope, lambda less: call.cancel(_LESS_ALLOWED if less else etcd_error("invalid_token"))
        )
        stopping = asyncio.ensure_future(self._stopping.wait())
        stopping.add_done_callback(lambda done: None if done.cancelled() else call.cancel(etcd_error("stopped")))
        try:
            async with aclosing(self._service.stream(rpc, requests, caller)) as answers:
                async for answer in answers:
                    await call.tell(answer)
        finally:
            stopping.cancel()
            self._authority.stream_ended(mark)


def _rpc_of(path: str) -> Rpc:
    """Raises EtcdError."""
    rpc = BY_METHOD.get(path)
    if rpc is not None:
        return rpc
    service, _, method = path.removeprefix("/").rpartition("/")
    if service in _SERVICES:
        raise EtcdError(EtcdCode.UNIMPLEMENTED, f"unknown method {method} for service {service}")
    raise EtcdError(EtcdCode.UNIMPLEMENTED, f"unknown service {service}")


def _is_protobuf(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip() in {CONTENT_TYPE, CONTENT_TYPE + b"+proto"}


class _Call:
    """One request, and what is sent for it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self._task = asyncio.current_task()
        self._begun = False
        self._ended = False
        self.outcome: EtcdError | None = etcd_error("stopped")
        """What a cancelled call ends with; None: it is complete. By default a node that stops has cancelled it."""

    def cancel(self, outcome: EtcdError | None) -> None:
        if not self._ended and self._task is not None:
            self.outcome = outcome
            self._task.cancel()

    async def tell(self, message: EtcdMessage) -> None:
        await self._begin()
        await self._send({"type": "http.response.body", "body": frame(encode_message(message)), "more_body": True})

    async def end(self, error: EtcdError | None) -> None:
        self._ended = True
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        await self._send({"type": "http.response.trailers", "headers": status_trailers(error)})

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": True})


class _Requests:
    """The messages of a call, as they come."""

    def __init__(self, rpc: Rpc, call: _Call, limits: HttpSettings, held: HeldBodies) -> None:
        """`held`: what is held of all requests."""
        self._rpc = rpc
        self._call = call
        self._limits = limits
        self._held = held
        self._counted = 0
        self._reader = MessageReader(limits.max_body_bytes)
        self._more = True

    def __aiter__(self) -> AsyncIterator[EtcdMessage]:
        return self

    async def __anext__(self) -> EtcdMessage:
        """Raises EtcdError."""
        found = await self.next()
        if found is None:
            if self._rpc.method == "Watch":
                self._call.cancel(None)  # a watch would go on without its client's requests
            raise StopAsyncIteration
        return found

    async def next(self) -> EtcdMessage | None:
        """None: there are no more. Raises EtcdError for what is malformed, too large, or does not come."""
        while (data := self._reader.take()) is None:
            if not self._more:
                if self._reader.held:
                    raise EtcdError(EtcdCode.INVALID_ARGUMENT, "malformed request: it ended within a message")
                return None
            await self._feed()
        self._count()
        return decode_message(self._rpc.request, data)

    async def _feed(self) -> None:
        whole = self._rpc.shape is Shape.BOTH_STREAM and not self._reader.held
        try:
            async with asyncio.timeout(None if whole else self._limits.body_seconds):
                message = await self._call.receive()
        except TimeoutError:
            raise EtcdError(
                EtcdCode.INVALID_ARGUMENT, f"the request did not come within {self._limits.body_seconds} seconds"
            ) from None
        self._more = message.get("more_body", False)
        self._reader.feed(message.get("body", b""))
        self._count()

    def _count(self) -> None:
        self._held.bytes += self._reader.held - self._counted
        self._counted = self._reader.held

    def close(self) -> None:
        self._held.bytes -= self._counted
        self._counted = 0
