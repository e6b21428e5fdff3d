"""`GET /v1/events`: live updates as server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import FastAPI, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.api.keys.watch import RETRY_MS, STOP_SECONDS, STREAM_HEADERS
from coterie.app.api.live.authorization import asked_filter
from coterie.app.api.live.events.messages import ending
from coterie.app.api.live.feed import Feed, LiveUpdates, Subscription
from coterie.app.api.live.openapi import EVENTS_EXAMPLE, EVENTS_TEXT
from coterie.app.api.parameters.documenting import errors, event_stream
from coterie.app.http.error_mapping import unavailable
from coterie.app.http.streams import abort, while_wanted
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import DETAILS, KINDS

Kinds = Annotated[
    str | None,
    Query(
        description=f"Kinds to be told of, separated by commas: {', '.join(f'`{kind}`' for kind in KINDS)}. "
        f"Left out or empty: all but the last three, {', '.join(f'`{kind}`' for kind in DETAILS)}, as far as the token "
        "may read them. Naming one of a layer that it may not read is refused (403, `forbidden`).",
        examples=["members,raft"],
    ),
]
Prefix = Annotated[
    str | None,
    Query(description="Of keys, of both layers, only those that start with this.", examples=["jobs/"]),
]
LastId = Annotated[
    str | None,
    Query(description="Id of the last event that the client had: go on behind it.", examples=["5f0c1d2e-17"]),
]
HeldRevision = Annotated[
    int | None,
    Query(
        ge=0,
        le=2**53 - 1,
        description="Of the metadata that the client holds: a snapshot then tells what came since, where history "
        "reaches back so far. Not to be brought where the token may read more than it might then.",
        examples=[17],
    ),
]


class LiveStream(Response):
    """Sends what a feed tells until either side ends it."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, stall_seconds: float, stopping: asyncio.Event) -> None:
        super().__init__()
        self._feed = feed
        self._seconds = stall_seconds
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            await while_wanted(self._send_all(scope, receive, send), receive, self._stopping)
            if self._stopping.is_set():
                await self._tell_stop(send)
        finally:
            self._feed.close()

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = b"retry: %d\n\n" % RETRY_MS
        try:
            async with aclosing(self._feed.messages()) as messages:
                async for message in messages:
                    async with asyncio.timeout(self._seconds):
                        await send({"type": "http.response.body", "body": head + message.sse, "more_body": True})
                    head = b""
            async with asyncio.timeout(self._seconds):
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            await abort(scope, receive)

    async def _tell_stop(self, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await send({"type": "http.response.body", "body": ending(unavailable("stopped")).sse})


def add_events(app: FastAPI, context: Context, live: LiveUpdates) -> None:
    @app.get(
        "/v1/events",
        summary="Live updates as server-sent events",
        operation_id="live_events",
        response_class=Response,
        response_description="Server-sent events without end; who falls behind is told `too_slow` by an `end`",
        responses={
            200: {
                "content": event_stream(
                    "The `type` of a message, or the `kind` of an event.",
                    {
                        "anyOf": [
                            {"$ref": "#/components/schemas/LiveMessage"},
                            {"$ref": "#/components/schemas/AnyEvent"},
                        ]
                    },
                    EVENTS_EXAMPLE,
                )
            },
            **errors(Code.INVALID_REQUEST, Code.INVALID_ENCODING, Code.TOO_MANY_STREAMS),
        },
        tags=["live"],
        description=EVENTS_TEXT,
    )
    async def live_events(
        request: Request,
        kinds: Kinds = None,
        prefix: Prefix = None,
        last_id: LastId = None,
        revision: HeldRevision = None,
        last_event_id: Annotated[
            str | None,
            Header(alias="Last-Event-ID", description="The same as `last_id`, and beats it.", examples=["5f0c1d2e-17"]),
        ] = None,
    ) -> Response:
        wanted = asked_filter(context, request.scope, kinds, prefix)
        asked = Subscription(wanted, last_event_id or last_id or None, revision)
        return LiveStream(live.feed(asked), live.stall_seconds, context.stopping)
