"""A watch as an async iterator: woken by what is applied here, never polled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from coterie.consensus.api.errors import CompactedError, MetadataError, RefusedError, UnavailableError
from coterie.consensus.store import CompactedRevisionError, EventKind, RefusalCode, WatchBatch, Watcher, WatchHub

MAX_EVENTS = 1_000
"""Events in one batch, and as many more as end its last revision."""


class OpenWatches:
    """The watches that are open at one member, by the hub's watcher that each reads through."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[Watcher, MemberWatch] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, watcher: Watcher, watch: MemberWatch) -> None:
        """Wake `watch` from now on when it has something to take. Raises UnavailableError."""
        if self._closed:
            raise UnavailableError("stopped")
        if len(self._open) >= self._limit:
            raise UnavailableError("too_many_watches", f"{self._limit} watches are open at this member")
        self._open[watcher] = watch

    def remove(self, watcher: Watcher) -> None:
        self._open.pop(watcher, None)

    def wake(self, watchers: Iterable[Watcher]) -> None:
        """These have something to take."""
        for watcher in watchers:
            watch = self._open.get(watcher)
            if watch is not None:
                watch.wake()

    def close(self) -> None:
        """End every watch with UnavailableError."""
        self._closed = True
        for watch in list(self._open.values()):
            watch.end(UnavailableError("stopped", "this member has stopped"))


class MemberWatch:
    """Made by `MemberMetadata.watch`, which documents it. For one task."""

    def __init__(
        self,
        hub: WatchHub,
        registry: OpenWatches,
        barrier: Callable[[], Awaitable[None]],
        start: bytes,
        end: bytes | None,
        from_revision: int | None,
        kind: EventKind | None,
        progress: float | None,
    ) -> None:
        """`barrier`: returns once this member has applied what was acknowledged before."""
        self._hub = hub
        self._registry = registry
        self._barrier = barrier
        self._range = (start, end)
        self._from = from_revision
        self._kind = kind
        self._progress = progress
        self._watcher: Watcher | None = None
        self._ready = asyncio.Event()
        self._ended: MetadataError | None = None
        self._revision = 0
        self._asked = False

    async def __aenter__(self) -> MemberWatch:
        if self._from is None or self._from > self._hub.revision + 1:
            await self._barrier()  # "from now on" is from the cluster's now; what it lacks may have come elsewhere
        if self._from is not None and self._from > self._hub.revision + 1:
            # The client has seen another cluster, or this one's state was lost: it would skip what comes until then.
            raise RefusedError(
                RefusalCode.FUTURE_REVISION,
                self._hub.revision,
                f"future_revision: revision {self._from} is beyond the next one, {self._hub.revision + 1}: "
                "the position is of another cluster, or of a state that is lost; read the keys anew",
            )
        try:
            watcher = self._hub.watch(*self._range, from_revision=self._from, kind=self._kind)
        except CompactedRevisionError as error:
            raise CompactedError(error.requested, error.compacted) from None
        try:
            self._registry.add(watcher, self)
        except MetadataError:
            self._hub.close(watcher)
            raise
        self._watcher = watcher
        self._revision = watcher.position - 1
        self._ready.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watcher is not None:
            self._registry.remove(self._watcher)
            self._hub.close(self._watcher)
            self._watcher = None

    @property
    def revision(self) -> int:
        """All events up to this revision have been handed out."""
        return self._revision

    def wake(self) -> None:
        """There is something to take."""
        self._ready.set()

    def ask_progress(self) -> None:
        """Give a batch soon, an empty one where nothing has come: it tells how far the watch is."""
        self._asked = True
        self._ready.set()

    def end(self, error: MetadataError) -> None:
        """Raise `error` from the next step on."""
        self._ended = error
        self._ready.set()

    def __aiter__(self) -> MemberWatch:
        return self

    async def __anext__(self) -> WatchBatch:
        while True:
            if self._ended is not None:
                raise self._ended
            if self._watcher is None:
                raise StopAsyncIteration
            idle = not await self._wait()
            try:
                batch = self._hub.take(self._watcher, MAX_EVENTS)
            except CompactedRevisionError as error:
                raise CompactedError(error.requested, error.compacted) from None
            if batch.more:
                self._ready.set()
            if batch.events or idle or self._asked:
                self._asked = False
                self._revision = batch.revision
                return batch

    async def _wait(self) -> bool:
        """False where nothing came in the time after which an empty batch tells the progress."""
        if self._progress is None:
            await self._ready.wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._progress):
                    await self._ready.wait()
        if not self._ready.is_set():
            return False
        self._ready.clear()
        if self._ended is not None:
            raise self._ended
        return True
