"""A watch as an async iterator: woken by what is applied here, never polled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from coterie.consensus.api.errors import CompactedError, MetadataError
from coterie.consensus.store import CompactedRevisionError, EventKind, WatchBatch, Watcher, WatchHub

if TYPE_CHECKING:
    from coterie.consensus.member.metadata import MemberMetadata

MAX_EVENTS = 1_000
"""Events in one batch, and as many more as end its last revision."""


class MemberWatch:
    """Made by `MemberMetadata.watch`, which documents it. For one task."""

    def __init__(
        self,
        metadata: MemberMetadata,
        hub: WatchHub,
        start: bytes,
        end: bytes | None,
        from_revision: int | None,
        kind: EventKind | None,
        progress: float | None,
    ) -> None:
        self._metadata = metadata
        self._hub = hub
        self._range = (start, end)
        self._from = from_revision
        self._kind = kind
        self._progress = progress
        self._watch: Watcher | None = None
        self._news = asyncio.Event()
        self._ended: MetadataError | None = None
        self._told = 0

    async def __aenter__(self) -> MemberWatch:
        if self._from is None:
            await self._metadata.barrier()  # "from now on" is from the cluster's now
        try:
            watch = self._hub.watch(*self._range, from_revision=self._from, kind=self._kind)
        except CompactedRevisionError as error:
            raise CompactedError(error.requested, error.compacted) from None
        try:
            self._metadata.enter_watch(watch, self)
        except MetadataError:
            self._hub.close(watch)
            raise
        self._watch = watch
        self._told = watch.position - 1
        self._news.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._metadata.leave_watch(self._watch)
            self._hub.close(self._watch)
            self._watch = None

    @property
    def revision(self) -> int:
        """All events up to this revision have been handed out."""
        return self._told

    def wake(self) -> None:
        """There is something to take."""
        self._news.set()

    def end(self, error: MetadataError) -> None:
        """Let the watcher go."""
        self._ended = error
        self._news.set()

    def __aiter__(self) -> MemberWatch:
        return self

    async def __anext__(self) -> WatchBatch:
        while True:
            if self._ended is not None:
                raise self._ended
            if self._watch is None:
                raise StopAsyncIteration
            idle = not await self._wait()
            try:
                batch = self._hub.take(self._watch, MAX_EVENTS)
            except CompactedRevisionError as error:
                raise CompactedError(error.requested, error.compacted) from None
            if batch.more:
                self._news.set()
            if batch.events or idle:
                self._told = batch.revision
                return batch

    async def _wait(self) -> bool:
        """False where nothing came in the time after which progress is told."""
        if self._progress is None:
            await self._news.wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._progress):
                    await self._news.wait()
        if not self._news.is_set():
            return False
        self._news.clear()
        if self._ended is not None:
            raise self._ended
        return True
