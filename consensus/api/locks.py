"""What is held on a lease: locks, elections, permits of semaphores (raft spec 3)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Protocol, cast

from coterie.consensus.api.errors import CompactedError, LeaseLostError, MetadataError, RefusedError, UnavailableError
from coterie.consensus.api.leases import KeptLease, LeaseApi
from coterie.consensus.api.types import ReadResult, Watch
from coterie.consensus.store import (
    Acquire,
    AcquireDone,
    Guard,
    Proclaim,
    QueueKind,
    Record,
    RefusalCode,
    Release,
    as_queue_entry,
)


class LockApi(LeaseApi, Protocol):
    """The calls of `Metadata` that a lock makes."""

    async def get(self, key: bytes) -> ReadResult[Record | None]: ...

    def watch_key(self, key: bytes, *, from_revision: int) -> Watch: ...


class Lock:
    """A lock, an election's leadership or a semaphore's permit, for as long as the `async with` lasts.

    `token` is the fencing token: higher for every later holder. Give it to whatever is changed under the lock, so that
    it can refuse a lower one, and put `guard` into transactions on the metadata: they then do nothing once it is lost.
    `lost` is set when it is lost while inside: stop.
    """

    def __init__(
        self,
        metadata: LockApi,
        kind: QueueKind,
        name: bytes,
        ttl: float,
        lease: int,
        value: bytes,
        permits: int,
        timeout: float | None,
    ) -> None:
        self._metadata = metadata
        self._kind = kind
        self._name = name
        self._ttl = ttl
        self._value = value
        self._permits = permits
        self._timeout = timeout
        self._stack = AsyncExitStack()
        self._lease = lease
        self._kept: KeptLease | None = None
        self.key = b""
        """The entry in the queue, a key that lives as long as what is held."""
        self.token = 0
        self._since = 0
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Lock:
        async with AsyncExitStack() as stack:
            if not self._lease:
                self._kept = await stack.enter_async_context(KeptLease(self._metadata, self._ttl))
                self._lease = self._kept.id
            stack.push_async_callback(self._release)
            try:
                async with asyncio.timeout(self._timeout or None):
                    await self._acquire()
            except TimeoutError:
                raise UnavailableError("timed_out", "others held it all the time") from None
            if self._kept is not None and not self._kept.seconds_left:  # granted while this process was stopped
                raise LeaseLostError("the lease ended while waiting")
            follow = asyncio.create_task(self._follow(), name=f"{self._kind} {self._name!r}")
            stack.push_async_callback(_end, follow)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.token = 0

    @property
    def guard(self) -> Guard:
        """A comparison for transactions: it holds while this does."""
        return Guard(self._kind, self._name, self.token)

    async def proclaim(self, value: bytes) -> None:
        """Change the value that others see. Raises RefusedError (not_held) where it was lost."""
        await self._metadata.submit(Proclaim(self._kind, self._name, self.token, value))

    async def _acquire(self) -> None:
        wish = Acquire(
            self._kind,
            self._name,
            self._lease,
            self._value,
            self._permits,
            wait=self._timeout is None or self._timeout > 0,
        )
        done = cast(AcquireDone, await self._metadata.submit(wish, timeout=self._timeout or None))
        self.key, self.token, self._since = done.key, done.token, done.revision
        while not self.token:
            try:
                await self._wait()
            except CompactedError:
                record = (await self._metadata.get(self.key)).value
                if record is None:
                    raise LeaseLostError("the lease ended while waiting") from None
                self.token, self._since = as_queue_entry(record).token, record.mod_revision

    async def _wait(self) -> None:
        """Until the place is granted."""
        async with self._metadata.watch_key(self.key, from_revision=self._since + 1) as watching:
            async for batch in watching:
                for event in batch.events:
                    if event.record is None:
                        raise LeaseLostError("the lease ended while waiting")
                    if token := as_queue_entry(event.record).token:
                        self.token, self._since = token, event.revision
                        return

    async def _follow(self) -> None:
        """While it is held: hear of its end from the cluster, or from the lease."""
        ends = [asyncio.create_task(self._watch_end())]
        if self._kept is not None:
            ends.append(asyncio.create_task(_wait_for(self._kept.lost)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        self.lost.set()

    async def _watch_end(self) -> None:
        try:
            async with self._metadata.watch_key(self.key, from_revision=self._since + 1) as watching:
                async for batch in watching:
                    if any(event.record is None for event in batch.events):
                        return
        except MetadataError:
            # The cluster reports the end no more. A lease of its own ends by its clock.
            if self._kept is not None:
                await self._kept.lost.wait()

    async def _release(self) -> None:
        """Give it back; where that fails, the end of the lease does it."""
        if self._kept is not None:
            return  # revoking the lease, next, does the same
        try:
            await self._metadata.submit(Release(self._kind, self._name, self._lease), timeout=self._ttl)
        except RefusedError as error:
            if error.code not in {RefusalCode.NOT_HELD, RefusalCode.LEASE_NOT_FOUND}:
                raise
        except MetadataError:
            pass


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()
