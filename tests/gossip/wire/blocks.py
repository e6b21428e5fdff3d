"""Takes a delta's block stream apart without the package's own reader (gossip spec 2)."""

from __future__ import annotations

import struct
import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Block = tuple[str, int, int]
"""Kind ("zstd" or "raw"), stored bytes, plain bytes."""


def compress(plain: bytes) -> bytes:
    """One zstd frame, at the default level."""
    return zstd.compress(plain)


def split_blocks(delta: bytes) -> list[tuple[str, bytes, bytes]]:
    """Kind, stored and plain bytes of each block of a delta that starts at the first byte."""
    blocks = []
    at = 0
    while delta[at]:
        kind, length = {1: "zstd", 2: "raw"}[delta[at]], struct.unpack_from("<H", delta, at + 1)[0]
        stored = delta[at + 3 : at + 3 + length]
        assert len(stored) == length
        blocks.append((kind, stored, zstd.decompress(stored) if kind == "zstd" else stored))
        at += 3 + length
    return blocks


def plain_of(delta: bytes) -> bytes:
    """The operations of a delta as one byte string."""
    return b"".join(plain for _, _, plain in split_blocks(delta))


def blocks_of_message(datagram: bytes) -> list[Block]:
    """The blocks of a SynAck or Ack; none for other messages."""
    if datagram[3] == 1:
        (count,) = struct.unpack_from("<H", datagram, 4)
        at = 6
        for _ in range(count):
            at += 2 + struct.unpack_from("<H", datagram, at)[0] + 8
            at += (5 if datagram[at] == 4 else 17) + 2 + 24
    elif datagram[3] == 2:
        at = 4
    else:
        return []
    return [(kind, len(stored), len(plain)) for kind, stored, plain in split_blocks(datagram[at:])]


def digest_blocks(datagram: bytes) -> list[Block]:
    """The blocks of the digest of a message of version 1."""
    return [(kind, len(stored), len(plain)) for kind, stored, plain in split_blocks(datagram[4:])]


def block(kind: int, payload: bytes) -> bytes:
    """A block as it stands on the wire."""
    return struct.pack("<BH", kind, len(payload)) + payload


def raw_frame(content: bytes, window_log: int, *, mantissa: int = 0) -> bytes:
    """A zstd frame of one raw block that asks for a window of 2^window_log * (1 + mantissa / 8) bytes (RFC 8878)."""
    header = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3 | mantissa])
    return header + struct.pack("<I", len(content) << 3 | 1)[:3] + content


def skippable_frame(content: bytes = b"") -> bytes:
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(content)) + content
