"""A snapshot's bytes back into a state, as they come in (raft spec 1 and 3).

Every byte is under a checksum, every value is typed, and sections must follow from one another: what is damaged, cut
short or contradicts itself raises SnapshotError, and gives no state at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any
from zlib import crc32

import msgspec

from coterie.consensus.store.schema.errors import SnapshotError, UnsupportedVersionError
from coterie.consensus.store.schema.levels import KNOWN_LEVEL, SNAPSHOT_FORMATS
from coterie.consensus.store.schema.records import BanRecord, Event, Record, prefix_end
from coterie.consensus.store.snapshot.format import (
    BANS,
    DIGEST_BYTES,
    END,
    EVENTS,
    FRAME,
    FRAME_CHECKED,
    HEAD,
    HEAD_CHECKED,
    LEASES,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    RECORDS,
    REQUESTS,
    SUMMARY,
    Summary,
)
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.deduplication import DeduplicationTable, RememberedRequest
from coterie.consensus.store.tables.history import History
from coterie.consensus.store.tables.lease_table import LeaseRecord, LeaseTable
from coterie.consensus.store.tables.queue_index import PREFIXES

_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {
    section: msgspec.msgpack.Decoder(kind)
    for section, kind in {
        SUMMARY: Summary,
        BANS: list[BanRecord],
        LEASES: list[LeaseRecord],
        RECORDS: list[Record],
        EVENTS: list[Event],
        REQUESTS: list[RememberedRequest],
        END: bytes,
    }.items()
}


class StateDecoder:
    """Takes the bytes of one snapshot, in pieces of any size, and makes a new state of them."""

    def __init__(self, known_level: int = KNOWN_LEVEL) -> None:
        self._state = State(known_level=known_level)
        self._pending = bytearray()
        self._offset = 0  # of `_pending`, for messages
        self._head_read = False
        self._section = 0
        self._revision = 0  # of the last event
        self._digest = blake2b(digest_size=DIGEST_BYTES)

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises SnapshotError, or UnsupportedVersionError for a format of a later version."""
        self._pending += data
        done = 0
        with memoryview(self._pending) as pending:
            if not self._head_read and len(pending) >= HEAD.size:
                self._read_head(pending[: HEAD.size])
                done = HEAD.size
            while self._head_read and (size := self._frame_size(pending, done)):
                self._read_frame(pending[done : done + size], done)
                done += size
        del self._pending[:done]
        self._offset += done

    def finish(self) -> State:
        """The state. Raises SnapshotError where the end is missing."""
        if self._section != END or self._pending:
            raise self._broken(len(self._pending), "cut short")
        return self._state

    def _read_head(self, head: memoryview) -> None:
        magic, version, checksum = HEAD.unpack(head)
        if magic != MAGIC or crc32(head[:HEAD_CHECKED]) != checksum:
            raise self._broken(0, "not a snapshot, or a damaged head")
        newest = SNAPSHOT_FORMATS[self._state.known_level]
        if not 1 <= version <= newest:
            raise UnsupportedVersionError("the snapshot", version, newest)
        self._digest.update(head)
        self._head_read = True

    def _frame_size(self, pending: memoryview, at: int) -> int:
        """The length of the frame at `at`, or 0 while not all of it is there."""
        if len(pending) - at < FRAME.size:
            return 0
        _, length, _, checksum = FRAME.unpack_from(pending, at)
        if crc32(pending[at : at + FRAME_CHECKED]) != checksum or length > MAX_PAYLOAD_BYTES:
            raise self._broken(at, "a damaged frame head")
        size: int = FRAME.size + length
        return size if len(pending) - at >= size else 0

    def _read_frame(self, frame: memoryview, at: int) -> None:
        section, _, checksum, _ = FRAME.unpack_from(frame)
        payload = frame[FRAME.size :]
        if crc32(payload) != checksum:
            raise self._broken(at, "a damaged frame")
        if section not in _DECODERS or not self._may_follow(section):
            raise self._broken(at, f"section {section} is unknown or out of place")
        try:
            self._take(section, _DECODERS[section].decode(payload))
        except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
            raise self._broken(at, f"section {section}: {error}") from error
        self._section = section
        self._digest.update(frame)

    def _may_follow(self, section: int) -> bool:
        if self._section == 0:
            return section == SUMMARY
        return SUMMARY < section >= self._section != END

    def _take(self, section: int, value: Any) -> None:
        """Raises ValueError for what does not follow from the sections before."""
        state = self._state
        if section == SUMMARY:
            self._take_summary(value)
            return
        if section == END:
            self._take_end(value)
            return
        if section == BANS:
            state.bans.update((it.member_id, it) for it in value)
        elif section == LEASES:
            for lease in value:
                state.leases.load(lease)
        elif section == RECORDS:
            state.keyspace.load(value)
        elif section == EVENTS:
            for event in value:
                self._take_event(event)
        else:
            for item in value:
                state.requests.load(item)

    def _take_summary(self, summary: Summary) -> None:
        state = self._state
        if summary.feature_level > state.known_level:
            raise UnsupportedVersionError("the state", summary.feature_level, state.known_level)
        state.feature_level = summary.feature_level
        state.applied_index = summary.applied_index
        state.time_ms = summary.time_ms
        state.cluster_id = summary.cluster_id
        state.membership_epoch = summary.membership_epoch
        state.config = summary.config
        state.limits = summary.limits
        state.keyspace.revision = summary.revision
        state.keyspace.history = History(summary.compacted)
        state.leases = LeaseTable(summary.next_lease)
        state.requests = DeduplicationTable(summary.horizon_ms)
        self._revision = summary.compacted

    def _take_event(self, event: Event) -> None:
        if not max(self._revision, self._state.keyspace.history.compacted + 1) <= event.revision:
            raise ValueError(f"an event of revision {event.revision} is out of order")
        if event.revision > self._state.keyspace.revision:
            raise ValueError(f"an event of revision {event.revision} is above the snapshot's revision")
        self._revision = event.revision
        self._state.keyspace.replay(event)

    def _take_end(self, digest: bytes) -> None:
        if digest != self._digest.digest():
            raise ValueError("the digest does not match")
        table = self._state.keyspace.table
        for prefix in PREFIXES.values():
            for record in table.scan(prefix, prefix_end(prefix), len(table)):
                self._state.queues.load(record)

    def _broken(self, at: int, problem: str) -> SnapshotError:
        return SnapshotError(f"the snapshot is not usable, at byte {self._offset + at}: {problem}")


def read_snapshot(chunks: Iterable[bytes]) -> State:
    """The state in a snapshot. Raises SnapshotError or UnsupportedVersionError."""
    decoder = StateDecoder()
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder.finish()
