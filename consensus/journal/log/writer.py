"""The disk's side of the journal: the segment that is written, its spare, and segments that are no longer needed
(raft spec 2b, durability).

A segment gets its name only when its head and its first frame are synced, and the next frame is only written when the
one before is: so whatever a later file or frame follows is known to be durable. One thread at a time may be in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coterie.consensus.journal.errors import DiskFullError
from coterie.consensus.journal.files.filesystem import File, Files, create_durably, disk_call
from coterie.consensus.journal.files.watermark import Watermark
from coterie.consensus.journal.log.frames import FRAME_HEAD_BYTES, encode_frame
from coterie.consensus.journal.log.segment import SEGMENT_HEAD_BYTES, Segment, SegmentHead, segment_name

SPARE_NAME = "spare.tmp"

Entropy = Callable[[int], bytes]
"""Gives so many random bytes."""


@dataclass(frozen=True, slots=True)
class SegmentContext:
    """Where a member's segments live, and what a new one is made from."""

    files: Files
    directory: Path
    member: bytes
    """The 16 bytes of the member id."""
    segment_bytes: int
    entropy: Entropy

    def head(self, number: int, size: int, first_sequence: int, previous_end: int, chain: int) -> SegmentHead:
        salt = int.from_bytes(self.entropy(4))
        return SegmentHead(self.member, number, size, first_sequence, previous_end, chain, salt)


def create_first_segment(context: SegmentContext) -> None:
    """Segment 1, empty, of a new directory."""
    head = context.head(1, context.segment_bytes, 1, 0, 0)
    path = context.directory / segment_name(1)
    with disk_call(f"create {path}"):
        create_durably(context.files, path, head.encode(), head.size).close()


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment that nothing is added to any more."""

    path: Path
    highest_index: int


class SegmentWriter:
    """Adds frames to the last segment, and begins the next one where it is full."""

    def __init__(
        self, context: SegmentContext, last: Segment, file: File, sealed: Sequence[SealedSegment], mark: Watermark
    ) -> None:
        """`last` was read from `file`, and `recover_tail` has made it durable."""
        self._context = context
        self._file = file
        self._path = last.path
        self._head = last.head
        self._end = last.end
        self._chain = last.chain
        self._highest_index = last.highest_index
        self._sealed = list(sealed)
        self._watermark = mark
        self._spare: File | None = None
        self.next_sequence = last.next_sequence
        self.disk_full = False
        """The last attempt to allocate a spare found no space."""

    @property
    def remaining_bytes(self) -> int:
        """Bytes that are left in the current segment."""
        return self._head.size - self._end

    @property
    def spare_bytes(self) -> int:
        """Bytes that the spare can take; 0 where there is none."""
        return 0 if self._spare is None else self._context.segment_bytes - SEGMENT_HEAD_BYTES

    # -- writing -----------------------------------------------------------------------------------------------------

    def append(self, records: bytes, highest_index: int) -> bool:
        """One frame; durable on return. True where it began a segment. Any error leaves the writer unfit for use."""
        begins = FRAME_HEAD_BYTES + len(records) > self.remaining_bytes
        if begins:
            self._append_to_next(records)
        else:
            frame, chain = encode_frame(records, self.next_sequence, self._chain, self._head.salt)
            with disk_call(f"write {self._path}"):
                self._file.write(frame, self._end)
                self._file.sync()
            self._end += len(frame)
            self._chain = chain
        self.next_sequence += 1
        self._highest_index = max(self._highest_index, highest_index)
        return begins

    def _append_to_next(self, records: bytes) -> None:
        """Begin the next segment with this frame."""
        context = self._context
        need = SEGMENT_HEAD_BYTES + FRAME_HEAD_BYTES + len(records)
        file = self._spare
        if file is None or need > context.segment_bytes:
            # Nobody asked `has_room` for this: then space is looked for now, and the node stops where there is none.
            file = self._allocate(max(need, context.segment_bytes))
        self._spare = None
        with disk_call(f"begin a segment in {context.directory}"):
            head = context.head(self._head.number + 1, file.size(), self.next_sequence, self._end, self._chain)
            frame, chain = encode_frame(records, self.next_sequence, self._chain, head.salt)
            path = context.directory / segment_name(head.number)
            file.write(head.encode() + frame, 0)
            file.sync()
            context.files.rename(context.directory / SPARE_NAME, path)
            context.files.sync_directory(context.directory)
            self._file.close()
        self._sealed.append(SealedSegment(self._path, self._highest_index))
        self._file, self._path, self._head = file, path, head
        self._end = SEGMENT_HEAD_BYTES + len(frame)
        self._chain = chain
        self._highest_index = 0

    def _allocate(self, size: int) -> File:
        """A file of zeros under the spare's name, in the place of what stood there."""
        path = self._context.directory / SPARE_NAME
        with disk_call(f"allocate {size} bytes in {self._context.directory}"):
            if self._spare is not None:
                self._spare.close()
                self._spare = None
                self._context.files.remove(path)
            file = self._context.files.create(path)
            try:
                file.preallocate(size)
                file.sync()
            except OSError:
                file.close()
                with suppress(OSError):
                    self._context.files.remove(path)
                raise
        return file

    # -- upkeep ------------------------------------------------------------------------------------------------------

    def needs_upkeep(self, needed_from: int) -> bool:
        """Whether `upkeep` would do anything."""
        return (
            self._spare is None
            or self._watermark.sequence != self.next_sequence - 1
            or (bool(self._sealed) and self._sealed[0].highest_index < needed_from)
        )

    def upkeep(self, needed_from: int) -> None:
        """Remove what a durable snapshot made useless, have a spare, move the watermark.

        `needed_from`: entries with lower indexes are no longer needed. A full disk is no error here: see `disk_full`.
        """
        with disk_call(f"remove old segments in {self._context.directory}"):
            while self._sealed and self._sealed[0].highest_index < needed_from:
                self._context.files.remove(self._sealed[0].path)
                del self._sealed[0]
        if self._spare is None:
            try:
                self._spare = self._allocate(self._context.segment_bytes)
                self.disk_full = False
            except DiskFullError:
                self.disk_full = True
        self._watermark.store(self.next_sequence - 1)

    def close(self) -> None:
        self._file.close()
        if self._spare is not None:
            self._spare.close()
        self._watermark.close()


def recover_tail(file: File, last: Segment, synced: int) -> None:
    """Make the last segment's frames durable before they are counted.

    Those above the watermark `synced` are written again: where an earlier process failed to sync them, the system may
    show them, call them clean, and lose them all the same. An unfinished frame after them stays until the next one is
    written over it; what is left of it then can be no frame, for it has no head.
    """
    start = next((frame.offset for frame in last.frames if frame.sequence > synced), last.end)
    with disk_call(f"sync {last.path}"):
        if start < last.end:
            file.write(file.read(last.end - start, start), start)
        file.sync()
