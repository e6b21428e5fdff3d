"""`/v1/ws`: live updates over a WebSocket, and the messages that a client may send.

Every message is one JSON object in a text frame. A client sends `subscribe`, which replaces its former subscription
(or, with `?wait=true`, starts the first one), and `ping`. Any other message is answered with `error`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import orjson
from fastapi import FastAPI, Query, Request
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.api.live.authorization import asked_filter
from coterie.app.api.live.events.messages import FeedMessage, ending
from coterie.app.api.live.feed import Feed, LiveUpdates, Subscription
from coterie.app.api.live.openapi import SOCKET_TEXT
from coterie.app.api.live.sse import HeldRevision, Kinds, LastId, Prefix
from coterie.app.api.parameters.documenting import errors
from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.protocol import ABORT
from coterie.app.observability.metrics.http import ROUTE
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import Kind
from coterie.app.wire.live.samples import LiveModel

PATH = b"/v1/ws"

SUBPROTOCOL = "coterie.live.v1"
"""Spoken where a client offers subprotocols at all."""

GOING_AWAY = 1001
POLICY = 1008
TRY_AGAIN = 1013

CLOSE_SECONDS = 0.5
"""For how long a client that is let go may take to read why."""


class Subscribe(LiveModel):
    """From a client: what to tell from now on; answered by `hello`, and a snapshot where one is due."""

    model_config = ConfigDict(strict=True)

    type: Literal["subscribe"]
    kinds: Annotated[list[Kind] | None, Field(examples=[["members", "raft"]])] = None
    """Null or empty: all but `gossip_links`, `convergence` and `figures`, which come to who names them, as far as the
    token may read them. Naming one of a layer that it may not read is an `error` (`forbidden`), and changes nothing."""
    prefix: Annotated[str, Field(examples=["jobs/"])] = ""
    """Of keys, of both layers, only those that start with this."""
    last_id: Annotated[str | None, Field(max_length=100, examples=["5f0c1d2e-17"])] = None
    """Of the last event that the client had: go on behind it."""
    revision: Annotated[int | None, Field(ge=0, le=2**53 - 1, examples=[17])] = None
    """Of the metadata that the client holds."""


class PingMessage(LiveModel):
    """From a client: answered by `pong`."""

    type: Literal["ping"]


_read = TypeAdapter[Subscribe | PingMessage](Annotated[Subscribe | PingMessage, Field(discriminator="type")])


class LiveSocket:
    """ASGI application for scopes of the type `websocket`."""

    def __init__(self, context: Context, live: LiveUpdates) -> None:
        self._context = context
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError for refusals before the WebSocket is accepted."""
        if scope["path"].rstrip("/") != PATH.decode():
            raise ApiError(Code.NOT_FOUND, "there is no WebSocket at this path; /v1/ws is one")
        scope[ROUTE] = PATH.decode()
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if _flag(query, "wait"):
            asked_filter(self._context, scope, None, None)  # who may be told nothing is refused at once
            asked = None
        else:
            asked = self._asked(query, scope)
        await receive()  # websocket.connect
        accept: dict[str, Any] = {"type": "websocket.accept"}
        if SUBPROTOCOL in scope.get("subprotocols", ()):
            accept["subprotocol"] = SUBPROTOCOL
        if asked is not None:
            feed = self._live.feed(asked)
        await send(accept)
        if asked is None:
            waited = await self._wait(scope, receive, send)
            if waited is None:
                return
            try:
                feed = self._live.feed(waited)
            except ApiError as error:
                await _close(send, TRY_AGAIN, error)
                return
        try:
            await _Conversation(self._context, feed, self._live.stall_seconds, scope, receive, send).run()
        finally:
            feed.close()

    def _asked(self, query: Mapping[str, str], scope: Scope) -> Subscription:
        text = query.get("revision")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 16):
            raise ApiError(Code.INVALID_REQUEST, "revision must be a whole number", "revision")
        wanted = asked_filter(self._context, scope, query.get("kinds"), query.get("prefix"))
        return Subscription(wanted, query.get("last_id") or None, None if text is None else int(text))

    async def _wait(self, scope: Scope, receive: Receive, send: Send) -> Subscription | None:
        """The client's first subscription; None where it left, or said nothing in time."""
        try:
            async with asyncio.timeout(self._live.stall_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "websocket.disconnect":
                        return None
                    try:
                        said = read_message(message)
                        if isinstance(said, Subscribe):
                            return subscription(self._context, scope, said)
                    except ApiError as error:
                        await send({"type": "websocket.send", "text": _refusal(error).text})
        except TimeoutError:
            await _close(send, POLICY, ApiError(Code.INVALID_REQUEST, "no subscribe message came in time"))
            return None


class _Conversation:
    """One accepted WebSocket: a task that tells, and one that listens."""

    def __init__(
        self, context: Context, feed: Feed, stall_seconds: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._context = context
        self._feed = feed
        self._scope = scope
        self._receive = receive
        self._send = send
        self._seconds = stall_seconds
        self._settled = asyncio.Event()

    async def run(self) -> None:
        telling = asyncio.create_task(self._tell())
        listening = asyncio.create_task(self._listen())
        stopping = asyncio.create_task(self._context.stopping.wait())
        tasks = (telling, listening, stopping)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._context.stopping.is_set() and not listening.done() and not telling.done():
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                await _close(self._send, GOING_AWAY, unavailable("stopped"))
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    async def _tell(self) -> None:
        try:
            async with aclosing(self._feed.messages()) as messages:
                async for message in messages:
                    async with asyncio.timeout(self._seconds):
                        await self._send({"type": "websocket.send", "text": message.text})
                    if self._feed.settled:
                        self._settled.set()
                    if isinstance(message, FeedMessage) and message.ends is not None:
                        code = GOING_AWAY if message.ends is Code.UNAVAILABLE else TRY_AGAIN
                        async with asyncio.timeout(CLOSE_SECONDS):
                            await self._send({"type": "websocket.close", "code": code, "reason": message.ends.value})
                        return
        except TimeoutError:
            # A message to one who takes nothing would never get out.
            end = self._scope.get("extensions", {}).get(ABORT)
            if end is not None:
                end()

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                said = read_message(message)
                if isinstance(said, Subscribe):
                    # One at a time: a snapshot is work, and who asks again waits for the last one to be told.
                    await self._until_settled()
                    self._feed.subscribe(subscription(self._context, self._scope, said))
                    continue
                answer = FeedMessage({"type": "pong"})
            except ApiError as error:
                answer = _refusal(error)
            async with asyncio.timeout(self._seconds):
                await self._send({"type": "websocket.send", "text": answer.text})

    async def _until_settled(self) -> None:
        while not self._feed.settled:
            self._settled.clear()
            await self._settled.wait()


def read_message(message: Mapping[str, Any]) -> Subscribe | PingMessage:
    """What a client said. Raises ApiError."""
    data = message.get("text") or message.get("bytes") or ""
    try:
        return _read.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in {"subscribe", "ping"}) or None
        raise ApiError(Code.INVALID_REQUEST, f"the message is not understood: {first['msg']}", where) from None


def subscription(context: Context, scope: Scope, said: Subscribe) -> Subscription:
    """Raises ApiError."""
    return Subscription(asked_filter(context, scope, said.kinds, said.prefix), said.last_id, said.revision)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in {"true", "false"}:
        raise ApiError(Code.INVALID_REQUEST, f"{name} must be true or false", name)
    return text == "true"


def _refusal(error: ApiError) -> FeedMessage:
    return FeedMessage({"type": "error", **orjson.loads(error.body())})


async def _close(send: Send, code: int, error: ApiError) -> None:
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await send({"type": "websocket.send", "text": ending(error).text})
            await send({"type": "websocket.close", "code": code, "reason": str(error.code)})


def add_socket(app: FastAPI, context: Context) -> None:
    @app.get(
        "/v1/ws",
        summary="Live updates over a WebSocket",
        operation_id="live_socket",
        status_code=101,
        response_description="The WebSocket begins",
        responses=errors(Code.INVALID_REQUEST, Code.INVALID_ENCODING, Code.UPGRADE_REQUIRED, Code.TOO_MANY_STREAMS),
        tags=["live"],
        description=SOCKET_TEXT,
    )
    async def live_socket(
        request: Request,
        kinds: Kinds = None,
        prefix: Prefix = None,
        last_id: LastId = None,
        revision: HeldRevision = None,
        wait: Annotated[
            bool, Query(description="Send nothing before the client's first `subscribe`.", examples=[True])
        ] = False,
    ) -> None:
        asked_filter(context, request.scope, kinds, prefix)
        raise ApiError(
            Code.UPGRADE_REQUIRED,
            "this is a WebSocket: ask for it with Upgrade: websocket; /v1/events tells the same over plain HTTP",
            headers={"Upgrade": "websocket"},
        )
