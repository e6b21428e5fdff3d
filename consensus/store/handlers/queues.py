"""Operations on locks, elections and semaphores (raft spec 3); `queue_index` has the rules of granting."""

from __future__ import annotations

from coterie.consensus.store.handlers.staged_writes import check_lease, check_owner, check_room
from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import Acquire, Proclaim, QueueKind, Release
from coterie.consensus.store.schema.results import AcquireDone, Done, SingleResult
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.queue_index import WaitQueue, check_name


def acquire(state: State, op: Acquire) -> AcquireDone:
    limits, keyspace, queues = state.limits, state.keyspace, state.queues
    check_name(op.name, limits.max_name_bytes)
    if op.permits < 1 or (op.permits > 1 and op.kind is not QueueKind.SEMAPHORE):
        raise RefusalError(RefusalCode.MALFORMED)
    if len(op.value) > limits.max_value_bytes:
        raise RefusalError(RefusalCode.VALUE_TOO_LARGE, limits.max_value_bytes)
    queue = queues.find(op.kind, op.name)
    if queue is not None:
        if queue.permits != op.permits:
            raise RefusalError(RefusalCode.PERMITS_DIFFER, queue.permits)
        if op.lease in queue.by_lease:
            check_owner(state, op.lease)
            return _existing_entry(state, queue, op.lease)
        if not op.wait and len(queue.holders) >= queue.permits:
            raise RefusalError(RefusalCode.BUSY)
        if len(queue.by_lease) >= limits.max_queue_entries:
            raise RefusalError(RefusalCode.QUEUE_FULL, limits.max_queue_entries)
    check_lease(state, op.lease)
    check_room(state, 1, len(op.name) + len(op.value))
    key, token, ahead = queues.enter(op.kind, op.name, op.lease, op.value, op.permits)
    return AcquireDone(keyspace.commit(limits), key, token, ahead)


def _existing_entry(state: State, queue: WaitQueue, lease: int) -> AcquireDone:
    number = queue.by_lease[lease]
    revision = state.keyspace.revision
    for token, holder in queue.holders.items():
        if holder == number:
            return AcquireDone(revision, queue.key(number), token, 0)
    ahead = sum(1 for other in queue.waiting if other < number)
    return AcquireDone(revision, queue.key(number), 0, ahead)


def repeated(state: State, remembered: SingleResult) -> SingleResult:
    """The result of a request that comes again. Raises RefusalError (grant_ended) where its grant has ended since."""
    if isinstance(remembered, AcquireDone) and state.keyspace.table.get(remembered.key) is None:
        raise RefusalError(RefusalCode.GRANT_ENDED)
    return remembered


def release(state: State, op: Release) -> Done:
    queue = state.queues.find(op.kind, op.name)
    if queue is None or op.lease not in queue.by_lease:
        raise RefusalError(RefusalCode.NOT_HELD)
    check_owner(state, op.lease)
    state.queues.leave(queue, op.lease)
    return Done(state.keyspace.commit(state.limits))


def proclaim(state: State, op: Proclaim) -> Done:
    limits = state.limits
    queue = state.queues.find(op.kind, op.name)
    if queue is None or op.token not in queue.holders:
        raise RefusalError(RefusalCode.NOT_HELD)
    if len(op.value) > limits.max_value_bytes:
        raise RefusalError(RefusalCode.VALUE_TOO_LARGE, limits.max_value_bytes)
    check_room(state, 0, len(op.value))
    state.queues.rewrite(queue, queue.holders[op.token], token=op.token, value=op.value)
    return Done(state.keyspace.commit(limits))
