"""What can go wrong in the replicated state, as types.

Operations never raise out of `apply`: there `RefusalError` ends as a `Refused` result. Reads, codecs and snapshots do.
"""

from __future__ import annotations

from enum import StrEnum


class RefusalCode(StrEnum):
    """Why an operation was refused: nothing has happened. Stable words, fit for an API; `detail` is a number."""

    MALFORMED = "malformed"  # the bytes are not an operation, or the operation contradicts itself
    UNSUPPORTED = "unsupported"  # an operation version above the cluster's level; detail: the level
    STALE_INDEX = "stale_index"  # a log index below the last applied one; detail: that one
    HALTED = "halted"  # the cluster's level is above what this node knows; detail: the level
    INTERNAL = "internal"  # a defect of ours
    CONFLICT = "conflict"  # the key is not at the revision expected; detail: its mod_revision, 0 for none
    KEY_NOT_FOUND = "key_not_found"
    KEY_INVALID = "key_invalid"  # empty or too long; detail: the limit in bytes
    KEY_RESERVED = "key_reserved"  # written by locks, elections and semaphores alone
    VALUE_TOO_LARGE = "value_too_large"  # detail: the limit in bytes
    TOO_MANY_KEYS = "too_many_keys"  # detail: the limit
    NO_SPACE = "no_space"  # detail: the limit in bytes
    TOO_MANY_OPS = "too_many_ops"  # detail: the limit
    DUPLICATE_KEY = "duplicate_key"  # a transaction writes a key twice
    SCAN_TOO_LARGE = "scan_too_large"  # detail: the limit in keys
    DELETE_TOO_LARGE = "delete_too_large"  # detail: the limit in keys
    RESULT_TOO_LARGE = "result_too_large"  # detail: the limit in bytes
    COMPACTED = "compacted"  # detail: the newest compacted revision
    FUTURE_REVISION = "future_revision"  # detail: the current revision
    LEASE_NOT_FOUND = "lease_not_found"
    LEASE_EXISTS = "lease_exists"  # under the id that was chosen
    NOT_OWNER = "not_owner"  # the lease is another caller's
    TOO_MANY_LEASES = "too_many_leases"  # in all, or of one owner; detail: the limit
    LEASE_FULL = "lease_full"  # detail: the limit in keys
    TTL_OUT_OF_RANGE = "ttl_out_of_range"  # detail: the nearest that is allowed, in milliseconds
    WRONG_LEASE_KIND = "wrong_lease_kind"  # an end by time of a node-bound lease, or the other way round
    RENEWED = "renewed"  # the lease was renewed since; detail: its renewal
    NOT_DUE = "not_due"  # the lease's time has not come; detail: the milliseconds left
    NAME_INVALID = "name_invalid"  # empty, too long, or holding an "@"; detail: the limit in bytes
    BUSY = "busy"  # held by others, and the caller would not wait
    NOT_HELD = "not_held"
    GRANT_ENDED = "grant_ended"  # an earlier try of this request got a queue entry, which has been lost since
    PERMITS_DIFFER = "permits_differ"  # the semaphore is in use with another count; detail: that count
    QUEUE_FULL = "queue_full"  # detail: the limit
    REQUEST_EXPIRED = (
        "request_expired"  # outcome unknown: the id is older than the table's horizon; detail: horizon, ms
    )
    REQUEST_AHEAD = "request_ahead"  # the id's time has not come; detail: the cluster time in ms
    REQUEST_REUSED = "request_reused"  # the id is that of another operation, or of another caller's
    RESULT_NOT_KEPT = "result_not_kept"  # an earlier try was done, at the revision in detail; its result was large
    REQUESTS_FULL = "requests_full"  # as many request ids as may be are remembered, all of them young; detail: limit
    CLUSTER_ID_SET = "cluster_id_set"
    TOO_MANY_BANS = "too_many_bans"  # detail: the limit


class StoreError(Exception):
    """Base of every error this package raises."""


class RefusalError(StoreError):
    """Ends an operation before it has changed anything."""

    def __init__(self, code: RefusalCode, detail: int = 0) -> None:
        super().__init__(f"{code.value} ({detail})")
        self.code = code
        self.detail = detail


class CodecError(StoreError):
    """Bytes that are no operation, result or page token."""


class UnsupportedVersionError(CodecError):
    """An operation or snapshot of a version above the one allowed."""

    def __init__(self, what: str, version: int, known: int) -> None:
        super().__init__(f"{what} has version {version}; this node reads up to {known}: upgrade it")
        self.version = version
        self.known = known


class CompactedRevisionError(StoreError):
    """The revision asked for is no longer in history; `compacted` is the newest one that is gone."""

    def __init__(self, requested: int, compacted: int) -> None:
        super().__init__(f"revision {requested} is gone: history up to {compacted} has been compacted; read anew")
        self.requested = requested
        self.compacted = compacted


class FutureRevisionError(StoreError):
    """The revision asked for has not come to be on this replica yet; `current` is the newest one."""

    def __init__(self, requested: int, current: int) -> None:
        super().__init__(f"revision {requested} has not come yet: the newest is {current}")
        self.requested = requested
        self.current = current


class BadTokenError(StoreError):
    """A page token that this store did not make."""


class SnapshotError(StoreError):
    """A snapshot is damaged or incomplete, and must not be used; the message says where it breaks."""
