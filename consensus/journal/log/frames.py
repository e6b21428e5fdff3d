"""Journal records, and the frames that carry them: a frame is what one sync makes durable (raft spec 2b).

A frame is a head (magic, length, sequence number, checksum of the records, checksum of the head) and the records of
one batch. It is valid whole or not at all, so a truncation and the entries that replace what it cuts off stand or
fall together. A frame's checksum starts from the one before, and a head's from its segment's salt: bytes of another
file, of an older frame, or made up by a client inside a value are no frame here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from coterie.consensus.raft.ports import Entry

ENTRY, TRUNCATE, RESET = 1, 2, 3

ENTRY_HEAD = struct.Struct("<BQQI")  # ENTRY, index, term, bytes of the command
TRUNCATE_RECORD = struct.Struct("<BQ")  # TRUNCATE, first index that goes
RESET_RECORD = bytes([RESET])
"""Empties the log: what follows begins at an index of its own."""

FRAME_MAGIC = b"\xf7CtF"
_HEAD = struct.Struct("<4sIQI")  # magic, bytes of the records, sequence number, checksum of the records
_CRC = struct.Struct("<I")
FRAME_HEAD_BYTES = _HEAD.size + _CRC.size


class RecordError(Exception):
    """A frame with a right checksum holds no sound records."""


def encode_frame(records: bytes, sequence: int, chain: int, salt: int) -> tuple[bytes, int]:
    """(the frame, the chain for the next one)."""
    chain = zlib.crc32(records, chain)
    head = _HEAD.pack(FRAME_MAGIC, len(records), sequence, chain)
    return head + _CRC.pack(zlib.crc32(head, salt)) + records, chain


def decode_head(data: bytes, offset: int, salt: int) -> tuple[int, int, int] | None:
    """(bytes of the records, sequence number, checksum of the records), or None where no frame begins at `offset`."""
    end = offset + FRAME_HEAD_BYTES
    if end > len(data) or data[offset : offset + 4] != FRAME_MAGIC:
        return None
    head = data[offset : offset + _HEAD.size]
    if zlib.crc32(head, salt) != _CRC.unpack_from(data, offset + _HEAD.size)[0]:
        return None
    _, length, sequence, checksum = _HEAD.unpack(head)
    return length, sequence, checksum


def decode_frame(data: bytes, offset: int, sequence: int, chain: int, salt: int) -> tuple[bytes, int] | None:
    """(records, chain for the next frame) of the frame at `offset`, or None where it is not the one expected there."""
    head = decode_head(data, offset, salt)
    if head is None or head[1] != sequence:
        return None
    records = data[offset + FRAME_HEAD_BYTES : offset + FRAME_HEAD_BYTES + head[0]]
    if len(records) != head[0] or zlib.crc32(records, chain) != head[2]:
        return None
    return records, head[2]


def find_later_frame(data: bytes, offset: int, sequence: int, salt: int) -> int | None:
    """Offset of a frame after `offset` that is numbered above `sequence`. None where there is none."""
    while (offset := data.find(FRAME_MAGIC, offset + 1)) >= 0:
        head = decode_head(data, offset, salt)
        if head is not None and head[1] > sequence:
            return offset
    return None


Record = Entry | int | None
"""A log entry; the first index that a truncation cuts off; None for a reset."""


def decode_records(records: bytes) -> Iterator[Record]:
    """Raises RecordError."""
    offset = 0
    while offset < len(records):
        tag = records[offset]
        try:
            if tag == ENTRY:
                _, index, term, size = ENTRY_HEAD.unpack_from(records, offset)
                offset += ENTRY_HEAD.size + size
                if offset > len(records):
                    raise RecordError("an entry is longer than its frame")
                yield records[offset - size : offset], index, term
            elif tag == TRUNCATE:
                yield TRUNCATE_RECORD.unpack_from(records, offset)[1]
                offset += TRUNCATE_RECORD.size
            elif tag == RESET:
                yield None
                offset += len(RESET_RECORD)
            else:
                raise RecordError(f"unknown record type {tag}")
        except struct.error:
            raise RecordError("a record is longer than its frame") from None
