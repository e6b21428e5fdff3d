"""The metadata API: every call there is, whether a member of the group serves it or HTTP carries it.

An implementation brings the abstract calls: one way to write, the reads, the watch. Everything else, locks and
elections included, is written here, once, over those (raft spec 3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from math import isfinite
from typing import Any, cast

from coterie.consensus.api.errors import RefusedError
from coterie.consensus.api.leases import KeptLease
from coterie.consensus.api.locks import Lock
from coterie.consensus.api.types import Consistency, ReadResult, RequestId, Watch
from coterie.consensus.store import (
    ClientOperation,
    Compact,
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    Done,
    EventKind,
    Get,
    Guard,
    LeaseBind,
    LeaseDone,
    LeaseEnded,
    LeaseGrant,
    LeaseGrantAs,
    LeaseKeepAlive,
    LeaseRecord,
    LeaseRevoke,
    Page,
    Put,
    PutDone,
    QueueEntry,
    QueueKind,
    Range,
    Record,
    RefusalCode,
    Scan,
    ScanDone,
    SingleResult,
    TreeDone,
    Txn,
    TxnDone,
    TxnTree,
    prefix_end,
)

DELETED_AT_ONCE = 128
"""Keys of one part of a deletion by prefix: the default of `max_txn_ops`."""


class Metadata(ABC):
    # -- what an implementation brings ---------------------------------------------------------------------------------

    @abstractmethod
    async def submit(
        self,
        operation: ClientOperation,
        *,
        request: RequestId | None = None,
        retry: bool = True,
        timeout: float | None = None,
    ) -> SingleResult:
        """Have the cluster do an operation, and return its result.

        With `retry` it is tried again, under one request id, until its time is over or its outcome is known; `request`
        makes that possible across calls. Without, it is tried once and carries an id only where one is given.
        Raises RefusedError, UnavailableError, UnknownOutcomeError.
        """

    @abstractmethod
    async def get(
        self,
        key: bytes,
        *,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Record | None]:
        """A key's record, now or at a revision. Raises UnavailableError, CompactedError, RefusedError."""

    @abstractmethod
    async def range(
        self,
        start: bytes,
        end: bytes | None,
        *,
        limit: int = 1_000,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        """The first page of the records from `start` to below `end` (None: to the last key). Raises as `get`."""

    @abstractmethod
    async def next_page(
        self,
        token: str,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        """The page after the one that gave `token`, of the same revision. Raises as `get`."""

    @abstractmethod
    async def scan(
        self,
        scan: Scan,
        *,
        most_bytes: int,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[ScanDone]:
        """A range with order, filters or a count, all of it in one answer of `most_bytes`. Raises as `get`, and
        RefusedError (result_too_large, scan_too_large)."""

    @abstractmethod
    async def lease_info(
        self, lease: int, *, consistency: Consistency = Consistency.LINEARIZABLE, timeout: float | None = None
    ) -> ReadResult[LeaseRecord | None]:
        """What is known of a lease; None for one that is not there."""

    @abstractmethod
    async def queue_entries(
        self,
        kind: QueueKind,
        name: bytes,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[QueueEntry]]:
        """The holders of a lock, election or semaphore (token above 0), then the waiters, in order."""

    @abstractmethod
    async def queue_names(
        self,
        kind: QueueKind,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[bytes]]:
        """The locks, elections or semaphores that anybody holds, in order."""

    @abstractmethod
    async def barrier(self, timeout: float | None = None) -> None:
        """Return once what is read here is as fresh as anything acknowledged before. Raises UnavailableError."""

    @abstractmethod
    def watch(
        self,
        start: bytes,
        end: bytes | None,
        *,
        from_revision: int | None = None,
        kind: EventKind | None = None,
        progress: float | None = None,
    ) -> Watch:
        """`async with` it, then `async for` batches of the events of the keys from `start` to below `end`.

        From a revision on (None: from now on). Batches end with whole revisions; `batch.revision + 1` is where to go
        on. `progress`: after so many seconds without an event an empty batch says how far the watch has come.
        Raises, on entering or later: CompactedError, UnavailableError. RefusedError where `from_revision` is beyond the
        next revision.
        """

    # -- writes --------------------------------------------------------------------------------------------------------

    async def put(
        self,
        key: bytes,
        value: bytes | None,
        *,
        lease: int = 0,
        expect: int | None = None,
        prev: bool = False,
        **options: Any,
    ) -> PutDone:
        """Write a key. `value` None keeps the one it has, `lease` -1 the one it has.

        `expect`: refuse unless the key is at this mod_revision (0: unless it is absent). Raises ConflictError, and as
        `submit`, whose options it takes.
        """
        return cast(PutDone, await self.submit(Put(key, value, lease, prev, expect), **options))

    async def delete(self, key: bytes, *, expect: int | None = None, prev: bool = False, **options: Any) -> DeleteDone:
        """Delete a key, if it is there. Raises as `put`."""
        return cast(DeleteDone, await self.submit(Delete(key, prev, expect), **options))

    async def delete_range(self, start: bytes, end: bytes | None, *, prev: bool = False, **options: Any) -> DeleteDone:
        """Delete the keys from `start` to below `end` (None: to the last key). Raises as `submit`."""
        return cast(DeleteDone, await self.submit(DeleteRange(start, end, prev), **options))

    async def delete_prefix(self, prefix: bytes, **options: Any) -> DeleteDone:
        """Delete all keys that start with `prefix`, however many there are: at one revision where one operation may
        take them, else in parts, each at its own. Returns the last revision. Raises as `submit`: parts may be done.
        """
        try:
            return await self.delete_range(prefix, prefix_end(prefix), **options)
        except RefusedError as error:
            if error.code != RefusalCode.DELETE_TOO_LARGE:
                raise
        deleted, revision = 0, 0
        while records := (await self.prefix(prefix, limit=DELETED_AT_ONCE, **options)).value.records:
            done = await self.txn((), [Delete(each.key) for each in records], **options)
            deleted += sum(each.deleted for each in done.results if isinstance(each, DeleteDone))
            revision = done.revision
        return DeleteDone(revision, deleted)

    async def txn(
        self,
        compares: Iterable[Compare | Guard],
        then: Iterable[Put | Delete | DeleteRange | Get | Range],
        otherwise: Iterable[Put | Delete | DeleteRange | Get | Range] = (),
        **options: Any,
    ) -> TxnDone:
        """Where all comparisons hold do `then`, else `otherwise`, at one revision. Raises as `submit`."""
        return cast(TxnDone, await self.submit(Txn(tuple(compares), tuple(then), tuple(otherwise)), **options))

    async def txn_tree(self, txn: TxnTree, **options: Any) -> TreeDone:
        """A transaction that may hold transactions. Raises as `submit`; RefusedError (unsupported) until all members
        have a release that knows these."""
        return cast(TreeDone, await self.submit(txn, **options))

    async def compact(self, revision: int, **options: Any) -> Done:
        """Forget the history up to and including `revision`. Raises as `submit`."""
        return cast(Done, await self.submit(Compact(revision), **options))

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def prefix(self, prefix: bytes, **options: Any) -> ReadResult[Page]:
        """As `range`, of the keys that start with `prefix`."""
        return await self.range(prefix, prefix_end(prefix), **options)

    # -- watches -------------------------------------------------------------------------------------------------------

    def watch_prefix(self, prefix: bytes, **options: Any) -> Watch:
        """As `watch`, of the keys that start with `prefix`."""
        return self.watch(prefix, prefix_end(prefix), **options)

    def watch_key(self, key: bytes, **options: Any) -> Watch:
        """As `watch`, of one key."""
        return self.watch(key, key + b"\0", **options)

    # -- leases, locks, elections ------------------------------------------------------------------------------------

    async def grant_lease(self, ttl: float, *, chosen: int = 0, **options: Any) -> LeaseDone:
        """A lease that lives `ttl` seconds from its last renewal. `chosen`: its id; 0: the cluster chooses.

        Raises RefusedError (lease_exists), and as `submit`.
        """
        milliseconds = _milliseconds(ttl)
        grant = LeaseGrantAs(chosen, milliseconds) if chosen else LeaseGrant(milliseconds)
        return cast(LeaseDone, await self.submit(grant, **options))

    async def bind_lease(self, node: str, generation: int, hold: float, **options: Any) -> LeaseDone:
        """A lease that lives with a node's process, until gossip has held it dead for `hold` seconds."""
        return cast(LeaseDone, await self.submit(LeaseBind(node, generation, _milliseconds(hold)), **options))

    async def keep_alive(self, lease: int, **options: Any) -> LeaseDone:
        """Renew a lease. Raises RefusedError (lease_not_found) where it is gone, and as `submit`."""
        return cast(LeaseDone, await self.submit(LeaseKeepAlive(lease), **options))

    async def revoke(self, lease: int, **options: Any) -> LeaseEnded:
        """End a lease now: its keys and its queue entries go. Raises as `keep_alive`."""
        return cast(LeaseEnded, await self.submit(LeaseRevoke(lease), **options))

    def lease(self, ttl: float) -> KeptLease:
        """`async with` it: a lease, renewed in the background, revoked at the end."""
        return KeptLease(self, ttl)

    def lock(
        self, name: bytes, *, ttl: float = 10.0, lease: int = 0, value: bytes = b"", timeout: float | None = None
    ) -> Lock:
        """`async with` it: wait for the lock, hold it, give it back. See `Lock` for tokens and what to do with them.

        It lives on a lease of its own of `ttl` seconds, or on `lease`, which is then the caller's to keep alive.
        `timeout` bounds the waiting (None: for ever; 0: not at all, which is RefusedError busy where others hold it).
        Raises UnavailableError (timed_out), RefusedError, LeaseLostError.
        """
        return Lock(self, QueueKind.LOCK, name, ttl, lease, value, 1, timeout)

    def semaphore(
        self,
        name: bytes,
        permits: int,
        *,
        ttl: float = 10.0,
        lease: int = 0,
        value: bytes = b"",
        timeout: float | None = None,
    ) -> Lock:
        """As `lock`, with `permits` holders at a time; the same number for all while it is in use."""
        return Lock(self, QueueKind.SEMAPHORE, name, ttl, lease, value, permits, timeout)

    def elect(
        self, name: bytes, value: bytes, *, ttl: float = 10.0, lease: int = 0, timeout: float | None = None
    ) -> Lock:
        """As `lock`: campaign, lead while inside, resign at the end. `value` is what others see of the leader."""
        return Lock(self, QueueKind.ELECTION, name, ttl, lease, value, 1, timeout)


def _milliseconds(seconds: float) -> int:
    """Raises RefusedError for what no clock counts to."""
    if not isfinite(seconds):
        raise RefusedError(RefusalCode.TTL_OUT_OF_RANGE, message=f"{seconds} is no number of seconds")
    return round(seconds * 1000)
