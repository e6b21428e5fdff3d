"""Ranges with options: order, filters, a count; the reserved keys are left out (raft spec 3).

Written once for reads and for transactions, which differ in what they read from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.limits import MAX_SCANNED_KEYS
from coterie.consensus.store.schema.operations import Scan, SortBy
from coterie.consensus.store.schema.records import RECORD_BYTES, Record, prefix_end, record_bytes
from coterie.consensus.store.tables import pages
from coterie.consensus.store.tables.keyspace import Keyspace
from coterie.consensus.store.tables.queue_index import RESERVED_PREFIX

_RESERVED_END = prefix_end(RESERVED_PREFIX)

_ORDER: dict[SortBy, Callable[[Record], Any]] = {
    SortBy.KEY: lambda record: record.key,
    SortBy.VERSION: lambda record: record.version,
    SortBy.CREATE_REVISION: lambda record: record.create_revision,
    SortBy.MOD_REVISION: lambda record: record.mod_revision,
    SortBy.VALUE: lambda record: record.value,
}


class ScanSource(Protocol):
    """What is read from."""

    def scan(self, start: bytes, end: bytes | None, limit: int) -> list[Record]: ...

    def count(self, start: bytes, end: bytes | None) -> int: ...


class ScanBudget:
    """How many keys the ranges of one operation may still look at."""

    def __init__(self) -> None:
        self._left = MAX_SCANNED_KEYS

    def take(self, keys: int) -> None:
        """Raises RefusalError."""
        self._left -= keys
        if self._left < 0:
            raise RefusalError(RefusalCode.SCAN_TOO_LARGE, MAX_SCANNED_KEYS)


class PastKeys:
    """The keys as of a revision, which must be in history."""

    def __init__(self, keyspace: Keyspace, revision: int) -> None:
        self._keyspace = keyspace
        self._revision = revision

    def scan(self, start: bytes, end: bytes | None, limit: int) -> list[Record]:
        return pages.scan_at(self._keyspace, start, end, limit, self._revision)

    def count(self, start: bytes, end: bytes | None) -> int:
        keyspace = self._keyspace
        count = keyspace.table.count(start, end)
        for key, record in keyspace.history.undo(start, end, self._revision).items():
            count += (record is not None) - (keyspace.table.get(key) is not None)
        return count


def check_scan_revision(keyspace: Keyspace, revision: int) -> None:
    """The state at the newest compacted revision could be shown, and is not: so it is in etcd, one revision later.
    Raises RefusalError (compacted, future_revision)."""
    compacted = keyspace.history.compacted
    if compacted and revision <= compacted:
        raise RefusalError(RefusalCode.COMPACTED, compacted)
    if revision > keyspace.revision:
        raise RefusalError(RefusalCode.FUTURE_REVISION, keyspace.revision)


def open_spans(start: bytes, end: bytes | None) -> list[tuple[bytes, bytes | None]]:
    """The parts of a range that clients see: what it has outside of the reserved keys."""
    spans: list[tuple[bytes, bytes | None]] = []
    first_end = RESERVED_PREFIX if end is None else min(end, RESERVED_PREFIX)
    if start < first_end:
        spans.append((start, first_end))
    second = start if _RESERVED_END is None else max(start, _RESERVED_END)
    if end is None or second < end:
        spans.append((second, end))
    return spans


def scan_all(source: ScanSource, start: bytes, end: bytes | None, limit: int) -> list[Record]:
    """The first `limit` records of a range that clients see."""
    found: list[Record] = []
    for span in open_spans(start, end):
        if len(found) < limit:
            found += source.scan(*span, limit - len(found))
    return found


def run_scan(
    source: ScanSource, op: Scan, budget: ScanBudget | None, most_bytes: int
) -> tuple[tuple[Record, ...], int, bool]:
    """The records, the count of all keys in the range, and whether the limit cut something off. Raises RefusalError.

    `budget`: None where only what is sorted or filtered is bounded. `most_bytes`: of the records.
    """
    count = sum(source.count(*span) for span in open_spans(op.start, op.end))
    if op.count_only:
        return (), count, False
    cut = op.limit and op.descending is None and not op.is_filtered
    wanted = min(count, op.limit + 1) if cut else count
    if budget is not None:
        budget.take(wanted)
    elif op.is_filtered or op.descending is not None or op.by is not SortBy.KEY:
        ScanBudget().take(wanted)
    elif wanted * RECORD_BYTES > most_bytes:
        raise RefusalError(RefusalCode.RESULT_TOO_LARGE, most_bytes)
    records = scan_all(source, op.start, op.end, wanted)
    if op.is_filtered:
        records = [record for record in records if op.shows(record)]
    if op.by is not SortBy.KEY or op.descending:
        records.sort(key=_ORDER[op.by], reverse=bool(op.descending))
    more = 0 < op.limit < len(records)
    if more:
        records = records[: op.limit]
    if op.keys_only:
        records = [msgspec.structs.replace(record, value=b"") for record in records]
    if sum(map(record_bytes, records)) > most_bytes:
        raise RefusalError(RefusalCode.RESULT_TOO_LARGE, most_bytes)
    return tuple(records), count, more
