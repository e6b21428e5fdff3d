"""Operations at random, over so few keys, leases and names that they meet."""

from __future__ import annotations

from hypothesis import strategies as st

from coterie.consensus.store import (
    KEEP_LEASE,
    Acquire,
    Ban,
    Compact,
    Compare,
    Delete,
    DeleteRange,
    FoundCluster,
    Get,
    Guard,
    Idempotent,
    LeaseBind,
    LeaseExpire,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseNodeLost,
    LeaseRevoke,
    Proclaim,
    Put,
    QueueKind,
    Range,
    Release,
    SingleOperation,
    Target,
    Txn,
)

keys = st.sampled_from(
    [b"a", b"b", b"b/1", b"b/2", b"b\xff", b"c", b"coterie/locks/x@1", b"coterie/x", b"\xff", b"\xff\xff"]
)
ends = st.none() | keys
values = st.sampled_from([b"", b"one", b"two", b"\x00\xff", b"x" * 70])
leases = st.integers(1, 5)
lease_refs = st.sampled_from([0, 0, 0, KEEP_LEASE, 1, 2, 3])
revisions = st.integers(0, 40)
expectations = st.none() | st.none() | revisions
names = st.sampled_from([b"x", b"x", b"x", b"x", b"x/y", b"bad@name"])
kinds = st.sampled_from(QueueKind)
nodes = st.sampled_from(["n1", "n2"])

puts = st.builds(Put, keys, st.none() | values, lease_refs, st.booleans(), expectations)
deletes = st.builds(Delete, keys, st.booleans(), expectations)
delete_ranges = st.builds(DeleteRange, keys, ends, st.booleans())
gets = st.builds(Get, keys)
ranges = st.builds(Range, keys, ends, st.integers(0, 4))
compares = st.builds(
    Compare,
    keys,
    st.sampled_from([target for target in Target if target is not Target.VALUE]),
    st.sampled_from(["=", "!=", "<", ">"]),
    st.integers(0, 6),
) | st.builds(Compare, keys, st.just(Target.VALUE), st.sampled_from(["=", "!=", "<", ">"]), values)
guards = st.builds(Guard, kinds, names, revisions)
txn_ops = st.lists(puts | deletes | delete_ranges | gets | ranges, max_size=4).map(tuple)
txns = st.builds(Txn, st.lists(compares | guards, max_size=2).map(tuple), txn_ops, txn_ops)

key_operations = puts | deletes | delete_ranges | txns
lease_operations = (
    st.builds(LeaseGrant, st.sampled_from([500, 1_000, 2_000]))
    | st.builds(LeaseBind, nodes, st.integers(1, 3), st.sampled_from([0, 1_000]))
    | st.builds(LeaseKeepAlive, leases)
    | st.builds(LeaseRevoke, leases)
    | st.builds(LeaseExpire, leases, st.integers(0, 2))
    | st.builds(LeaseNodeLost, leases, st.integers(0, 1), st.integers(0, 3), st.sampled_from([0, 1_000]))
)
queue_operations = (
    st.builds(Acquire, kinds, names, leases, values, st.sampled_from([1, 1, 2]), st.booleans())
    | st.builds(Release, kinds, names, leases)
    | st.builds(Proclaim, kinds, names, revisions, values)
)
one_queue = st.just(QueueKind.SEMAPHORE), st.just(b"x")
acquisitions = st.builds(Acquire, *one_queue, leases, values, st.just(2))
rushes: st.SearchStrategy[SingleOperation] = (  # for one semaphore
    acquisitions | acquisitions | st.builds(Release, *one_queue, leases) | st.builds(LeaseRevoke, leases)
)
plain_operations = (
    key_operations
    | key_operations
    | lease_operations
    | queue_operations
    | st.builds(Compact, revisions)
    | st.builds(FoundCluster, st.sampled_from(["one", "two"]))
    | st.builds(Ban, st.sampled_from(["m1", "m2"]), st.sampled_from(["", "wiped"]))
)
request_ids = st.sampled_from([b"r1", b"r2", b"r3"])
operations: st.SearchStrategy[SingleOperation] = plain_operations | st.builds(
    Idempotent, request_ids, st.integers(0, 2_000), plain_operations
)
