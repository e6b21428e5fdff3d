"""The metadata as a member of the group serves it: linearizable calls, with typed errors (consensus specification,
sections 1 and 3). What can be called is in `face.py`.

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
from functools import partial
from math import inf
from typing import TypeVar

from coterie.consensus.api.errors import (
    CompactedError,
    ConflictError,
    GrantEndedError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.api.metadata import Metadata
from coterie.consensus.api.types import Consistency, ReadResult, RequestId
from coterie.consensus.member.async_bridge import Done, outcome
from coterie.consensus.member.state_machine import MetadataStateMachine
from coterie.consensus.member.watch import MemberWatch
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import (
    BadTokenError,
    ClientOperation,
    CodecError,
    CompactedRevisionError,
    EventKind,
    FutureRevisionError,
    Idempotent,
    Lease,
    Page,
    QueueEntry,
    QueueKind,
    Record,
    RefusalCode,
    Refused,
    SingleResult,
    State,
    Watcher,
    encode,
)
from coterie.consensus.store.schema.operations import SystemOperation

RETRY_SECONDS = 0.02
"""The first pause before a call that found no leader, or lost one, is tried again; it doubles up to the next."""

MAX_RETRY_SECONDS = 0.5

REQUEST_ID_BYTES = 16

_ENDS_HERE = frozenset({"timed_out", "stopped", "failed"})
"""Reasons of being unavailable that the same call to the same member will meet again."""

T = TypeVar("T")


class MemberMetadata(Metadata):
    def __init__(
        self,
        node: RaftNode,
        replica: MetadataStateMachine,
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
        self._watchings: dict[Watcher, MemberWatch] = {}
        self._stopped = False
        self.traced: Callable[[str], AbstractContextManager[object]] | None = None
        """Entered around each proposal up to its result, and each read round; for whoever traces requests."""
        self.carried: Callable[[], str] | None = None
        """The `traceparent` that goes along to the leader."""

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
            data = encode(operation if request is None else Idempotent(request.id, request.time_ms, operation))
        except CodecError as error:
            raise RefusedError(RefusalCode.MALFORMED, message=f"malformed: {error}") from None
        pause = RETRY_SECONDS
        doubt: UnknownOutcomeError | None = None
        failure: MetadataError
        while True:
            try:
                result = await outcome(partial(self._propose, data, end - self._loop.time()))
            except UnknownOutcomeError as error:
                error.request = request
                doubt = failure = error
            except UnavailableError as error:
                failure = doubt or error
                if error.reason in _ENDS_HERE:
                    raise failure from None
            else:
                return _result(result, doubt, request)
            wait = pause * random.uniform(0.5, 1.0)
            if not retry or self._loop.time() + wait >= end:
                raise failure
            await asyncio.sleep(wait)
            pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def govern(self, operation: SystemOperation, *, timeout: float | None = None) -> SingleResult:
        """As `submit`, for the cluster's own operations; never for a client's."""
        return await self._submit(operation, None, retry=True, timeout=timeout)

    def _propose(self, data: bytes, left: float, done: Done) -> None:
        self._node.propose(data, done, max(0.0, left), self._trace())

    def _trace(self) -> str:
        return "" if self.carried is None else self.carried()

    def new_request(self) -> RequestId:
        """An id for one write, to be used soon."""
        return RequestId(secrets.token_bytes(REQUEST_ID_BYTES), self._replica.state.time_ms)

    # -- reads -------------------------------------------------------------------------------------------------------

    async def get(
        self,
        key: bytes,
        *,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Record | None]:
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
    ) -> ReadResult[Page]:
        """The first page of the records from `start` to below `end` (None: to the last key). Raises as `get`."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.range(start, end, limit=limit, revision=revision), staleness)

    async def next_page(
        self,
        token: str,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        """The page after the one that gave `token`, of the same revision. Raises as `get`."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.next_page(token, limit=limit), staleness)

    async def lease_info(
        self, lease: int, *, consistency: Consistency = Consistency.LINEARIZABLE, timeout: float | None = None
    ) -> ReadResult[Lease | None]:
        """What is known of a lease; None for one that is not there."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.lease(lease), staleness)

    async def queue_entries(
        self,
        kind: QueueKind,
        name: bytes,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[QueueEntry]]:
        """Who holds a lock, election or semaphore (token above 0), then who waits, in order."""
        staleness = await self._ready(consistency, timeout)
        return self._answer(lambda state: state.queue_entries(kind, name, limit), staleness)

    async def queue_names(
        self,
        kind: QueueKind,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[bytes]]:
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
            await outcome(lambda done: self._node.read(done, timeout, self._trace()))
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

    def _answer(self, read: Callable[[State], T], staleness: float | None) -> ReadResult[T]:
        state = self._replica.state
        try:
            return ReadResult(read(state), state.keyspace.revision, staleness)
        except CompactedRevisionError as error:
            raise CompactedError(error.requested, error.compacted) from None
        except FutureRevisionError as error:
            raise RefusedError(
                RefusalCode.FUTURE_REVISION, state.keyspace.revision, f"future_revision: {error}"
            ) from None
        except BadTokenError as error:
            raise RefusedError("bad_page_token", message=f"bad_page_token: {error}") from None

    # -- watches -----------------------------------------------------------------------------------------------------

    def watch(
        self,
        start: bytes,
        end: bytes | None,
        *,
        from_revision: int | None = None,
        kind: EventKind | None = None,
        progress: float | None = None,
    ) -> MemberWatch:
        """`async with` it, then `async for` batches of the events of the keys from `start` to below `end`.

        From a revision on (None: from now on). Batches end with whole revisions; `batch.revision + 1` is where to go
        on. `progress`: after so many seconds without an event an empty batch says how far the watch has come.
        Raises, on entering or later: CompactedError, UnavailableError.
        """
        return MemberWatch(self, self._replica.hub, start, end, from_revision, kind, progress)

    def enter_watch(self, watch: Watcher, watching: MemberWatch) -> None:
        """For `MemberWatch`: be woken when there is something to take. Raises UnavailableError."""
        if self._stopped:
            raise UnavailableError("stopped")
        if len(self._watchings) >= self._max_watches:
            raise UnavailableError("too_many_watches", f"{self._max_watches} watches are open at this member")
        self._watchings[watch] = watching

    def leave_watch(self, watch: Watcher) -> None:
        self._watchings.pop(watch, None)

    def wake(self, watches: Iterable[Watcher]) -> None:
        """For the member: these watches have something to take."""
        for watch in watches:
            watching = self._watchings.get(watch)
            if watching is not None:
                watching.wake()

    @property
    def open_watches(self) -> int:
        return len(self._watchings)

    # -- the end -----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let every watcher go, with UnavailableError."""
        self._stopped = True
        for watching in list(self._watchings.values()):
            watching.end(UnavailableError("stopped", "this member has stopped"))


def _result(result: SingleResult, doubt: UnknownOutcomeError | None, request: RequestId | None) -> SingleResult:
    """The result of an operation, or its refusal as an error. `doubt`: an earlier try may have happened."""
    if not isinstance(result, Refused):
        return result
    match result.code:
        case RefusalCode.CONFLICT:
            raise ConflictError(result.detail)
        case RefusalCode.COMPACTED:
            raise CompactedError(result.detail, result.detail)
        case RefusalCode.GRANT_ENDED:
            raise GrantEndedError
        case RefusalCode.REQUEST_EXPIRED:
            raise doubt or UnknownOutcomeError(
                "the request is too old: whether it happened is not remembered", request=request, expired=True
            )
    raise RefusedError(result.code, result.detail)
