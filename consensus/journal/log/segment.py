"""A segment: a file of preallocated size with a head and frames, and how one is read back (raft spec 2b).

The next frame is written only when the one before is synced. So an unreadable frame at the very end of the last segment
is an unfinished write, which was never acknowledged; anywhere else it is damage, and the node stops.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from coterie.consensus.journal.errors import CorruptFileError, UnknownFormatError, WrongMemberError
from coterie.consensus.journal.files.filesystem import File, disk_call
from coterie.consensus.journal.log.frames import (
    FRAME_HEAD_BYTES,
    Record,
    RecordError,
    decode_frame,
    decode_records,
    find_later_frame,
)

FORMAT_VERSION = 1

_MAGIC = b"CTRYJRNL"
_HEAD = struct.Struct("<8sHHI16sQQQQI")
_CRC = struct.Struct("<I")
SEGMENT_HEAD_BYTES = 128

_NAME_PREFIX, _NAME_SUFFIX = "journal-", ".seg"


def segment_name(number: int) -> str:
    return f"{_NAME_PREFIX}{number:012d}{_NAME_SUFFIX}"


def segment_number(name: str) -> int | None:
    """The number in a segment's file name; None for other names."""
    digits = name.removeprefix(_NAME_PREFIX).removesuffix(_NAME_SUFFIX)
    return int(digits) if name == f"{_NAME_PREFIX}{digits}{_NAME_SUFFIX}" and digits.isdecimal() else None


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """What a segment says of itself and of the one before."""

    member: bytes
    """The 16 bytes of the member id."""
    number: int
    """Counts segments from 1, without gaps."""
    size: int
    """Bytes of the file."""
    first_sequence: int
    """Number of its first frame; frames are counted over all segments, without gaps."""
    previous_end: int
    """Where the frames of the segment before end, in bytes from its start."""
    chain: int
    """The checksum that its first frame's starts from: the last frame's of the segment before."""
    salt: int
    """A random number that its frame heads' checksums start from."""

    def encode(self) -> bytes:
        head = _HEAD.pack(
            _MAGIC,
            FORMAT_VERSION,
            SEGMENT_HEAD_BYTES,
            self.salt,
            self.member,
            self.number,
            self.size,
            self.first_sequence,
            self.previous_end,
            self.chain,
        )
        return (head + _CRC.pack(zlib.crc32(head))).ljust(SEGMENT_HEAD_BYTES, b"\0")

    @classmethod
    def decode(cls, data: bytes, path: Path) -> SegmentHead:
        """Raises CorruptFileError and UnknownFormatError."""
        if len(data) < SEGMENT_HEAD_BYTES or _CRC.unpack_from(data, _HEAD.size)[0] != zlib.crc32(data[: _HEAD.size]):
            raise CorruptFileError(path, "the head of the segment fails its checksum")
        magic, version, _, salt, member, number, size, first, previous_end, chain = _HEAD.unpack_from(data)
        if magic != _MAGIC:
            raise CorruptFileError(path, "is no journal segment")
        if version != FORMAT_VERSION:
            raise UnknownFormatError(path, version)
        return cls(member, number, size, first, previous_end, chain, salt)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was read: where it stands, and what it says."""

    sequence: int
    offset: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was read."""

    path: Path
    head: SegmentHead
    frames: tuple[Frame, ...]
    end: int
    """Where its readable frames end, in bytes."""
    chain: int
    """The checksum that the next frame's starts from."""

    @property
    def next_sequence(self) -> int:
        return self.head.first_sequence + len(self.frames)

    @property
    def highest_index(self) -> int:
        """The highest index of any entry in it, also of those cut off since; 0 where it has none."""
        return max((r[1] for frame in self.frames for r in frame.records if isinstance(r, tuple)), default=0)


def read_segment(file: File, path: Path, member: bytes) -> Segment:
    """Read a segment up to its end or its first unreadable frame. Raises CorruptFileError where a later frame shows
    that what cannot be read had been synced."""
    with disk_call(f"read {path}"):
        data = file.read(file.size(), 0)
    head = SegmentHead.decode(data, path)
    if head.member != member:
        raise WrongMemberError(path, "belongs to another member")
    if head.number != segment_number(path.name):
        raise CorruptFileError(path, f"is segment {head.number}: files were renamed or exchanged")
    if len(data) < head.size:
        raise CorruptFileError(path, f"was cut from {head.size} to {len(data)} bytes")

    frames: list[Frame] = []
    offset, sequence, chain = SEGMENT_HEAD_BYTES, head.first_sequence, head.chain
    while (found := decode_frame(data, offset, sequence, chain, head.salt)) is not None:
        records, chain = found
        try:
            frames.append(Frame(sequence, offset, tuple(decode_records(records))))
        except RecordError as error:
            raise CorruptFileError(path, f"frame {sequence} at byte {offset}: {error}") from None
        offset += FRAME_HEAD_BYTES + len(records)
        sequence += 1
    if (later := find_later_frame(data, offset, sequence, head.salt)) is not None:
        raise CorruptFileError(
            path,
            f"frame {sequence} at byte {offset} is damaged, and it had been synced: byte {later} begins a later one",
        )
    return Segment(path, head, tuple(frames), offset, chain)


def check_succession(earlier: Segment, later: Segment) -> None:
    """That a segment was read to where the next one says that it ends. Raises CorruptFileError."""
    head = later.head
    if (earlier.end, earlier.next_sequence, earlier.chain) != (head.previous_end, head.first_sequence, head.chain):
        raise CorruptFileError(
            earlier.path,
            f"frame {earlier.next_sequence} at byte {earlier.end} is damaged, and it had been synced: "
            f"{later.path.name} begins with frame {head.first_sequence}",
        )
