"""The calls of the JSON gateway: one request and answer, or a stream of them, below whatever path they are mounted at.

The gate has checked the token before, and knows the limits of requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any

from starlette.types import Receive, Scope, Send

from coterie.app.etcd.errors import etcd_error, of_api
from coterie.app.etcd.gateway.answers import (
    JSON_HEADERS,
    error_response,
    part,
    plain_response,
    stream_error,
    stream_result,
    stream_start,
)
from coterie.app.etcd.json_codec import DocumentReader, decode_message, encode_message, read
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.rpcs import BY_PATH, Caller, EtcdError, EtcdService, Rpc, Shape
from coterie.app.etcd.service.access import not_served
from coterie.app.http.errors import ApiError
from coterie.app.http.request import Reply, read_body
from coterie.app.http.streams import while_wanted
from coterie.app.observability.metrics.http import ROUTE
from coterie.app.settings.tables import HttpSettings

WAITING_REQUESTS = 16
"""Requests of one stream that wait to be carried out."""

_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in JSON_HEADERS.items())


class JsonGateway:
    def __init__(self, service: EtcdService, limits: HttpSettings, stopping: asyncio.Event) -> None:
        """`stopping`: set when this node stops: streams and waits end."""
        self._service = service
        self._limits = limits
        self._stopping = stopping

    async def __call__(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """`path`: below where the API begins, such as `/kv/range`. Raises ApiError."""
        rpc = BY_PATH.get(path)
        if rpc is None:
            await plain_response(HTTPStatus.NOT_FOUND)(scope, receive, send)
            return
        scope[ROUTE] = f"/v3{path}"
        if scope["type"] == "websocket":
            await self._socket(rpc, scope, receive, send)
        elif scope["method"] != "POST":
            await plain_response(HTTPStatus.METHOD_NOT_ALLOWED)(scope, receive, send)
        else:
            try:
                await self._answer(rpc, scope, receive, send)
            except EtcdError as error:
                await error_response(error)(scope, receive, send)

    async def _answer(self, rpc: Rpc, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        caller = await self._service.caller(rpc, scope, headers.get(b"authorization"))
        if not rpc.served:
            raise not_served(rpc)
        if rpc.shape is not Shape.UNARY:
            await self._stream(rpc, caller, _of_body(rpc, receive, self._limits.max_body_bytes), scope, send)
            return
        declared = headers.get(b"content-length")
        body = await read_body(receive, None if declared is None else declared.decode("latin-1"), self._limits)
        request = decode_message(rpc.request, body)
        if rpc.waits:
            waited = await while_wanted(self._service.call(rpc, request, caller), receive, self._stopping)
            if waited is None:
                raise etcd_error("stopped")
            answer = waited
        else:
            answer = await self._service.call(rpc, request, caller)
        await Reply(encode_message(answer), headers=_HEADERS).send(send)

    # -- streams -------------------------------------------------------------------------------------------------------

    async def _stream(self, rpc: Rpc, caller: Caller, requests: StreamRequests, scope: Scope, send: Send) -> None:
        begun = False

        async def tell(data: bytes) -> None:
            nonlocal begun
            if not begun:
                begun = True
                await send(stream_start())
            await send(part(data))

        async def work() -> bool:
            async with aclosing(self._service.stream(rpc, requests, caller)) as answers:
                async for answer in answers:
                    await tell(stream_result(answer))
            return True

        async with requests:
            try:
                done = await while_wanted(work(), requests.until_gone, self._stopping)
                if done is None and self._stopping.is_set():
                    raise etcd_error("stopped")
            except EtcdError as error:
                if not begun:
                    raise
                await tell(stream_error(error))
        if not begun:
            await send(stream_start())
        await send(part(b"", more=False))

    # -- WebSocket -----------------------------------------------------------------------------------------------------

    async def _socket(self, rpc: Rpc, scope: Scope, receive: Receive, send: Send) -> None:
        """A text message each way is one JSON object; a call without streams has one answer."""

        async def tell(data: bytes) -> None:
            await send({"type": "websocket.send", "text": data.decode()})

        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        requests = _of_socket(rpc, receive)

        async def work() -> None:
            shown = next((value for name, value in scope["headers"] if name == b"authorization"), None)
            caller = await self._service.caller(rpc, scope, shown)
            if not rpc.served:
                raise not_served(rpc)
            if rpc.shape is Shape.UNARY:
                answer = await self._service.call(rpc, await anext(requests), caller)
                await tell(encode_message(answer))
                return
            async with aclosing(self._service.stream(rpc, requests, caller)) as answers:
                async for answer in answers:
                    await tell(stream_result(answer).rstrip())

        async with requests:
            try:
                await while_wanted(work(), requests.until_gone, self._stopping)
                if self._stopping.is_set():
                    await tell(stream_error(etcd_error("stopped")).rstrip())
            except EtcdError as error:
                await tell(stream_error(error).rstrip())
        if not requests.gone.is_set():
            with suppress(RuntimeError):  # it may have been closed meanwhile
                await send({"type": "websocket.close", "code": 1000})


class StreamRequests:
    """The requests of a stream, read by a task of their own, which notices when the client goes."""

    def __init__(self, rpc: Rpc, read_all: Callable[[StreamRequests], Coroutine[Any, Any, None]]) -> None:
        """`read_all`: gives all requests to `take`, and returns when the client has gone. It may raise EtcdError."""
        self._rpc = rpc
        self._read_all = read_all
        self._waiting: asyncio.Queue[EtcdMessage | EtcdError | None] = asyncio.Queue(WAITING_REQUESTS)
        self._reading: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()

    async def take(self, documents: Sequence[Any]) -> None:
        """Requests that have come, as JSON has them. Raises EtcdError."""
        for content in documents:
            await self._waiting.put(read(self._rpc.request, content))

    async def end(self) -> None:
        """No more come."""
        await self._waiting.put(None)

    async def __aenter__(self) -> StreamRequests:
        self._reading = asyncio.create_task(self._read(), name="etcd requests")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            await self._read_all(self)
        except EtcdError as error:
            await self._waiting.put(error)
        else:
            self.gone.set()

    async def until_gone(self) -> Any:
        """As an ASGI `receive` that only tells that the client has gone."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def __aiter__(self) -> AsyncIterator[EtcdMessage]:
        return self

    async def __anext__(self) -> EtcdMessage:
        """Raises EtcdError for one that is malformed."""
        found = await self._waiting.get()
        if found is None:
            raise StopAsyncIteration
        if isinstance(found, EtcdError):
            raise found
        return found


def _of_body(rpc: Rpc, receive: Receive, limit: int) -> StreamRequests:
    """JSON objects one after the other in a body, as they come. Its end ends a keep-alive, and not a watch."""

    async def read_all(requests: StreamRequests) -> None:
        documents = DocumentReader(limit)
        while (message := await receive())["type"] == "http.request":
            await requests.take(documents.feed(message.get("body", b"")))
            if not message.get("more_body", False):
                documents.end()
                if rpc.method != "Watch":
                    await requests.end()

    return StreamRequests(rpc, read_all)


def _of_socket(rpc: Rpc, receive: Receive) -> StreamRequests:
    """A text message each."""

    async def read_all(requests: StreamRequests) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("text") or message.get("bytes") or ""
            documents = DocumentReader(len(data))
            await requests.take(documents.feed(data.encode() if isinstance(data, str) else data))
            documents.end()

    return StreamRequests(rpc, read_all)


def api_error_response(error: ApiError) -> Any:
    """What the gate refuses, as etcd would."""
    return error_response(of_api(error), closes=error.closes)
