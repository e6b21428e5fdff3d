"""What each operation does to the model, told once more and naively."""

from __future__ import annotations

import operator
from dataclasses import replace

from coterie.consensus.store import (
    Acquire,
    AcquireDone,
    Ban,
    Compact,
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    Done,
    FoundCluster,
    Get,
    GetDone,
    Guard,
    Idempotent,
    LeaseBind,
    LeaseDone,
    LeaseEnded,
    LeaseExpire,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseNodeLost,
    LeaseRevoke,
    Proclaim,
    Put,
    PutDone,
    QueueKind,
    Range,
    RangeDone,
    Record,
    RefusalCode,
    Release,
    SingleOperation,
    SingleResult,
    Target,
    Txn,
    TxnDone,
)
from tests.consensus.store.model.model import Model, ModelLease, ModelPlace, ModelRefusedError

Writes = dict[bytes, tuple[bytes, int] | None]
COMPARISONS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt}


def apply(model: Model, op: SingleOperation) -> SingleResult:
    try:
        if not isinstance(op, Idempotent):
            return _apply(model, op)
        slot = op.time_ms // 100, op.id
        if op.time_ms < model.horizon:
            raise ModelRefusedError(RefusalCode.REQUEST_EXPIRED, model.horizon)
        if op.time_ms > model.time:
            raise ModelRefusedError(RefusalCode.REQUEST_AHEAD, model.time)
        if slot not in model.requests:
            model.requests[slot] = apply(model, op.operation)
        known = model.requests[slot]
        if isinstance(known, AcquireDone) and known.key not in model.now:
            raise ModelRefusedError(RefusalCode.GRANT_ENDED)
        return known
    except ModelRefusedError as refusal:
        return refusal.result


def prune(model: Model) -> None:
    """After each entry of the log."""
    due = (model.time - model.limits.request_window_ms) // 100 * 100
    model.horizon = max(model.horizon, due)
    while len(model.requests) > model.limits.max_requests:
        model.horizon = max(model.horizon, (min(bucket for bucket, _ in model.requests) + 1) * 100)
        model.requests = {slot: it for slot, it in model.requests.items() if slot[0] * 100 >= model.horizon}
    model.requests = {slot: it for slot, it in model.requests.items() if slot[0] * 100 >= model.horizon}


def _apply(model: Model, op: SingleOperation) -> SingleResult:
    match op:
        case Put() | Delete() | DeleteRange():
            writes: Writes = {}
            result = _write(model, op, writes)
            model.commit(writes)
            return result
        case Txn():
            return _txn(model, op)
        case Compact():
            if op.revision > model.revision:
                raise ModelRefusedError(RefusalCode.FUTURE_REVISION, model.revision)
            if op.revision <= model.compacted:
                raise ModelRefusedError(RefusalCode.COMPACTED, model.compacted)
            model.compacted = op.revision
        case Acquire():
            return _acquire(model, op)
        case Release():
            mine = [it.key for it in model.places(op.kind, op.name) if it.lease == op.lease]
            if not mine:
                raise ModelRefusedError(RefusalCode.NOT_HELD)
            return Done(model.commit(model.after_leaving(mine)))
        case Proclaim():
            for it in model.places(op.kind, op.name):
                if it.token and it.token == op.token:
                    return Done(model.commit({it.key: replace(it, value=op.value).written()}))
            raise ModelRefusedError(RefusalCode.NOT_HELD)
        case FoundCluster():
            if model.cluster_id not in ("", op.cluster_id):
                raise ModelRefusedError(RefusalCode.CLUSTER_ID_SET)
            model.cluster_id = op.cluster_id
        case Ban():
            model.bans.setdefault(op.member_id, op.reason)
        case _:
            return _lease(model, op)
    return Done(model.revision)


def _write(model: Model, op: Put | Delete | DeleteRange, writes: Writes) -> PutDone | DeleteDone:
    """Check one write against the model and the writes before it, and add it to them."""
    revision = model.revision + 1
    if isinstance(op, DeleteRange):
        doomed = [it for it in model.in_range(op.start, op.end) if not it.key.startswith(b"coterie/")]
        if any(key >= op.start and (op.end is None or key < op.end) for key in writes):
            raise ModelRefusedError(RefusalCode.DUPLICATE_KEY)
        writes.update(dict.fromkeys((it.key for it in doomed), None))
        return DeleteDone(revision if doomed else revision - 1, len(doomed), tuple(doomed) if op.prev else ())
    if op.key in writes:
        raise ModelRefusedError(RefusalCode.DUPLICATE_KEY)
    if model.is_place(op.key):
        raise ModelRefusedError(RefusalCode.KEY_RESERVED)
    prev = model.now.get(op.key)
    found = prev.mod_revision if prev else 0
    if op.expect is not None and op.expect != found:
        raise ModelRefusedError(RefusalCode.CONFLICT, found)
    if isinstance(op, Delete):
        if prev is None:
            return DeleteDone(revision - 1, 0)
        writes[op.key] = None
        return DeleteDone(revision, 1, (prev,) if op.prev else ())
    if op.value is None and prev is None:
        raise ModelRefusedError(RefusalCode.KEY_NOT_FOUND)
    value = op.value if op.value is not None else prev.value if prev else b""
    lease = op.lease if op.lease >= 0 else prev.lease if prev else 0
    if lease not in model.leases and lease != 0:
        raise ModelRefusedError(RefusalCode.LEASE_NOT_FOUND)
    writes[op.key] = (value, lease)
    return PutDone(revision, prev if op.prev else None)


def _txn(model: Model, op: Txn) -> TxnDone:
    succeeded = all(_holds(model, it) for it in op.compares)
    writes: Writes = {}
    results: list[PutDone | DeleteDone | GetDone | RangeDone] = []
    for it in op.then if succeeded else op.otherwise:
        if isinstance(it, Get | Range):
            after = _after(model, writes)
            if isinstance(it, Get):
                results.append(GetDone(after.get(it.key)))
            else:
                found = [after[key] for key in sorted(after) if key >= it.start and (it.end is None or key < it.end)]
                results.append(RangeDone(tuple(found[: it.limit]), len(found) > it.limit))
        else:
            results.append(_write(model, it, writes))
    return TxnDone(model.commit(writes), succeeded, tuple(results))


def _after(model: Model, writes: Writes) -> dict[bytes, Record]:
    future = Model(model.limits, states=[*model.states])
    future.commit(writes)
    return future.now


def _holds(model: Model, it: Compare | Guard) -> bool:
    if isinstance(it, Guard):
        return any(place.token == it.token != 0 for place in model.places(it.kind, it.name))
    record = model.now.get(it.key)
    if it.target is Target.VALUE:
        return record is not None and bool(COMPARISONS[it.op](record.value, it.operand))
    if it.target is Target.EXISTS:
        return bool(COMPARISONS[it.op](int(record is not None), it.operand))
    return bool(COMPARISONS[it.op](getattr(record, it.target.value) if record else 0, it.operand))


def _acquire(model: Model, op: Acquire) -> AcquireDone:
    if b"@" in op.name:
        raise ModelRefusedError(RefusalCode.NAME_INVALID, model.limits.max_name_bytes)
    if op.permits > 1 and op.kind is not QueueKind.SEMAPHORE:
        raise ModelRefusedError(RefusalCode.MALFORMED)
    places = model.places(op.kind, op.name)
    waiting = [it for it in places if it.token == 0]
    if places and places[0].permits != op.permits:
        raise ModelRefusedError(RefusalCode.PERMITS_DIFFER, places[0].permits)
    for it in places:
        if it.lease == op.lease:
            return AcquireDone(model.revision, it.key, it.token, waiting.index(it) if it in waiting else 0)
    free = len(places) - len(waiting) < op.permits
    if not free and not op.wait:
        raise ModelRefusedError(RefusalCode.BUSY)
    if op.lease not in model.leases:
        raise ModelRefusedError(RefusalCode.LEASE_NOT_FOUND)
    revision = model.revision + 1
    key = b"coterie/%ss/%s@%020d" % (op.kind.value.encode(), op.name, revision)
    place = ModelPlace(key, op.lease, revision if free else 0, op.permits, op.value)
    return AcquireDone(model.commit({key: place.written()}), key, place.token, 0 if free else len(waiting))


def _lease(model: Model, op: SingleOperation) -> SingleResult:
    if isinstance(op, LeaseGrant | LeaseBind):
        if isinstance(op, LeaseGrant) and op.ttl_ms < model.limits.min_ttl_ms:
            raise ModelRefusedError(RefusalCode.TTL_OUT_OF_RANGE, model.limits.min_ttl_ms)
        model.leases_granted += 1
        number = model.leases_granted
        if isinstance(op, LeaseGrant):
            lease = ModelLease(number, 0, op.ttl_ms, model.time + op.ttl_ms, "", 0, 0)
        else:
            lease = ModelLease(number, 0, 0, 0, op.node, op.generation, op.hold_ms)
        model.leases[number] = lease
        return LeaseDone(number, 0, lease.deadline)
    assert isinstance(op, LeaseKeepAlive | LeaseRevoke | LeaseExpire | LeaseNodeLost)
    found = model.leases.get(op.lease)
    if found is None:
        raise ModelRefusedError(RefusalCode.LEASE_NOT_FOUND)
    if isinstance(op, LeaseKeepAlive):
        deadline = model.time + found.ttl if found.ttl else 0
        model.leases[op.lease] = replace(found, renewal=found.renewal + 1, deadline=deadline)
        return LeaseDone(op.lease, found.renewal + 1, deadline)
    if isinstance(op, LeaseExpire | LeaseNodeLost):
        if op.renewal != found.renewal:
            raise ModelRefusedError(RefusalCode.RENEWED, found.renewal)
        if isinstance(op, LeaseExpire) == bool(found.node):
            raise ModelRefusedError(RefusalCode.WRONG_LEASE_KIND)
        if isinstance(op, LeaseExpire) and found.deadline > model.time:
            raise ModelRefusedError(RefusalCode.NOT_DUE, found.deadline - model.time)
        if isinstance(op, LeaseNodeLost):
            restarted = op.generation > found.generation
            dead = op.generation == found.generation and op.dead_ms >= found.hold
            if not restarted and not dead:
                raise ModelRefusedError(RefusalCode.NOT_DUE, found.hold)
    del model.leases[op.lease]
    keys = sorted(key for key, record in model.now.items() if record.lease == op.lease)
    return LeaseEnded(model.commit(model.after_leaving(keys)), len(keys))
