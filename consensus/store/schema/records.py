"""What the keyspace is made of: records, and the events that change them (raft spec 3).

Both are immutable and hold no reference cycles, so the garbage collector need not track them: a state of half a
million keys costs it nothing. They are encoded as arrays: the order of their fields is part of the formats.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version of one key."""

    key: bytes
    value: bytes
    create_revision: int
    """Revision at which the key came into being (again, after a deletion)."""
    mod_revision: int
    """Revision of this version."""
    version: int
    """1 for a new key, one more with every put."""
    lease: int
    """The lease that this version lives with, or 0."""


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of one key. An operation may change several keys at one revision, each of them once."""

    revision: int
    key: bytes
    record: Record | None
    """The version written, or None for a deletion."""
    prev: Record | None
    """The version that was current before, or None for a new key."""


class BanRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A member id that may never come back."""

    member_id: str
    reason: str
    time_ms: int
    """Cluster time of the ban."""


RECORD_BYTES = 64
"""What a record is counted at beside its key and value: its numbers and headers never take more, encoded."""


def record_bytes(record: Record) -> int:
    return RECORD_BYTES + len(record.key) + len(record.value)


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key above all keys that start with `prefix`; None where there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None
