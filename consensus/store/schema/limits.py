"""Every limit of the replicated state, with defaults and units.

Limits decide what operations do, so they are part of the state: all replicas hold the same, an operation changes them,
the snapshot carries them. The bounds given here for each are those of the formats, and keep a single operation short.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_INT = 2**53 - 1
"""Largest number that operations may carry: what JSON clients can still read exactly."""

MAX_LEASE_ID = 2**63 - 1
"""Largest id that a client may choose for a lease (level 4); those that the cluster chooses stay below `MAX_INT`."""

MAX_SCANNED_KEYS = 100_000
"""Keys that the ranges of one operation may look at, where not their count alone is asked for (level 4)."""

MAX_TXN_DEPTH = 128
"""Transactions within one another (level 4)."""

MAX_ENTRY_BYTES = 16 * 1024 * 1024
"""The most that one encoded operation, batch or not, may take."""

MAX_BATCH_OPS = 65_536
"""Operations in one batch, or members of one list in an operation."""

REQUEST_BUCKET_MS = 100
"""Request ids are forgotten in buckets of this much cluster time."""

MIN_REQUEST_AGE_MS = 10_000
"""No request id is forgotten sooner (level 2): where its table is full of younger ones, new requests are refused."""

KEPT_RESULT_BYTES = 4_096
"""The largest result that is remembered whole (level 2), and none with records once the table is half full."""

RESTORE_REVISION_STEP = 10**9
"""How far a restore as a new cluster raises the revision where the clock does not (raft spec 4)."""

MAX_CLOCK_US = MAX_INT // 2
"""A clock that shows so much (the year 2112) is wrong: the numbers of a restore leave room to count on from them."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # Keys
    max_key_bytes: Annotated[int, msgspec.Meta(ge=64, le=65_536)] = 1_024
    max_value_bytes: Annotated[int, msgspec.Meta(ge=64, le=4 * 1024 * 1024)] = 1024 * 1024
    max_keys: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)] = 1_000_000
    max_data_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)] = 256 * 1024 * 1024
    """Keys and values of all current records together."""
    # History: beyond either bound the oldest revisions are compacted.
    max_history_events: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 100_000
    max_history_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)] = 64 * 1024 * 1024
    # One operation, one answer
    max_txn_ops: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 128
    """In each of a transaction's three lists."""
    max_delete_keys: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    """Keys that one operation may delete by range."""
    max_result_bytes: Annotated[int, msgspec.Meta(ge=1, le=8 * 1024 * 1024)] = 4 * 1024 * 1024
    """Records in one answer: a page is cut short there, a transaction refused."""
    max_page_items: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    # Leases
    max_leases: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 20_000
    max_lease_keys: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    min_ttl_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_INT)] = 1_000
    max_ttl_ms: Annotated[int, msgspec.Meta(ge=1, le=2**48)] = 7 * 24 * 3_600_000
    """Bounds a node-bound lease's hold too."""
    # Locks, elections, semaphores
    max_name_bytes: Annotated[int, msgspec.Meta(ge=1, le=4_096)] = 256
    max_queue_entries: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    # Request ids
    request_window_ms: Annotated[int, msgspec.Meta(ge=1, le=2**48)] = 300_000
    max_requests: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 200_000
    max_request_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_INT)] = 16 * 1024 * 1024
    """Ids, and records in the remembered results."""
    # Administration
    max_bans: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10_000
    # Read by nothing; kept because snapshots and SetLimits carry it.
    max_config_bytes: Annotated[int, msgspec.Meta(ge=0, le=1024 * 1024)] = 65_536
    max_owner_leases: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 5_000
    """Of one owner."""
