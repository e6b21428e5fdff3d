"""What a log entry's command holds: its type, then the operations of one loop turn (raft spec 2b, the loop)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from coterie.consensus.raft.errors import CorruptStateError

REGULAR: Final = b"\x00"
NO_OP: Final = b"\x01"
MEMBERSHIP: Final = b"\x02"
"""The first byte of a command: PySyncObj's numbers."""

_length = Struct("<I")


def encode_batch(ops: Sequence[bytes]) -> bytes:
    """Operations, each after its length (4 bytes, little-endian)."""
    parts = []
    for op in ops:
        parts.append(_length.pack(len(op)))
        parts.append(op)
    return b"".join(parts)


def decode_batch(body: bytes) -> list[bytes]:
    """Raises CorruptStateError where the lengths do not add up."""
    ops = []
    at = 0
    end = len(body)
    while at < end:
        if at + 4 > end:
            raise CorruptStateError("a batch of operations ends inside a length")
        size = _length.unpack_from(body, at)[0]
        at += 4
        if at + size > end:
            raise CorruptStateError("a batch of operations ends inside an operation")
        ops.append(body[at : at + size])
        at += size
    return ops


def batch_size(op: bytes) -> int:
    """Bytes that `op` takes in a batch."""
    return 4 + len(op)
