"""A snapshot as chunks of bytes, of the state as it was at one index, while the state goes on (raft spec 3).

Taking the view copies references only: of the table its blocks, of history its slabs, of request ids their buckets, and
leases and bans one by one. Encoding then happens chunk by chunk, whenever the caller asks for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, TypeVar
from zlib import crc32

import msgspec

from coterie.consensus.store.schema.errors import SnapshotError
from coterie.consensus.store.schema.levels import SNAPSHOT_FORMATS, limits_at
from coterie.consensus.store.schema.records import Event, Record, record_bytes
from coterie.consensus.store.schema.results import weight
from coterie.consensus.store.snapshot.format import (
    BANS,
    CHUNK_BYTES,
    DIGEST_BYTES,
    END,
    EVENTS,
    FRAME,
    FRAME_CHECKED,
    HEAD,
    HEAD_CHECKED,
    LEASES,
    MAGIC,
    RECORDS,
    REQUESTS,
    SUMMARY,
    Summary,
)
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.deduplication import RememberedRequest
from coterie.consensus.store.tables.lease_table import LeaseRecord

Item = TypeVar("Item")

_ITEM_BYTES = 64  # what an item is counted at beside its records and keys

_encode = msgspec.msgpack.Encoder().encode


class StateEncoder:
    """The state at one index, whatever is applied later. To be written once."""

    def __init__(self, state: State) -> None:
        if state.halted:
            raise SnapshotError("a halted state may end in the middle of an entry: it must not become a snapshot")
        keyspace = state.keyspace
        self.summary = Summary(
            state.feature_level,
            state.applied_index,
            state.time_ms,
            state.cluster_id,
            state.membership_epoch,
            state.config,
            state.limits,
            keyspace.revision,
            keyspace.history.compacted,
            state.leases.next_id,
            state.requests.horizon_ms,
        )
        self._bans = list(state.bans.values())
        self._leases = list(state.leases.table.values())
        self._records = keyspace.table.view()
        self._events = keyspace.history.after(keyspace.history.compacted)
        self._requests = state.requests.view()

    def chunks(self) -> Iterator[bytes]:
        version = SNAPSHOT_FORMATS[self.summary.feature_level]
        head = HEAD.pack(MAGIC, version, 0)[:HEAD_CHECKED]
        digest = blake2b(digest_size=DIGEST_BYTES)
        chunk = head + crc32(head).to_bytes(4, "big") + _frame(SUMMARY, self._encoded_summary())
        digest.update(chunk)
        yield chunk
        for section, batches in (
            # Both stand in the order of the log, which is the same on every replica.
            (BANS, _batches(self._bans, _flat)),
            (LEASES, _batches(self._leases, _flat)),
            (RECORDS, _batches(self._old_records(), record_bytes)),
            (EVENTS, _batches(self._lean_events(), _event_bytes)),
            (REQUESTS, _batches(self._requests, _request_bytes)),
        ):
            for batch in batches:
                chunk = _frame(section, _encode(_of_version_1(batch) if version == 1 else batch))
                digest.update(chunk)
                yield chunk
        yield _frame(END, _encode(digest.digest()))

    def _encoded_summary(self) -> bytes:
        fields = msgspec.structs.asdict(self.summary)
        fields["limits"] = limits_at(self.summary.limits, self.summary.feature_level)
        return _encode(tuple(fields.values()))

    def _old_records(self) -> Iterator[Record]:
        compacted = self.summary.compacted
        return (record for record in self._records if record.mod_revision <= compacted)

    def _lean_events(self) -> Iterator[Event]:
        """Events without the replaced versions that earlier events wrote."""
        compacted = self.summary.compacted
        for event in self._events:
            if event.prev is not None and event.prev.mod_revision > compacted:
                yield Event(event.revision, event.key, event.record, None)
            else:
                yield event


def write_snapshot(state: State) -> Iterator[bytes]:
    """The state as of this call, in chunks, whatever is applied later. Raises SnapshotError for a halted state."""
    return StateEncoder(state).chunks()


def state_digest(state: State) -> str:
    """A name for the state: equal on replicas that applied the same log, and after a restore. Costs a snapshot."""
    every = blake2b(digest_size=DIGEST_BYTES)
    for chunk in write_snapshot(state):
        every.update(chunk)
    return every.hexdigest()


def _frame(section: int, payload: bytes) -> bytes:
    head = FRAME.pack(section, len(payload), crc32(payload), 0)[:FRAME_CHECKED]
    return b"".join((head, crc32(head).to_bytes(4, "big"), payload))


def _batches(items: Iterable[Item], size_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if size >= CHUNK_BYTES:
            yield batch
            batch = []
            size = 0
    if batch:
        yield batch


def _flat(_: object) -> int:
    return _ITEM_BYTES


def _event_bytes(event: Event) -> int:
    size = _ITEM_BYTES + len(event.key)
    if event.record is not None:
        size += record_bytes(event.record)
    if event.prev is not None:
        size += record_bytes(event.prev)
    return size


def _request_bytes(item: RememberedRequest) -> int:
    return _ITEM_BYTES + len(item.id) + weight(item.result)


def _of_version_1(batch: list[Any]) -> list[Any]:
    """Remembered requests and leases without what version 2 adds; all else as it is."""
    return [_item_of_version_1(it) for it in batch]


def _item_of_version_1(it: Any) -> Any:
    match it:
        case RememberedRequest():
            return it.bucket, it.id, it.result
        case LeaseRecord():
            return it.id, it.renewal, it.ttl_ms, it.deadline_ms, it.node, it.generation, it.hold_ms
    return it
