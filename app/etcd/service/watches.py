"""One stream of watches: watchers are made, canceled and asked how far they are; their answers go out in order.

Each watcher is a task on a `Metadata.watch` of its own. Answers wait in a short queue: a client that does not take them
stops the watchers, which are then mere positions in history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, groupby

from coterie.app.etcd.errors import etcd_error, of_metadata
from coterie.app.etcd.messages.kv import EtcdKeyValue
from coterie.app.etcd.messages.watch import (
    EtcdEvent,
    EventType,
    WatchCreateRequest,
    WatchFilter,
    WatchRequest,
    WatchResponse,
)
from coterie.app.etcd.rpcs import Caller, EtcdError
from coterie.app.etcd.service.access import (
    Access,
    Span,
    from_etcd,
    may,
    refusal,
    show_record,
    span_of,
    to_etcd,
)
from coterie.app.etcd.service.watch_requests import Answers, answered
from coterie.consensus.api.errors import CompactedError, MetadataError, UnavailableError
from coterie.consensus.member.metadata.watch import MemberWatch
from coterie.consensus.store import RESERVED_PREFIX, Event, EventKind

NO_WATCH = -1
"""The id in answers that are about no watcher, or about all."""

MESSAGE_BYTES = 1_048_576
"""Keys and values of one answer; a revision's events are kept together beyond it, unless fragments are asked for."""

PROGRESS_SECONDS = 600.0
"""How often a watcher that asks for it, and on which nothing happens, says how far it is."""

LOOK_SECONDS = 5.0
"""How often an idle watcher looks whether this node still hears of a leader."""

_NEVER = 2**63

MAX_WATCHERS = 1_000
"""In one stream; what all may have together is bounded by `raft.max_watches`."""


@dataclass(eq=False, slots=True)
class _Watcher:
    id: int
    request: WatchCreateRequest
    span: Span
    watching: MemberWatch
    least: int
    """The first revision, of Coterie, that is told of."""
    task: asyncio.Task[None] | None = None
    asked: set[_Progress] = field(default_factory=set)
    """Questions of how far all watchers are that wait for this one."""


@dataclass(eq=False, slots=True)
class _Progress:
    """A question of how far all watchers are."""

    revision: int
    waiting: set[_Watcher]


class WatchStream:
    def __init__(self, access: Access, caller: Caller) -> None:
        self._access = access
        self._caller = caller
        self._watchers: dict[int, _Watcher] = {}
        self._ids = count()
        self._answers = Answers()

    def run(self, requests: AsyncIterator[WatchRequest]) -> AsyncGenerator[WatchResponse, None]:
        """Answers until it is closed. Raises EtcdError."""
        return answered(self, requests, self._answers)

    def tasks(self) -> list[asyncio.Task[None]]:
        return [each.task for each in self._watchers.values() if each.task is not None]

    # -- requests ------------------------------------------------------------------------------------------------------

    async def create(self, request: WatchCreateRequest) -> None:
        span = span_of(request.key or b"\0", request.range_end)
        if not may(self._caller.principal, "read", span):
            await self._refuse(refusal(self._caller))
            return
        if request.start_revision < 0:
            await self._refuse(etcd_error("compacted"))
            return
        if span[1] is not None and span[0] >= span[1]:
            await self._refuse("mvcc: watcher range is empty")
            return
        if request.watch_id in self._watchers and request.watch_id:
            await self._refuse("mvcc: duplicate watch ID provided on the WatchStream")
            return
        if len(self._watchers) >= MAX_WATCHERS:
            await self._refuse(f"etcdserver: a stream has at most {MAX_WATCHERS} watchers; open another one")
            return
        watch_id = request.watch_id or next(each for each in self._ids if each not in self._watchers)
        try:
            watcher = await self._begin(watch_id, request, span)
        except CompactedError as error:
            # The newest state that can be read is one above what is gone, and etcd counts one more.
            oldest = to_etcd(error.compacted + 1)
            await self._put(WatchResponse(self._access.header(), watch_id, created=True))
            header = self._access.header(-1)
            await self._put(WatchResponse(header, watch_id, canceled=True, compact_revision=oldest))
            return
        except UnavailableError as error:
            if error.reason != "too_many_watches":
                raise of_metadata(error) from None
            await self._refuse(f"etcdserver: {error}")
            return
        except MetadataError as error:
            raise of_metadata(error) from None
        self._watchers[watch_id] = watcher
        revision = watcher.watching.revision if not request.start_revision else None
        await self._put(WatchResponse(self._access.header(revision), watch_id, created=True))
        watcher.task = asyncio.create_task(self._follow(watcher), name="etcd watcher")

    async def _begin(self, watch_id: int, request: WatchCreateRequest, span: Span) -> _Watcher:
        access = self._access
        least = max(1, from_etcd(request.start_revision)) if request.start_revision else 0
        if {WatchFilter.NOPUT, WatchFilter.NODELETE} <= set(request.filters):
            least = _NEVER
        # A revision that has not come is waited for: the watch begins now, and what comes before it is left out.
        ahead = least > access.state.keyspace.revision + 1
        watching = access.metadata.watch(
            *span,
            from_revision=None if ahead or not least else least,
            kind=_kind(request.filters),
            progress=min(LOOK_SECONDS, access.context.settings.watch_heartbeat),
        )
        await watching.__aenter__()
        return _Watcher(watch_id, request, span, watching, least)

    async def cancel(self, watch_id: int) -> None:
        watcher = self._watchers.pop(watch_id, None)
        if watcher is None or watcher.task is None:
            return
        watcher.task.cancel()
        await asyncio.gather(watcher.task, return_exceptions=True)
        await self._put(WatchResponse(self._access.header(), watch_id, canceled=True))

    async def ask_progress(self) -> None:
        """Answered once every watcher has told all up to the revision of now."""
        question = _Progress(self._access.state.keyspace.revision, set(self._watchers.values()))
        for watcher in question.waiting:
            watcher.asked.add(question)
            watcher.watching.ask_progress()
        await self._answer_progress(question)

    async def _answer_progress(self, question: _Progress) -> None:
        if not question.waiting:
            await self._put(WatchResponse(self._access.header(question.revision), NO_WATCH))

    # -- answers -------------------------------------------------------------------------------------------------------

    async def _follow(self, watcher: _Watcher) -> None:
        """Tell what happens, until it is canceled."""
        told = began = time.monotonic()
        try:
            async for batch in watcher.watching:
                for answer in self._show(watcher, batch.events, batch.revision):
                    await self._put(answer)
                    told = time.monotonic()
                await self._progressed(watcher, batch.revision)
                self._check_leader(began)
                if watcher.request.progress_notify and time.monotonic() - told >= PROGRESS_SECONDS:
                    await self._put(WatchResponse(self._access.header(batch.revision), watcher.id))
                    told = time.monotonic()
        except CompactedError as error:
            self._watchers.pop(watcher.id, None)
            oldest = to_etcd(error.compacted + 1)
            header = self._access.header(-1)
            await self._put(WatchResponse(header, watcher.id, canceled=True, compact_revision=oldest))
            await self._progressed(watcher, None)
        except MetadataError as error:
            await self._answers.put(of_metadata(error))
        except EtcdError as error:
            await self._answers.put(error)
        finally:
            with suppress(Exception):
                await watcher.watching.__aexit__(None, None, None)

    async def _progressed(self, watcher: _Watcher, revision: int | None) -> None:
        """It has told all up to a revision; None: it tells nothing any more."""
        for question in list(watcher.asked):
            if revision is None or revision >= question.revision:
                watcher.asked.discard(question)
                question.waiting.discard(watcher)
                await self._answer_progress(question)
            else:
                watcher.watching.ask_progress()

    def _check_leader(self, began: float) -> None:
        """A node that hears of no leader ends its watches, so that their clients go on at another. Raises EtcdError.

        One that `began` without a leader lasts as long as the others: Patroni asks again at once, for ever.
        """
        access = self._access
        leaderless = min(access.metadata.staleness(), time.monotonic() - began)
        if leaderless > access.context.settings.watch_max_staleness:
            raise etcd_error("no_leader")

    def _show(self, watcher: _Watcher, events: Sequence[Event], revision: int) -> Iterator[WatchResponse]:
        """The events as answers: by whole revisions, in messages that are not much larger than MESSAGE_BYTES."""
        shown = (
            event for event in events if event.revision >= watcher.least and not event.key.startswith(RESERVED_PREFIX)
        )
        told: list[EtcdEvent] = []
        size, last = 0, 0
        for of_revision, group in groupby(shown, key=lambda event: event.revision):
            parts = list(group)
            if told and size + sum(map(_size, parts)) > MESSAGE_BYTES:
                yield WatchResponse(self._access.header(last), watcher.id, events=tuple(told))
                told, size = [], 0
            for number, event in enumerate(parts):
                told.append(_show_event(event, prev=watcher.request.prev_kv))
                size += _size(event)
                if watcher.request.fragment and size > MESSAGE_BYTES and number + 1 < len(parts):
                    header = self._access.header(of_revision)
                    yield WatchResponse(header, watcher.id, fragment=True, events=tuple(told))
                    told, size = [], 0
            last = of_revision
        if told:
            yield WatchResponse(self._access.header(revision), watcher.id, events=tuple(told))

    async def _refuse(self, reason: Exception | str) -> None:
        """A watcher that is not made."""
        text = reason
        if isinstance(reason, EtcdError):
            text = f"rpc error: code = {_name(reason)} desc = {reason.message}"
        header = self._access.header()
        await self._put(WatchResponse(header, NO_WATCH, created=True, canceled=True, cancel_reason=str(text)))

    async def _put(self, answer: WatchResponse) -> None:
        await self._answers.put(answer)


def _kind(filters: Sequence[WatchFilter]) -> EventKind | None:
    wanted = set(filters)
    if WatchFilter.NOPUT in wanted:
        return EventKind.DELETE
    return EventKind.PUT if WatchFilter.NODELETE in wanted else None


def _show_event(event: Event, *, prev: bool) -> EtcdEvent:
    before = show_record(event.prev) if prev and event.prev is not None else None
    if event.record is not None:
        return EtcdEvent(EventType.PUT, show_record(event.record), before)
    deleted = EtcdKeyValue(event.key, mod_revision=to_etcd(event.revision))
    return EtcdEvent(EventType.DELETE, deleted, before)


def _size(event: Event) -> int:
    return 64 + len(event.key) + (len(event.record.value) if event.record is not None else 0)


def _name(error: EtcdError) -> str:
    """A code as Go writes it: PermissionDenied."""
    return error.code.name.title().replace("_", "")
