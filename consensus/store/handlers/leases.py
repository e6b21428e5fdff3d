"""Lease operations: grant, bind, renew, and the four ways in which a lease ends (raft spec 3)."""

from __future__ import annotations

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import (
    LeaseBind,
    LeaseExpire,
    LeaseGrant,
    LeaseGrantAs,
    LeaseKeepAlive,
    LeaseNodeLost,
    LeaseRevoke,
)
from coterie.consensus.store.schema.results import LeaseDone, LeaseEnded
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.lease_table import LeaseRecord
from coterie.consensus.store.tables.queue_index import is_queue_key


def grant(state: State, op: LeaseGrant | LeaseGrantAs) -> LeaseDone:
    _check_count(state)
    limits = state.limits
    if not limits.min_ttl_ms <= op.ttl_ms <= limits.max_ttl_ms:
        raise RefusalError(
            RefusalCode.TTL_OUT_OF_RANGE, limits.min_ttl_ms if op.ttl_ms < limits.min_ttl_ms else limits.max_ttl_ms
        )
    chosen = op.lease if isinstance(op, LeaseGrantAs) else 0
    if chosen in state.leases.table:
        raise RefusalError(RefusalCode.LEASE_EXISTS)
    return _done(state.leases.grant_for(op.ttl_ms, state.time_ms, _owner(state), chosen))


def bind(state: State, op: LeaseBind) -> LeaseDone:
    _check_count(state)
    if op.hold_ms > state.limits.max_ttl_ms:
        raise RefusalError(RefusalCode.TTL_OUT_OF_RANGE, state.limits.max_ttl_ms)
    return _done(state.leases.bind(op.node, op.generation, op.hold_ms, _owner(state)))


def keep_alive(state: State, op: LeaseKeepAlive) -> LeaseDone:
    return _done(state.leases.renew(_find(state, op.lease), state.time_ms))


def revoke(state: State, op: LeaseRevoke) -> LeaseEnded:
    return _end(state, _find(state, op.lease))


def expire(state: State, op: LeaseExpire) -> LeaseEnded:
    lease = _find_as_of(state, op.lease, op.renewal)
    if lease.node:
        raise RefusalError(RefusalCode.WRONG_LEASE_KIND)
    if lease.deadline_ms > state.time_ms:
        raise RefusalError(RefusalCode.NOT_DUE, lease.deadline_ms - state.time_ms)
    return _end(state, lease)


def node_lost(state: State, op: LeaseNodeLost) -> LeaseEnded:
    lease = _find_as_of(state, op.lease, op.renewal)
    if not lease.node:
        raise RefusalError(RefusalCode.WRONG_LEASE_KIND)
    # A newer generation is a restarted process: the one that had the lease is gone, whatever gossip thinks of it.
    if op.generation < lease.generation or (op.generation == lease.generation and op.dead_ms < lease.hold_ms):
        raise RefusalError(RefusalCode.NOT_DUE, lease.hold_ms)
    return _end(state, lease)


def _end(state: State, lease: LeaseRecord) -> LeaseEnded:
    """The lease goes, and its keys with it, at one revision; so do its queue entries, and waiters get their permits."""
    state.leases.remove(lease)
    keyspace = state.keyspace
    keys = sorted(keyspace.lease_keys.get(lease.id, ()))
    if not keys:
        return LeaseEnded(keyspace.revision, 0)
    touched = []
    for key in keys:
        if is_queue_key(key):
            touched.append(state.queues.forget(key))
        keyspace.delete(key)
    state.queues.grant(touched)
    return LeaseEnded(keyspace.commit(state.limits), len(keys))


def _find(state: State, lease_id: int) -> LeaseRecord:
    lease = state.leases.table.get(lease_id)
    if lease is None:
        raise RefusalError(RefusalCode.LEASE_NOT_FOUND)
    state.check_owner(lease)
    return lease


def _owner(state: State) -> str:
    return "" if state.caller is None else state.caller.owner


def _find_as_of(state: State, lease_id: int, renewal: int) -> LeaseRecord:
    lease = _find(state, lease_id)
    if lease.renewal != renewal:
        raise RefusalError(RefusalCode.RENEWED, lease.renewal)
    return lease


def _check_count(state: State) -> None:
    if len(state.leases.table) >= state.limits.max_leases:
        raise RefusalError(RefusalCode.TOO_MANY_LEASES, state.limits.max_leases)
    caller, most = state.caller, state.limits.max_owner_leases
    if caller is not None and not caller.any_lease and state.leases.owned_by(caller.owner) >= most:
        raise RefusalError(RefusalCode.TOO_MANY_LEASES, most)


def _done(lease: LeaseRecord) -> LeaseDone:
    return LeaseDone(lease.id, lease.renewal, lease.deadline_ms)
