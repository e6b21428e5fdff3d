"""The metadata API as a member of the group serves it: linearizable calls, with typed errors (raft spec 1, 3).

What can be called is in `api/metadata.py`.

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
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import inf
from typing import TypeVar, cast

from coterie.consensus.api.errors import (
    TOO_LARGE,
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
from coterie.consensus.member.event_loop import Callback, call_node
from coterie.consensus.member.metadata.read_rounds import ReadRounds
from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.member.metadata.watch import MemberWatch, OpenWatches
from coterie.consensus.member.observing.tracing import Tracing
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import (
    BadTokenError,
    ClientOperation,
    CodecError,
    CompactedRevisionError,
    EventKind,
    FutureRevisionError,
    Idempotent,
    IdempotentFor,
    LeaseRecord,
    Page,
    QueueEntry,
    QueueKind,
    Record,
    RefusalCode,
    Refused,
    Scan,
    ScanDone,
    SingleResult,
    State,
    encode,
)
from coterie.consensus.store.schema.errors import RefusalError
from coterie.consensus.store.schema.fingerprints import fingerprint
from coterie.consensus.store.schema.levels import SINCE
from coterie.consensus.store.schema.operations import InNameOf, LeaseUse, SystemOperation, uses_lease

RETRY_SECONDS = 0.02
"""The first pause before a call that found no leader, or lost one, is tried again; it doubles up to the next."""

MAX_RETRY_SECONDS = 0.5

REQUEST_ID_BYTES = 16

_ENDS_HERE = frozenset({"timed_out", "stopped", "failed"})
"""Reasons of being unavailable that the same call to the same member will meet again."""

_UNTRACED = nullcontext()

T = TypeVar("T")


class MemberMetadata(Metadata):
    def __init__(
        self,
        node: RaftNode,
        machine: MetadataStateMachine,
        timeout: float,
        *,
        staleness: Callable[[], float],
        max_watches: int,
        tracing: Tracing | None = None,
    ) -> None:
        """`timeout`: of calls that name none. `staleness`: seconds since a majority was known to be there."""
        self._node = node
        self._machine = machine
        self._timeout = timeout
        self._staleness = staleness
        self.watches = OpenWatches(max_watches)
        self.tracing = tracing
        self._loop = asyncio.get_running_loop()
        self._rounds = ReadRounds(node, timeout)

    # -- writes ------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        operation: ClientOperation,
        *,
        request: RequestId | None = None,
        retry: bool = True,
        timeout: float | None = None,
    ) -> SingleResult:
        with self._step("raft propose"):
            return await self._replicate(operation, request, retry=retry, timeout=timeout)

    async def administer(self, operation: SystemOperation, *, timeout: float | None = None) -> SingleResult:
        """As `submit`, for the cluster's own operations; never for a client's."""
        with self._step("raft propose"):
            return await self._replicate(operation, None, retry=True, timeout=timeout)

    async def _replicate(
        self,
        operation: ClientOperation | SystemOperation,
        request: RequestId | None,
        *,
        retry: bool,
        timeout: float | None,
    ) -> SingleResult:
        end = self._loop.time() + (self._timeout if timeout is None else timeout)
        own = request is None
        if request is None and retry:
            request = self.new_request()
        try:
            data = encode(operation if request is None else self._once(operation, request, own=own))
        except CodecError as error:
            raise RefusedError(RefusalCode.MALFORMED, message=f"malformed: {error}") from None
        pause = RETRY_SECONDS
        doubt: UnknownOutcomeError | None = None
        failure: MetadataError
        while True:
            try:
                result = await call_node(partial(self._propose, data, end - self._loop.time()))
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

    def _once(
        self, operation: ClientOperation | SystemOperation, request: RequestId, *, own: bool
    ) -> Idempotent | IdempotentFor:
        """`own`: the id was made here, and nobody else has it."""
        if own or self._machine.state.feature_level < SINCE[IdempotentFor]:
            return Idempotent(request.id, request.time_ms, operation)
        asked = fingerprint(operation, request.principal)
        if (request.owner or not request.any_lease) and uses_lease(operation):
            in_name = InNameOf(request.owner, request.any_lease, cast(LeaseUse, operation))
            return IdempotentFor(request.id, request.time_ms, asked, in_name)
        return IdempotentFor(request.id, request.time_ms, asked, operation)

    def _propose(self, data: bytes, left: float, done: Callback) -> None:
        self._node.propose(data, done, max(0.0, left), self._trace())

    def _trace(self) -> str:
        """The `traceparent` that goes along to the leader."""
        return "" if self.tracing is None else self.tracing.carried()

    def _step(self, name: str) -> AbstractContextManager[object]:
        return _UNTRACED if self.tracing is None else self.tracing.step(name)

    def new_request(self) -> RequestId:
        """An id for one write, to be used soon."""
        return RequestId(secrets.token_bytes(REQUEST_ID_BYTES), self._machine.state.time_ms)

    # -- reads -------------------------------------------------------------------------------------------------------

    async def get(
        self,
        key: bytes,
        *,
        revision: int | None = None,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Record | None]:
        return await self._read(lambda state: state.get(key, revision), consistency, timeout)

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
        return await self._read(
            lambda state: state.range(start, end, limit=limit, revision=revision), consistency, timeout
        )

    async def next_page(
        self,
        token: str,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[Page]:
        return await self._read(lambda state: state.next_page(token, limit=limit), consistency, timeout)

    async def scan(
        self,
        scan: Scan,
        *,
        most_bytes: int,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[ScanDone]:
        return await self._read(lambda state: state.scan(scan, most_bytes), consistency, timeout)

    async def lease_info(
        self, lease: int, *, consistency: Consistency = Consistency.LINEARIZABLE, timeout: float | None = None
    ) -> ReadResult[LeaseRecord | None]:
        return await self._read(lambda state: state.lease(lease), consistency, timeout)

    async def queue_entries(
        self,
        kind: QueueKind,
        name: bytes,
        *,
        limit: int = 1_000,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[QueueEntry]]:
        return await self._read(lambda state: state.queue_entries(kind, name, limit), consistency, timeout)

    async def queue_names(
        self,
        kind: QueueKind,
        *,
        consistency: Consistency = Consistency.LINEARIZABLE,
        timeout: float | None = None,
    ) -> ReadResult[list[bytes]]:
        return await self._read(lambda state: state.queue_names(kind), consistency, timeout)

    async def barrier(self, timeout: float | None = None) -> None:
        with self._step("raft read"):
            await self._rounds.wait(timeout, self._trace)

    async def _read(self, read: Callable[[State], T], consistency: Consistency, timeout: float | None) -> ReadResult[T]:
        if consistency is Consistency.LINEARIZABLE:
            await self.barrier(timeout)
            return self._answer(read, None)
        try:
            return self._answer(read, self.staleness())
        except RefusedError as error:
            if error.code != RefusalCode.FUTURE_REVISION:
                raise
        await self.barrier(timeout)  # it may have come, and not be applied here yet
        return self._answer(read, self.staleness())

    @property
    def now_ms(self) -> int:
        """Cluster time: the leader's now, or elsewhere as of the last entry that was applied."""
        return self._machine.now_ms

    def staleness(self) -> float:
        """How old what is applied here may be at most, in seconds; infinite where nobody knows."""
        silent = self._staleness()
        return silent if silent < 1e9 else inf

    def _answer(self, read: Callable[[State], T], staleness: float | None) -> ReadResult[T]:
        state = self._machine.state
        try:
            return ReadResult(read(state), state.keyspace.revision, staleness)
        except CompactedRevisionError as error:
            raise CompactedError(error.requested, error.compacted) from None
        except FutureRevisionError as error:
            raise RefusedError(
                RefusalCode.FUTURE_REVISION, state.keyspace.revision, f"future_revision: {error}"
            ) from None
        except RefusalError as error:
            if error.code is RefusalCode.COMPACTED:
                raise CompactedError(error.detail, error.detail) from None
            raise RefusedError(error.code, error.detail) from None
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
        hub = self._machine.hub
        return MemberWatch(hub, self.watches, self.barrier, start, end, from_revision, kind, progress)


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
        case RefusalCode.VALUE_TOO_LARGE:
            raise RefusedError(TOO_LARGE, result.detail)
        case RefusalCode.REQUESTS_FULL:
            raise doubt or UnavailableError("busy", "the cluster remembers as many request ids as it may; try again")
        case RefusalCode.REQUEST_EXPIRED:
            raise doubt or UnknownOutcomeError(
                "the request is too old: whether it happened is not remembered", request=request, expired=True
            )
    raise RefusedError(result.code, result.detail)
