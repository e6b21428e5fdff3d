"""The one way to change the replicated state: apply what a log entry carries (raft spec 3).

Deterministic: the same operations in the same order give the same state, results and digest on every replica, whether
it applied them all or began from a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.consensus.store.handlers import admin, keys, leases, queues, trees
from coterie.consensus.store.schema import operations as ops
from coterie.consensus.store.schema.codec import decode, decode_single
from coterie.consensus.store.schema.errors import CodecError, RefusalCode, RefusalError, UnsupportedVersionError
from coterie.consensus.store.schema.levels import BOUNDED_RESULTS_SINCE
from coterie.consensus.store.schema.results import BatchDone, Refused, Result, SingleResult, TreeDone, TxnDone
from coterie.consensus.store.state import State


def _in_name_of(state: State, op: ops.InNameOf) -> SingleResult:
    state.caller = op
    try:
        return HANDLERS[type(op.operation)](state, op.operation)
    finally:
        state.caller = None


HANDLERS: dict[type, Callable[[State, Any], SingleResult]] = {
    ops.Put: keys.put,
    ops.Delete: keys.delete,
    ops.DeleteRange: keys.delete_range,
    ops.Txn: keys.txn,
    ops.TxnTree: trees.txn_tree,
    ops.Compact: keys.compact,
    ops.LeaseGrant: leases.grant,
    ops.LeaseGrantAs: leases.grant,
    ops.LeaseBind: leases.bind,
    ops.LeaseKeepAlive: leases.keep_alive,
    ops.LeaseRevoke: leases.revoke,
    ops.LeaseExpire: leases.expire,
    ops.LeaseNodeLost: leases.node_lost,
    ops.Acquire: queues.acquire,
    ops.Release: queues.release,
    ops.Proclaim: queues.proclaim,
    ops.FoundCluster: admin.found_cluster,
    ops.Ban: admin.ban,
    ops.SetLimits: admin.set_limits,
    ops.SetFeatureLevel: admin.set_feature_level,
    ops.TakeDigest: admin.take_digest,
    ops.ReportDigest: admin.report_digest,
    ops.InNameOf: _in_name_of,
}


_WITH_REQUEST_ID = (ops.Idempotent, ops.IdempotentFor)


def apply(state: State, op: bytes, index: int) -> Result:
    """Apply one encoded operation of the log entry at `index`. A mistake in it is a result, never an exception.

    MemoryError does get out: it says nothing about the operation, and a replica that took it for a result would part
    from the others. The node must stop then. Operations of one entry may come one by one, at the same index.
    """
    if state.halted > 0:
        return Refused(RefusalCode.HALTED, state.halted)
    if index < state.applied_index:
        return Refused(RefusalCode.STALE_INDEX, state.applied_index)
    before, state.applied_index = state.applied_index, index
    try:
        operation = decode(op, state.feature_level)
    except CodecError as error:
        return _undecodable(state, error)
    result: Result
    if isinstance(operation, ops.Batch):
        state.time_ms = max(state.time_ms, operation.time_ms)
        result = BatchDone(tuple([_apply_member(state, member) for member in operation.operations]))
    else:
        result = _apply_single(state, operation)
    state.requests.prune(state.time_ms, state.limits, keep_young=state.feature_level >= BOUNDED_RESULTS_SINCE)
    if state.halted > 0:
        state.applied_index = before
    return result


def _apply_member(state: State, op: bytes) -> SingleResult:
    """One encoded member of a batch."""
    try:
        return _apply_single(state, decode_single(op, state.feature_level))
    except CodecError as error:
        return _undecodable(state, error)


def _apply_single(state: State, operation: ops.SingleOperation) -> SingleResult:
    try:
        if isinstance(operation, _WITH_REQUEST_ID):
            return _apply_once(state, operation)
        if state.halted > 0:
            return Refused(RefusalCode.HALTED, state.halted)
        return HANDLERS[type(operation)](state, operation)
    except RefusalError as refusal:
        return Refused(refusal.code, refusal.detail)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an entry that raises would stop every replica, at every start
        state.keyspace.revision += 1  # whatever it changed before stands alone: no later change shares its revision
        return Refused(RefusalCode.INTERNAL)


_OF_TXN = frozenset({TxnDone, TreeDone})


def _apply_once(state: State, request: ops.Idempotent | ops.IdempotentFor) -> SingleResult:
    fingerprint = request.fingerprint if isinstance(request, ops.IdempotentFor) else b""
    requests = state.requests
    bounds = state.limits if state.feature_level >= BOUNDED_RESULTS_SINCE else None
    known = requests.recall(request.id, request.time_ms, state.time_ms, fingerprint, bounds)
    if known is not None:
        return queues.repeated(state, known)
    result = _apply_single(state, request.operation)
    if bounds is not None and type(result) in _OF_TXN and _only_reads(request.operation):
        return result  # a repetition may read again; one that could write must not find its comparisons changed
    requests.remember(request.id, request.time_ms, result, fingerprint, bounds)
    return result


def _only_reads(operation: ops.PlainOperation | ops.TreeOp | ops.TxnOp) -> bool:
    if isinstance(operation, ops.Txn | ops.TxnTree):
        return all(map(_only_reads, (*operation.then, *operation.otherwise)))
    return isinstance(operation, ops.Get | ops.Range | ops.Scan)


def _undecodable(state: State, error: CodecError) -> Refused:
    if isinstance(error, UnsupportedVersionError):
        return Refused(RefusalCode.UNSUPPORTED, state.feature_level)
    return Refused(RefusalCode.MALFORMED)
