"""The operations that the log carries, as types (raft spec 3). `codec` gives them bytes.

They are encoded as arrays that begin with the tag: tags and the order of fields are part of the format. An operation
that is new, or has another field, has a tag of its own, and its level in `levels`. `ClientOperation` comes from
clients' requests, `SystemOperation` from the leader alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from coterie.consensus.store.schema.limits import MAX_BATCH_OPS, MAX_LEASE_ID, Count, Limits
from coterie.consensus.store.schema.records import Record

KEEP_LEASE = -1
"""As a put's lease: whatever lease the key has."""

LeaseId = Annotated[int, msgspec.Meta(ge=0, le=MAX_LEASE_ID)]
LeaseRef = Annotated[int, msgspec.Meta(ge=KEEP_LEASE)]
Generation = Annotated[int, msgspec.Meta(ge=0)]  # gossip's, 64 bits unsigned


class EncodedOperation(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all operations."""


# -- keys ----------------------------------------------------------------------------------------------------------


class Put(EncodedOperation, frozen=True, tag=1):
    """Write a key. `value` None keeps the value it has; lease 0 is none. -> PutDone"""

    key: bytes
    value: bytes | None
    lease: LeaseRef = 0
    prev: bool = False
    """Answer with the record that was replaced."""
    expect: Count | None = None
    """Refuse (conflict) unless this is the key's mod_revision; 0: unless the key is absent."""


class Delete(EncodedOperation, frozen=True, tag=2):
    """Delete one key, if it is there. -> DeleteDone"""

    key: bytes
    prev: bool = False
    expect: Count | None = None


class DeleteRange(EncodedOperation, frozen=True, tag=3):
    """Delete the keys from `start` to below `end` (None: to the last key), but for the reserved ones. -> DeleteDone"""

    start: bytes
    end: bytes | None
    prev: bool = False


class Get(EncodedOperation, frozen=True, tag=4):
    """Read a key, within a transaction. -> GetDone"""

    key: bytes


class Range(EncodedOperation, frozen=True, tag=5):
    """Read keys in order, within a transaction. -> RangeDone"""

    start: bytes
    end: bytes | None
    limit: Count


class Target(StrEnum):
    """What of a key is compared. For a missing key every number is 0, and no comparison of values holds."""

    EXISTS = "exists"  # 1 or 0
    VERSION = "version"
    CREATE_REVISION = "create_revision"
    MOD_REVISION = "mod_revision"
    LEASE = "lease"
    VALUE = "value"  # byte by byte


class Compare(EncodedOperation, frozen=True, tag=6):
    key: bytes
    target: Target
    op: Literal["=", "!=", "<", ">"]
    operand: int | bytes


class QueueKind(StrEnum):
    LOCK = "lock"
    ELECTION = "election"
    SEMAPHORE = "semaphore"


class Guard(EncodedOperation, frozen=True, tag=7):
    """Holds while the grant with this fencing token lasts."""

    kind: QueueKind
    name: bytes
    token: Count


TxnOp = Put | Delete | DeleteRange | Get | Range
TxnOps = Annotated[tuple[TxnOp, ...], msgspec.Meta(max_length=MAX_BATCH_OPS)]


class Txn(EncodedOperation, frozen=True, tag=8):
    """Where all comparisons hold, do `then`, else `otherwise`: all of it at one revision, or nothing. -> TxnDone

    A key is written at most once. Reads see the writes before them.
    """

    compares: Annotated[tuple[Compare | Guard, ...], msgspec.Meta(max_length=MAX_BATCH_OPS)] = ()
    then: TxnOps = ()
    otherwise: TxnOps = ()


class CompareRange(EncodedOperation, frozen=True, tag=29):
    """Holds where it does for every key from `start` to below `end` (None: to the last key), the reserved ones left
    out; with no key there, as for a key that is missing."""

    start: bytes
    end: bytes | None
    target: Target
    op: Literal["=", "!=", "<", ">"]
    operand: int | bytes


class SortBy(StrEnum):
    KEY = "key"
    VERSION = "version"
    CREATE_REVISION = "create_revision"
    MOD_REVISION = "mod_revision"
    VALUE = "value"


class Scan(EncodedOperation, frozen=True, tag=30):
    """Read keys from `start` to below `end` (None: to the last key), the reserved ones left out. -> ScanDone"""

    start: bytes
    end: bytes | None
    revision: Count | None = None
    """None: now, and within a transaction behind the writes before it. Refused (compacted) up to the newest one that
    is compacted, itself included."""
    limit: Count = 0
    """Most records; 0: all of them."""
    by: SortBy = SortBy.KEY
    descending: bool | None = None
    """None: not asked for. By another field than the key, `limit` then takes the first ones by key, and sorts these."""
    keys_only: bool = False
    """Leave the values out."""
    count_only: bool = False
    min_mod_revision: Count = 0
    """What is outside of these bounds is left out, and counted; 0: no bound."""
    max_mod_revision: Count = 0
    min_create_revision: Count = 0
    max_create_revision: Count = 0

    @property
    def is_filtered(self) -> bool:
        return bool(
            self.min_mod_revision or self.max_mod_revision or self.min_create_revision or self.max_create_revision
        )

    def shows(self, record: Record) -> bool:
        """Whether the record is within the bounds."""
        return (
            record.mod_revision >= self.min_mod_revision
            and record.create_revision >= self.min_create_revision
            and (not self.max_mod_revision or record.mod_revision <= self.max_mod_revision)
            and (not self.max_create_revision or record.create_revision <= self.max_create_revision)
        )


class TxnTree(EncodedOperation, frozen=True, tag=31):
    """As `Txn`, and may hold transactions. -> TreeDone

    All comparisons, those within too, are made before anything is done. A key is written at most once, and not deleted
    once it is; ranges that are deleted may overlap. A put that keeps the lease is refused (key_not_found) where there
    is no such key.
    """

    compares: Annotated[tuple[CompareRange, ...], msgspec.Meta(max_length=MAX_BATCH_OPS)] = ()
    then: TreeOps = ()
    otherwise: TreeOps = ()


TreeOp = Put | DeleteRange | Scan | TxnTree
TreeOps = Annotated[tuple[TreeOp, ...], msgspec.Meta(max_length=MAX_BATCH_OPS)]


class Compact(EncodedOperation, frozen=True, tag=9):
    """Forget all history up to and including `revision`. -> Done"""

    revision: Count


# -- leases --------------------------------------------------------------------------------------------------------


class LeaseGrant(EncodedOperation, frozen=True, tag=10):
    """A lease that lives `ttl_ms` of cluster time from its last renewal. -> LeaseDone"""

    ttl_ms: Count


class LeaseGrantAs(EncodedOperation, frozen=True, tag=32):
    """As `LeaseGrant`, under an id of the client's choice: refused (lease_exists) where there is one. -> LeaseDone"""

    lease: Annotated[int, msgspec.Meta(ge=1, le=MAX_LEASE_ID)]
    ttl_ms: Count


class LeaseBind(EncodedOperation, frozen=True, tag=11):
    """A lease that lives with a node's process: gossip names it by id and generation. -> LeaseDone

    It ends once gossip has held the node dead for `hold_ms`, or has seen a newer generation of it.
    """

    node: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    generation: Generation
    hold_ms: Count


class LeaseKeepAlive(EncodedOperation, frozen=True, tag=12):
    """Renew a lease. -> LeaseDone"""

    lease: LeaseId


class LeaseRevoke(EncodedOperation, frozen=True, tag=13):
    """End a lease now: its keys go. -> LeaseEnded"""

    lease: LeaseId


class LeaseExpire(EncodedOperation, frozen=True, tag=14):
    """The time of a lease is over; void if it was renewed after `renewal`. -> LeaseEnded"""

    lease: LeaseId
    renewal: Count


class LeaseNodeLost(EncodedOperation, frozen=True, tag=15):
    """What gossip says of a lease's node: the newest generation seen, and for how long it has been dead. -> LeaseEnded

    Void if the lease was renewed after `renewal`.
    """

    lease: LeaseId
    renewal: Count
    generation: Generation
    dead_ms: Count


# -- locks, elections, semaphores ----------------------------------------------------------------------------------


class Acquire(EncodedOperation, frozen=True, tag=16):
    """Ask for a permit, in the name of a lease; ask in vain only with `wait` False. -> AcquireDone

    One lease has one entry in a queue: asking again answers with that entry. In an election this is to campaign,
    and `value` is what a winner proclaims.
    """

    kind: QueueKind
    name: bytes
    lease: LeaseId
    value: bytes = b""
    """Shown beside the lease in lists of holders and waiters."""
    permits: Count = 1
    """A semaphore's count of holders: the same for all while anybody holds it or waits."""
    wait: bool = True


class Release(EncodedOperation, frozen=True, tag=17):
    """Give a permit back, or stop waiting; to resign, in an election. -> Done"""

    kind: QueueKind
    name: bytes
    lease: LeaseId


class Proclaim(EncodedOperation, frozen=True, tag=18):
    """Change the value of a holder, mostly an election's leader; refused (not_held) unless the token holds. -> Done"""

    kind: QueueKind
    name: bytes
    token: Count
    value: bytes


# -- the cluster ---------------------------------------------------------------------------------------------------


class FoundCluster(EncodedOperation, frozen=True, tag=19):
    """Give the cluster its id, once. -> Done"""

    cluster_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Ban(EncodedOperation, frozen=True, tag=20):
    """Ban a member id for ever. -> Done"""

    member_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    reason: Annotated[str, msgspec.Meta(max_length=1_024)] = ""


class SetLimits(EncodedOperation, frozen=True, tag=21):
    """-> Done"""

    limits: Limits


class SetFeatureLevel(EncodedOperation, frozen=True, tag=22):
    """Allow operations up to this level from here on. A node that does not know them halts at this. -> Done"""

    feature_level: Annotated[int, msgspec.Meta(ge=1, le=255)]


class TakeDigest(EncodedOperation, frozen=True, tag=26):
    """Each member makes a digest of its state as of here, and reports it. -> DigestDue"""


class ReportDigest(EncodedOperation, frozen=True, tag=27):
    """What a member's state is as of the entry at `index`, where a TakeDigest stands. Changes nothing. -> DigestTold"""

    index: Count
    member: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    digest: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]


# -- how they travel -----------------------------------------------------------------------------------------------

LeaseUse = (
    Put | Txn | TxnTree | LeaseGrant | LeaseGrantAs | LeaseBind | LeaseKeepAlive | LeaseRevoke | Acquire | Release
)
"""What can make, name or end a lease."""


def uses_lease(operation: object) -> bool:
    """Whether it makes, names or ends a lease."""
    match operation:
        case Put():
            return operation.lease > 0
        case Txn() | TxnTree():
            return any(map(uses_lease, (*operation.then, *operation.otherwise)))
    return isinstance(
        operation, LeaseGrant | LeaseGrantAs | LeaseBind | LeaseKeepAlive | LeaseRevoke | Acquire | Release
    )


class InNameOf(EncodedOperation, frozen=True, tag=28):
    """An operation of a caller that may be one of many. -> the result of the operation

    A lease that it makes is the owner's. A lease of another owner is refused (not_owner), unless `any_lease`; and so
    are more than `max_owner_leases`.
    """

    owner: Annotated[str, msgspec.Meta(max_length=128)]
    """Empty: the lease is nobody's, and everybody may use it."""
    any_lease: bool
    operation: LeaseUse


ClientOperation = (
    Put
    | Delete
    | DeleteRange
    | Txn
    | TxnTree
    | Compact
    | LeaseGrant
    | LeaseGrantAs
    | LeaseBind
    | LeaseKeepAlive
    | LeaseRevoke
    | Acquire
    | Release
    | Proclaim
)
SystemOperation = (
    LeaseExpire | LeaseNodeLost | FoundCluster | Ban | SetLimits | SetFeatureLevel | TakeDigest | ReportDigest
)
PlainOperation = ClientOperation | SystemOperation | InNameOf


class Idempotent(EncodedOperation, frozen=True, tag=23):
    """An operation that is applied at most once, however often it comes. -> the result of the first time

    A retry repeats `id` and `time_ms`, the cluster time of the first try.
    """

    id: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]
    time_ms: Count
    operation: PlainOperation


class IdempotentFor(EncodedOperation, frozen=True, tag=25):
    """As `Idempotent`, and refused (request_reused) where the id is that of a request with another fingerprint.

    `schema.fingerprints` makes one of what is asked for, and for whom.
    """

    id: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]
    time_ms: Count
    fingerprint: Annotated[bytes, msgspec.Meta(min_length=1, max_length=32)]
    operation: PlainOperation


class Batch(EncodedOperation, frozen=True, tag=24):
    """Cluster time moves to `time_ms`, if that is ahead; then encoded operations, each on its own. -> BatchDone"""

    time_ms: Count
    operations: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BATCH_OPS)] = ()


SingleOperation = PlainOperation | Idempotent | IdempotentFor
AnyOperation = SingleOperation | Batch
