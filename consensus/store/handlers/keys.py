"""Writes of keys: put, delete, delete by range, transactions, compaction (raft spec 3)."""

from __future__ import annotations

from typing import TypeVar

from coterie.consensus.store.handlers.staged_writes import StagedWrites, check_expected, check_put
from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import (
    Compact,
    Compare,
    Delete,
    DeleteRange,
    Get,
    Guard,
    Put,
    Range,
    Target,
    Txn,
    TxnOp,
)
from coterie.consensus.store.schema.records import Record
from coterie.consensus.store.schema.results import DeleteDone, Done, GetDone, PutDone, RangeDone, TxnDone, weight
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.queue_index import is_queue_key

T = TypeVar("T", int, bytes)


def put(state: State, op: Put) -> PutDone:
    keyspace = state.keyspace
    place = keyspace.table.locate(op.key)
    prev = place[2]
    value, lease = check_put(state, op, prev)
    keyspace.put_at(place, op.key, value, lease)
    return PutDone(keyspace.commit(state.limits), prev if op.prev else None)


def delete(state: State, op: Delete) -> DeleteDone:
    keyspace = state.keyspace
    if is_queue_key(op.key):
        raise RefusalError(RefusalCode.KEY_RESERVED)
    if op.expect is not None:
        check_expected(op.expect, keyspace.table.get(op.key))
    prev = keyspace.delete(op.key)
    if prev is None:
        return DeleteDone(keyspace.revision, 0)
    return DeleteDone(keyspace.commit(state.limits), 1, (prev,) if op.prev else ())


def delete_range(state: State, op: DeleteRange) -> DeleteDone:
    staged = StagedWrites(state)
    done = staged.delete_range(op)
    check_weight(state, weight(done))
    staged.commit()
    return done


def txn(state: State, op: Txn) -> TxnDone:
    limit = state.limits.max_txn_ops
    if max(len(op.compares), len(op.then), len(op.otherwise)) > limit:
        raise RefusalError(RefusalCode.TOO_MANY_OPS, limit)
    held = [_holds(state, it) for it in op.compares]  # all of them: one without sense is refused wherever it stands
    succeeded = all(held)
    staged = StagedWrites(state)
    results = []
    total = 0
    for it in op.then if succeeded else op.otherwise:
        result = _do(state, staged, it)
        total += weight(result)
        check_weight(state, total)
        results.append(result)
    return TxnDone(staged.commit(), succeeded, tuple(results))


def compact(state: State, op: Compact) -> Done:
    keyspace = state.keyspace
    if op.revision > keyspace.revision:
        raise RefusalError(RefusalCode.FUTURE_REVISION, keyspace.revision)
    if op.revision <= keyspace.history.compacted:
        raise RefusalError(RefusalCode.COMPACTED, keyspace.history.compacted)
    keyspace.history.compact(op.revision)
    return Done(keyspace.revision)


def _do(state: State, staged: StagedWrites, op: TxnOp) -> PutDone | DeleteDone | GetDone | RangeDone:
    match op:
        case Put():
            return staged.put(op)
        case Delete():
            return staged.delete(op)
        case DeleteRange():
            return staged.delete_range(op)
        case Get():
            return GetDone(staged.get(op.key))
        case Range():
            return staged.range(op.start, op.end, min(op.limit, state.limits.max_page_items))


def _holds(state: State, it: Compare | Guard) -> bool:
    if isinstance(it, Guard):
        queue = state.queues.find(it.kind, it.name)
        return queue is not None and it.token in queue.holders
    if (it.target is Target.VALUE) != isinstance(it.operand, bytes):
        raise RefusalError(RefusalCode.MALFORMED)
    record = state.keyspace.table.get(it.key)
    if isinstance(it.operand, bytes):
        return record is not None and compare_values(record.value, it.op, it.operand)
    return compare_values(number_of(record, it.target), it.op, it.operand)


def number_of(record: Record | None, target: Target) -> int:
    """What is compared of a record; 0 for a missing key."""
    if record is None:
        return 0
    match target:
        case Target.VERSION:
            return record.version
        case Target.CREATE_REVISION:
            return record.create_revision
        case Target.MOD_REVISION:
            return record.mod_revision
        case Target.LEASE:
            return record.lease
        case _:
            return 1


def compare_values(left: T, op: str, right: T) -> bool:
    """Whether `left op right` holds."""
    match op:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case _:
            return left > right


def check_weight(state: State, total: int) -> None:
    """Raises RefusalError for results of more bytes than one answer may have."""
    if total > state.limits.max_result_bytes:
        raise RefusalError(RefusalCode.RESULT_TOO_LARGE, state.limits.max_result_bytes)
