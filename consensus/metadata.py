"""The face of the metadata for Python users: linearizable calls on a member, with typed errors (consensus
specification, sections 1 and 3).

    await metadata.put(b"jobs/7", b"ready")
    async with metadata.lock(b"jobs/7", ttl=10) as held:
        await metadata.txn((held.guard,), (Put(b"jobs/7", b"done"),))

Any member serves any call: one that does not lead passes it to the leader over Raft's own links. Keys and values are
bytes; every call takes `timeout`, in seconds.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import inf
from typing import Any, Generic, TypeVar, cast

from consensus.calls import Done, outcome
from consensus.errors import (
    CompactedError,
    ConflictError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from consensus.holding import Holding, KeptLease
from consensus.raft.node import RaftNode
from consensus.replica import Replica
from consensus.store import (
    BadTokenError,
    ClientOperation,
    Code,
    CodecError,
    Compact,
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    FutureRevisionError,
    Get,
    Guard,
    Kind,
    Lease,
    LeaseBind,
    LeaseDone,
    LeaseEnded,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Once,
    Page,
    Place,
    Put,
    PutDone,
    QueueKind,
    Range,
    Record,
    Refused,
    SingleResult,
    State,
    Txn,
    TxnDone,
    Watch,
    encode,
    prefix_end,
)
from consensus.store import CompactedError as HistoryCompactedError
from consensus.store import Done as StoreDone
from consensus.store.operations import SystemOperation
from consensus.watching import Watching

RETRY_SECONDS = 0.02
"""The first pause before a call that found no leader, or lost one, is tried again; it doubles up to the next."""

MAX_RETRY_SECONDS = 0.5

REQUEST_ID_BYTES = 16

_ENDS_HERE = frozenset({"timed_out", "stopped", "failed"})
"""Reasons of being unavailable that the same call to the same member will meet again."""

T = TypeVar("T")


class Consistency(StrEnum):
    LINEARIZABLE = "linearizable"
    """As fresh as anything acknowledged before the call began."""
    STALE = "stale"
    """What this member has applied, at once; `Answer.staleness` says how old it may be."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    value: T
    revision: int
    """The state's revision as it was read."""
    staleness: float | None
    """None for a linearizable answer; else the seconds since this member last knew of a majority, inf for never."""


@dataclass(frozen=True, slots=True)
class RequestId:
    """Names a write, so that trying it again does it at most once. Retries must repeat both fields."""

    id: bytes
    time_ms: int
    """Cluster time of the first try; after `request_window_ms` of it nobody remembers the outcome."""


class Metadata:
    def __init__(
        self,
        node: RaftNode,
        replica: Replica,
        timeout: float,
        *,
        staleness: Callable[[], float],
        max_watches: int,
    ) -> None:
        """`timeout`: of calls that name none. `staleness`: seconds since a majority was known to be there."""
        self._node = node
        self._replica = replica
        self._timeout = timeout
        self._staleness = staleness
        self._max_watches = max_watches
        self._loop = asyncio.get_running_loop()
        self._readers: list[asyncio.Future[None]] | None = None
        self._watchings: dict[Watch, Watching] = {}
        self._stopped = False
        self.traced: Callable[[str], AbstractContextManager[object]] | None = None
        """Entered around each proposal up to its result, and each read round; for whoever traces requests."""

    # -- writes ------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        operation: ClientOperation,
        *,
        request: RequestId | None = None,
        retry: bool = True,
        timeout: float | None = None,
    ) -> SingleResult:
        """Replicate an operation and return its result, as applied here.

        With `retry` it is tried again, under one request id, until its time is over or its outcome is known; `request`
        makes that possible across calls. Without, it is tried once and carries an id only where one is given.
        Raises RefusedError, UnavailableError, UnknownOutcomeError.
        """
        return await self._submit(operation, request, retry=retry, timeout=timeout)

    async def _submit(
        self,
        operation: ClientOperation | SystemOperation,
        request: RequestId | None,
        *,
        retry: bool,
        timeout: float | None,
    ) -> SingleResult:
        if self.traced is None:
            return await self._replicate(operation, request, retry=retry, timeout=timeout)
        with self.traced("raft propose"):
            return await self._replicate(operation, request, retry=retry, timeout=timeout)

    async def _replicate(
        self,
        operation: ClientOperation | SystemOperation,
        request: RequestId | None,
        *,
        retry: bool,
        timeout: float | None,
    ) -> SingleResult:
        end = self._loop.time() + (self._timeout if timeout is None else timeout)
        if request is None and retry:
            request = self.new_request()
        try:
            data = encode(operation if request is None else Once(request.id, request.time_ms, operation))
        except CodecError as error:
            raise RefusedError(Code.MALFORMED, message=f"malformed: {error}") from None
        pause = RETRY_SECONDS
        doubt: UnknownOutcomeError | None = None
        failure: MetadataError
        while True:
            try:
                result = await outcome(partial(self._propose, data, end - self._loop.time()))
            except UnknownOutcomeError as error:
                doubt = failure = error
            except UnavailableError as error:
                failure = doubt or error
                if error.reason in _ENDS_HERE:
                    raise failure from None
            else:
                return _result(result, doubt)
            wait = pause * random.uniform(0.5, 1.0)
            if not retry or self._loop.time() + wait >= end:
                raise failure
            await asyncio.sleep(wait)
            pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def govern(self, operation: SystemOperation, *, timeout: float | None = None) -> SingleResult:
        """As `submit`, for the cluster's own operations; never for a client's."""
        return await self._submit(operation, None, retry=True, timeout=timeout)

    def _propose(self, data: bytes, left: float, done: Done) -> None:
        self._node.propose(data, done, max(0.0, left))

    def new_request(self) -> RequestId:
        """An id for one write, to be used soon."""
        return RequestId(secrets.token_bytes(REQUEST_ID_BYTES), self._replica.state.time_ms)

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

    async def txn(
        self,
        compares: Iterable[Compare | Guard],
        then: Iterable[Put | Delete | DeleteRange | Get | Range],
        otherwise: Iterable[Put | Delete | DeleteRange | Get | Range] = (),
        **options: Any,
    ) -> TxnDone:
        """Where all comparisons hold do `then`, else `otherwise`, at one revision. Raises as `submit`."""
        return cast(TxnDone, await self.submit(Txn(tuple(compares), tuple(then), tuple(otherwise)), **options))

    async def compact(self, revision: int, **options: Any) -> StoreDone:
        """Forget the history up to and including `revision`. Raises as `submit`."""
        return cast(StoreDone, await self.submit(Compact(revision), **options))

    # -- reads -------------------------------------------------------------------------------------------------------

    async def get(
        self,
        key: bytes,
        *,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> Answer[Record | None]:
        """A key's record, now or at a revision. Raises UnavailableError, CompactedError, RefusedError."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.get(key, revision), staleness)

    async def range(
        self,
        start: bytes,
        end: bytes | None,
        *,
        limit: int = 1_000,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> Answer[Page]:
        """The first page of the records from `start` to below `end` (None: to the last key). Raises as `get`."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.range(start, end, limit=limit, revision=revision), staleness)

    async def prefix(self, prefix: bytes, **options: Any) -> Answer[Page]:
        """As `range`, of the keys that start with `prefix`."""
        return await self.range(prefix, prefix_end(prefix), **options)

    async def next_page(
        self,
        token: str,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> Answer[Page]:
        """The page after the one that gave `token`, of the same revision. Raises as `get`."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.next_page(token, limit=limit), staleness)

    async def lease_info(
        self, lease: int, *, consistency: Consistency = Consistency.LINEARIZABLE, timeout: float | None = None
    ) -> Answer[Lease | None]:
        """What is known of a lease; None for one that is not there."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.lease(lease), staleness)

    async def places(
        self,
        kind: QueueKind,
        name: bytes,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> Answer[list[Place]]:
        """Who holds a lock, election or semaphore (token above 0), then who waits, in order."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.places(kind, name, limit), staleness)

    async def queue_names(
        self,
        kind: QueueKind,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> Answer[list[bytes]]:
        """The locks, elections or semaphores that anybody holds, in order."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.queue_names(kind), staleness)

    async def barrier(self, timeout: float | None = None) -> None:
        """Return once what is applied here is as fresh as anything acknowledged before. Raises UnavailableError."""
        if self.traced is None:
            await self._barrier(timeout)
            return
        with self.traced("raft read"):
            await self._barrier(timeout)

    async def _barrier(self, timeout: float | None) -> None:
        if timeout is not None:
            await outcome(lambda done: self._node.read(done, timeout))
            return
        # All that arrive in one loop turn wait for the same round.
        readers = self._readers
        if readers is None:
            readers = self._readers = []
            self._loop.call_soon(self._begin_read)
        future: asyncio.Future[None] = self._loop.create_future()
        readers.append(future)
        await future

    def _begin_read(self) -> None:
        readers, self._readers = self._readers, None
        task = self._loop.create_task(self._read_for(readers or []))
        task.add_done_callback(lambda _: None)  # keeps it until it is done

    async def _read_for(self, readers: list[asyncio.Future[None]]) -> None:
        try:
            await outcome(lambda done: self._node.read(done, self._timeout))
        except MetadataError as error:
            for reader in readers:
                if not reader.done():
                    reader.set_exception(error)
        else:
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)

    async def _ready(self, consistency: Consistency, timeout: float | None) -> float | None:
        """Wait until the state may be read; returns the staleness to tell."""
        if consistency is Consistency.LINEARIZABLE:
            await self.barrier(timeout)
            return None
        silent = self._staleness()
        return silent if silent < 1e9 else inf

    def _answer(self, read: Callable[[State], T], staleness: float | None) -> Answer[T]:
        state = self._replica.state
        try:
            return Answer(read(state), state.keyspace.revision, staleness)
        except HistoryCompactedError as error:
            raise CompactedError(error.requested, error.compacted) from None
        except FutureRevisionError as error:
            raise RefusedError(Code.FUTURE_REVISION, state.keyspace.revision, f"future_revision: {error}") from None
        except BadTokenError as error:
            raise RefusedError("bad_page_token", message=f"bad_page_token: {error}") from None

    # -- watches -----------------------------------------------------------------------------------------------------

    def watch(
        self,
        start: bytes,
        end: bytes | None,
        *,
        from_revision: int | None = None,
        kind: Kind | None = None,
        progress: float | None = None,
    ) -> Watching:
        """`async with` it, then `async for` batches of the events of the keys from `start` to below `end`.

        From a revision on (None: from now on). Batches end with whole revisions; `batch.revision + 1` is where to go
        on. `progress`: after so many seconds without an event an empty batch says how far the watch has come.
        Raises, on entering or later: CompactedError, UnavailableError.
        """
        return Watching(self, self._replica.hub, start, end, from_revision, kind, progress)

    def watch_prefix(self, prefix: bytes, **options: Any) -> Watching:
        """As `watch`, of the keys that start with `prefix`."""
        return self.watch(prefix, prefix_end(prefix), **options)

    def watch_key(self, key: bytes, **options: Any) -> Watching:
        """As `watch`, of one key."""
        return self.watch(key, key + b"\0", **options)

    def enter_watch(self, watch: Watch, watching: Watching) -> None:
        """For `Watching`: be woken when there is something to take. Raises UnavailableError."""
        if self._stopped:
            raise UnavailableError("stopped")
        if len(self._watchings) >= self._max_watches:
            raise UnavailableError("too_many_watches", f"{self._max_watches} watches are open at this member")
        self._watchings[watch] = watching

    def leave_watch(self, watch: Watch) -> None:
        self._watchings.pop(watch, None)

    def wake(self, watches: Iterable[Watch]) -> None:
        """For the member: these watches have something to take."""
        for watch in watches:
            watching = self._watchings.get(watch)
            if watching is not None:
                watching.wake()

    @property
    def open_watches(self) -> int:
        return len(self._watchings)

    # -- leases, locks, elections ------------------------------------------------------------------------------------

    async def grant_lease(self, ttl: float, **options: Any) -> LeaseDone:
        """A lease that lives `ttl` seconds from its last renewal. Raises as `submit`."""
        return cast(LeaseDone, await self.submit(LeaseGrant(round(ttl * 1000)), **options))

    async def bind_lease(self, node: str, generation: int, hold: float, **options: Any) -> LeaseDone:
        """A lease that lives with a node's process, until gossip has held it dead for `hold` seconds."""
        return cast(LeaseDone, await self.submit(LeaseBind(node, generation, round(hold * 1000)), **options))

    async def keep_alive(self, lease: int, **options: Any) -> LeaseDone:
        """Renew a lease. Raises RefusedError (lease_not_found) where it is gone, and as `submit`."""
        return cast(LeaseDone, await self.submit(LeaseKeepAlive(lease), **options))

    async def revoke(self, lease: int, **options: Any) -> LeaseEnded:
        """End a lease now: its keys and its places in queues go. Raises as `keep_alive`."""
        return cast(LeaseEnded, await self.submit(LeaseRevoke(lease), **options))

    def lease(self, ttl: float) -> KeptLease:
        """`async with` it: a lease, renewed in the background, revoked at the end."""
        return KeptLease(self, ttl)

    def lock(
        self, name: bytes, *, ttl: float = 10.0, lease: int = 0, value: bytes = b"", timeout: float | None = None
    ) -> Holding:
        """`async with` it: wait for the lock, hold it, give it back. See `Holding` for tokens and what to do with them.

        It lives on a lease of its own of `ttl` seconds, or on `lease`, which is then the caller's to keep alive.
        `timeout` bounds the waiting (None: for ever).
        Raises UnavailableError (timed_out), RefusedError, LeaseLostError.
        """
        return Holding(self, QueueKind.LOCK, name, ttl, lease, value, 1, timeout)

    def semaphore(
        self,
        name: bytes,
        permits: int,
        *,
        ttl: float = 10.0,
        lease: int = 0,
        value: bytes = b"",
        timeout: float | None = None,
    ) -> Holding:
        """As `lock`, with `permits` holders at a time; the same number for all while it is in use."""
        return Holding(self, QueueKind.SEMAPHORE, name, ttl, lease, value, permits, timeout)

    def elect(
        self, name: bytes, value: bytes, *, ttl: float = 10.0, lease: int = 0, timeout: float | None = None
    ) -> Holding:
        """As `lock`: campaign, lead while inside, resign at the end. `value` is what others see of the leader."""
        return Holding(self, QueueKind.ELECTION, name, ttl, lease, value, 1, timeout)

    # -- the end -----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let every watcher go, with UnavailableError."""
        self._stopped = True
        for watching in list(self._watchings.values()):
            watching.end(UnavailableError("stopped", "this member has stopped"))


def _result(result: SingleResult, doubt: UnknownOutcomeError | None) -> SingleResult:
    """The result of an operation, or its refusal as an error. `doubt`: an earlier try may have happened."""
    if not isinstance(result, Refused):
        return result
    match result.code:
        case Code.CONFLICT:
            raise ConflictError(result.detail)
        case Code.COMPACTED:
            raise CompactedError(result.detail, result.detail)
        case Code.REQUEST_EXPIRED:
            raise doubt or UnknownOutcomeError("the request is too old: whether it happened is not remembered")
    raise RefusedError(result.code, result.detail)
