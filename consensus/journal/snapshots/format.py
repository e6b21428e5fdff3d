"""The bytes of a snapshot: a head with two log entries and the voters, chunks of state, an end. Pure.

Each part's checksum starts from the one before, so parts of two snapshots, or parts out of order, never pass for one.
Written as a stream and read as one, in slices of any size, with bounded memory (raft spec 2b).
"""

from __future__ import annotations

import struct
import zlib

from coterie.consensus.journal.config import MAX_CHUNK_BYTES, MAX_SNAPSHOT_HEAD_BYTES
from coterie.consensus.raft.ports import Entry, SnapshotInfo

FORMAT_VERSION = 1

_MAGIC = b"CTRYSNAP"
_START = struct.Struct("<8sHI")  # magic, version, bytes of the head
_ENTRY = struct.Struct("<QQI")  # index, term, bytes of the command
_COUNT = struct.Struct("<H")  # of voters, and bytes of each id
_PART = struct.Struct("<II")  # bytes of the chunk (0 at the end), checksum
_TOTAL = struct.Struct("<Q")  # bytes of all chunks
_CRC = struct.Struct("<I")


class SnapshotFormatError(Exception):
    """The bytes are no snapshot, or a damaged one."""


class UnknownSnapshotVersionError(SnapshotFormatError):
    """A snapshot of a version of this program that this one does not know."""

    def __init__(self, version: int) -> None:
        super().__init__(f"format version {version}")
        self.version = version


class SnapshotEncoder:
    """Gives the bytes of a snapshot, part by part: `head`, any number of `chunk`, `end`."""

    def __init__(self) -> None:
        self._chain = 0
        self._total = 0

    def head(self, info: SnapshotInfo) -> bytes:
        parts = [_entry(info.prev), _entry(info.last), _COUNT.pack(len(info.voters))]
        for voter in info.voters:
            name = voter.encode()
            parts += (_COUNT.pack(len(name)), name)
        fields = b"".join(parts)
        if len(fields) > MAX_SNAPSHOT_HEAD_BYTES:
            raise ValueError(f"a snapshot's head takes at most {MAX_SNAPSHOT_HEAD_BYTES} bytes")
        head = _START.pack(_MAGIC, FORMAT_VERSION, len(fields)) + fields
        self._chain = zlib.crc32(head)
        return head + _CRC.pack(self._chain)

    def chunk(self, data: bytes) -> bytes:
        """`data`: 1 to `MAX_CHUNK_BYTES` bytes of state."""
        self._chain = zlib.crc32(data, self._chain)
        self._total += len(data)
        return _PART.pack(len(data), self._chain) + data

    def end(self) -> bytes:
        total = _TOTAL.pack(self._total)
        return _PART.pack(0, zlib.crc32(total, self._chain)) + total


def _entry(entry: Entry) -> bytes:
    command, index, term = entry
    return _ENTRY.pack(index, term, len(command)) + command


class SnapshotDecoder:
    """Takes a snapshot's bytes in slices of any size. Whatever it gives out has passed its checksum."""

    def __init__(self) -> None:
        self.info: SnapshotInfo | None = None
        """Known once the head has come."""
        self.complete = False
        """The end has come, and nothing is missing."""
        self._waiting = bytearray()
        self._chain = 0
        self._total = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The chunks that are whole now. Raises SnapshotFormatError."""
        self._waiting += data
        chunks: list[bytes] = []
        try:
            while self._take(chunks):
                pass
        except (struct.error, UnicodeDecodeError):
            raise SnapshotFormatError("a field is cut short") from None
        if self.complete and self._waiting:
            raise SnapshotFormatError("bytes follow the end")
        return chunks

    def _take(self, chunks: list[bytes]) -> bool:
        """Take one part, where it has come whole."""
        if self.info is None:
            return self._take_head()
        waiting = self._waiting
        if self.complete or len(waiting) < _PART.size:
            return False
        size, checksum = _PART.unpack_from(waiting)
        if size > MAX_CHUNK_BYTES:
            raise SnapshotFormatError(f"a chunk of {size} bytes")
        end = _PART.size + (size or _TOTAL.size)
        if len(waiting) < end:
            return False
        data = bytes(waiting[_PART.size : end])
        if zlib.crc32(data, self._chain) != checksum:
            raise SnapshotFormatError(f"the checksum fails after {self._total} bytes of state")
        if size:
            self._chain = checksum
            self._total += size
            chunks.append(data)
        elif _TOTAL.unpack(data)[0] != self._total:
            raise SnapshotFormatError("the total is wrong")
        else:
            self.complete = True
        del waiting[:end]
        return True

    def _take_head(self) -> bool:
        waiting = self._waiting
        if len(waiting) < _START.size:
            return False
        magic, version, size = _START.unpack_from(waiting)
        if magic != _MAGIC or size > MAX_SNAPSHOT_HEAD_BYTES:
            raise SnapshotFormatError("is no snapshot")
        end = _START.size + size
        if len(waiting) < end + _CRC.size:
            return False
        self._chain = zlib.crc32(waiting[:end])
        if _CRC.unpack_from(waiting, end)[0] != self._chain:
            raise SnapshotFormatError("the head's checksum fails")
        if version != FORMAT_VERSION:
            raise UnknownSnapshotVersionError(version)
        self.info = _decode_info(bytes(waiting[_START.size : end]))
        del waiting[: end + _CRC.size]
        return True


def _decode_info(fields: bytes) -> SnapshotInfo:
    offset = 0
    entries: list[Entry] = []
    for _ in range(2):
        index, term, size = _ENTRY.unpack_from(fields, offset)
        offset += _ENTRY.size + size
        entries.append((fields[offset - size : offset], index, term))
    (count,) = _COUNT.unpack_from(fields, offset)
    offset += _COUNT.size
    voters: list[str] = []
    for _ in range(count):
        (size,) = _COUNT.unpack_from(fields, offset)
        offset += _COUNT.size + size
        voters.append(fields[offset - size : offset].decode())
    prev, last = entries
    if offset != len(fields) or prev[1] + 1 != last[1]:
        raise SnapshotFormatError("the head contradicts itself")
    return SnapshotInfo(prev, last, tuple(voters))
