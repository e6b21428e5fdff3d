"""`GET /v1/watch`: changes of the metadata as server-sent events, in order, without gaps, resumable.

One event holds one revision, and its id is that revision: with `Last-Event-ID` a client resumes behind it. While
nothing happens, an id without an event says how far the watch has come, so that resuming needs little history. What a
slow client does not read stays in history; the connection buffers no more than its socket does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from math import inf, isfinite
from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coterie.app.api.context import Context
from coterie.app.api.encoding import show_record
from coterie.app.api.parameters.declared import ReadCall
from coterie.app.api.parameters.documenting import errors, event_stream
from coterie.app.auth import token_store
from coterie.app.auth.authority import principal_of
from coterie.app.auth.visibility import Shows, shown_to
from coterie.app.http.error_mapping import api_error, unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.streams import abort, while_wanted
from coterie.app.raft.view import RaftView
from coterie.app.settings.tables import RaftSettings
from coterie.app.wire.encoding import to_text
from coterie.app.wire.errors import Code
from coterie.consensus.api.errors import CompactedError, MetadataError
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.member.metadata.watch import MemberWatch
from coterie.consensus.store import Event, EventKind, WatchBatch, prefix_end

STOP_SECONDS = 0.5
"""For how long a stopping node waits for a client to take the news."""

FRESH_SECONDS = 5.0
"""Progress is told while no more than this can have happened unseen: elections take less."""

RETRY_MS = 1_000
"""What clients are asked to wait before they connect again."""

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Render = Callable[[WatchBatch], Iterable[bytes]]
"""What to send of a batch, made piece by piece as the client takes it; nothing where there is only progress to tell."""


MAX_PREV_BYTES = 8 * 1024 * 1024
"""Former values that the event of one revision tells, together: beyond that it tells none. A deletion by prefix or the
end of a lease can touch far more, and an event is made, sent and read as a whole."""


def render_changes(shows: Shows, *, prev: bool) -> Render:
    """The changes of each revision as one event."""

    def render(batch: WatchBatch) -> Iterator[bytes]:
        visible = (event for event in batch.events if shows(event.key))
        for revision, of_revision in groupby(visible, key=lambda event: event.revision):
            events = list(of_revision)
            told = prev and sum(len(each.prev.value) for each in events if each.prev is not None) <= MAX_PREV_BYTES
            content = {"revision": revision, "changes": [_show_change(event, prev=told) for event in events]}
            yield message("change", orjson.dumps(content), revision)

    return render


def _is_readable(key: bytes) -> bool:
    """The right to the one key that is watched was checked."""
    return not token_store.is_hidden(key)


def _show_change(event: Event, *, prev: bool) -> dict[str, Any]:
    key, key_encoding = to_text(event.key)
    change: dict[str, Any] = {"type": "delete", "key": key}
    if key_encoding == "base64":
        change["key_encoding"] = key_encoding
    if event.record is not None:
        change = {"type": "put", **show_record(event.record)}
    if prev:
        change["prev"] = None if event.prev is None else show_record(event.prev)
    return change


def message(event: str, data: bytes, revision: int | None = None) -> bytes:
    """One event of the stream."""
    head = b"" if revision is None else b"id: %d\n" % revision
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), data)


def progress(revision: int) -> bytes:
    """No event, but clients remember its id: all that happened up to it was told."""
    return b": progress\nid: %d\n\n" % revision


def stale(age: float) -> bytes:
    """This node hears of no leader: what is told may be so old, in seconds."""
    return message("stale", orjson.dumps({"age_seconds": round(age, 1) if isfinite(age) else None}))


class EventStream(Response):
    """Sends what a watch tells until either side ends it."""

    media_type = "text/event-stream"

    def __init__(self, watching: MemberWatch, render: Render, context: Context, first: bytes = b"") -> None:
        """`watching` has been entered, and is left at the end. `first`: what is told at once."""
        super().__init__()
        self._watching = watching
        self._render = render
        self._settings = context.settings
        self._raft = context.raft
        self._stopping = context.stopping
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            await while_wanted(self._send_all(scope, receive, send), receive, self._stopping)
            if self._stopping.is_set():
                await self._tell_stop(send)
        finally:
            await self._watching.__aexit__(None, None, None)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async for part in self._parts():
                async with asyncio.timeout(self._settings.watch_stall):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            await abort(scope, receive)

    async def _tell_stop(self, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await send({"type": "http.response.body", "body": message("end", unavailable("stopped").body())})

    async def _parts(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n%s" % (RETRY_MS, progress(self._watching.revision)) + self._first
        heartbeat, tick = self._settings.watch_heartbeat, look_seconds(self._settings)
        quiet_since = time.monotonic()
        try:
            async for batch in self._watching:
                sent = 0
                for part in self._render(batch):
                    sent += 1
                    yield part
                now, age = time.monotonic(), age_of(self._raft)
                if not sent and age > self._settings.watch_max_staleness:
                    yield message("end", too_stale(age).body())
                    return
                if not sent and age > FRESH_SECONDS:
                    yield stale(age)
                elif not sent and (batch.events or now - quiet_since >= heartbeat - tick / 2):
                    yield progress(batch.revision)
                elif not sent:
                    continue
                quiet_since = now
        except CompactedError as error:
            yield message("compacted", orjson.dumps({"compacted": error.compacted}))
        except MetadataError as error:
            yield message("end", api_error(error).body())


def look_seconds(settings: RaftSettings) -> float:
    """How often a watch on which nothing happens is looked at."""
    return min(settings.watch_heartbeat, FRESH_SECONDS)


def age_of(raft: RaftView) -> float:
    """How old what this node tells may be, in seconds."""
    metadata = raft.metadata
    return inf if metadata is None else metadata.staleness()


def too_stale(age: float) -> ApiError:
    return unavailable("stale", because=f"for {age:.0f} s" if isfinite(age) else "")


async def enter(
    metadata: MemberMetadata,
    start: bytes,
    end: bytes | None,
    *,
    from_revision: int | None,
    kind: EventKind | None,
    context: Context,
) -> MemberWatch:
    """A watch that has begun. Raises ApiError."""
    age = age_of(context.raft)
    if age > context.settings.watch_max_staleness:
        raise too_stale(age)
    watching = metadata.watch(
        start, end, from_revision=from_revision, kind=kind, progress=look_seconds(context.settings)
    )
    try:
        return await watching.__aenter__()
    except MetadataError as error:
        raise api_error(error) from None


def resume_at(revision: int | None, last_event_id: str | None) -> int | None:
    """The revision to begin with: behind the last event that the client saw. Raises ApiError."""
    if not last_event_id:
        return revision
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 16):
        raise ApiError(
            Code.INVALID_REQUEST, f"Last-Event-ID must be a revision, not {last_event_id!r}", "Last-Event-ID"
        )
    return int(last_event_id) + 1


_EXAMPLE = """retry: 1000
: progress
id: 16

id: 17
event: change
data: {"revision":17,"changes":[{"type":"put","key":"jobs/7","value":"ready","encoding":"utf-8",\
"create_revision":17,"mod_revision":17,"version":1,"lease":0}]}

"""


def add_watch(app: FastAPI, context: Context) -> None:
    @app.get(
        "/v1/watch",
        summary="Watch keys of the metadata",
        operation_id="watch",
        response_class=Response,
        response_description="Server-sent events without end",
        responses={
            200: {
                "content": event_stream("`change`, `stale`, `compacted` or `end`.", example=_EXAMPLE),
            },
            **errors(
                Code.INVALID_REQUEST, Code.EMPTY_PARAMETER, Code.COMPACTED, Code.FUTURE_REVISION, Code.UNAVAILABLE
            ),
        },
        tags=["metadata"],
    )
    async def watch(
        call: ReadCall,
        request: Request,
        key: Annotated[str | None, Query(min_length=1, description="The key.", examples=["jobs/7"])] = None,
        prefix: Annotated[
            str | None, Query(description="Instead: what the keys start with; empty for all.", examples=["jobs/"])
        ] = None,
        revision: Annotated[
            int | None,
            Query(ge=1, description="The first revision to tell of; the next one if left out.", examples=[17]),
        ] = None,
        kind: Annotated[Literal["put", "delete"] | None, Query(description="Only these.", examples=["put"])] = None,
        prev: Annotated[
            bool,
            Query(
                description="Tell with each change what was there before, up to 8 MiB in one revision.",
                examples=[True],
            ),
        ] = False,
        last_event_id: Annotated[
            str | None,
            Header(alias="Last-Event-ID", description="Beats `revision`: go on behind this one.", examples=["17"]),
        ] = None,
    ) -> Response:
        """Each event `change` holds all changes of one revision, and that revision is its id. A client that comes
        back with `Last-Event-ID` misses nothing. Where history does not reach back that far, the answer is
        `compacted`: before the stream begins as an error (410), within it as an event `compacted`, after which the
        stream ends: read the keys anew, and watch from behind the revision of that answer. A position beyond the next
        revision is refused as `future_revision`: it is of another cluster, or of a state that was lost. An event `end`
        brings an error of this node: connect again, here or elsewhere. A node that hears of no leader tells no
        progress, but `stale`, with how old its view may be in `age_seconds` (null: for ever), and ends the stream
        after `raft.watch_max_staleness`."""
        if (key is None) == (prefix is None):
            raise ApiError(Code.INVALID_REQUEST, "give either key or prefix", "key")
        start = (key if key is not None else prefix or "").encode()
        watching = await enter(
            call.metadata,
            start,
            start + b"\0" if key is not None else prefix_end(start),
            from_revision=resume_at(revision, last_event_id),
            kind=None if kind is None else EventKind[kind.upper()],
            context=context,
        )
        shows = shown_to(principal_of(request.scope)) if key is None else _is_readable
        return EventStream(watching, render_changes(shows, prev=prev), context)
