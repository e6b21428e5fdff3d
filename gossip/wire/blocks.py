"""The block stream of a delta, and of a digest in wire version 1: zstd or raw blocks up to an end byte (gossip spec 2).

Reading is bounded: 20 stored bytes can unpack to 65,535.
"""

from __future__ import annotations

import struct
import sys

from coterie.gossip.errors import WireError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 16_384
"""The writer cuts a block once more than this many plain bytes are pending."""

MAX_PLAIN_BLOCK_BYTES = 65_535
"""The most that one zstd block may decompress to."""

WINDOW_LOG_MAX = 17
"""Largest zstd window that a reader grants, as a power of two: 128 KiB."""

FRAME_COST = 4_096
"""A zstd frame counts as at least so many plain bytes: to start a decoder takes as long as to unpack them."""

BLOCK_COST = 256
"""The same for a block of any kind."""

BLOCK_HEADER_BYTES = 3
"""A tag, and the length of what is stored."""

_END, _ZSTD, _RAW = 0, 1, 2
_HEADER = struct.Struct("<BH")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT = 0x20  # in a frame's descriptor: no window descriptor follows, the window is the content
_WIDEST_WINDOW = (WINDOW_LOG_MAX - 10) << 3  # as a window descriptor
_DECODER_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}


class BlockWriter:
    """Cuts plain bytes into blocks and compresses each."""

    def __init__(self) -> None:
        self._finished: list[bytes] = []
        self._finished_bytes = 0
        self._pending = bytearray()

    def size_with(self, more: int) -> int:
        """The most bytes that the stream takes after `more` plain bytes, end byte included.

        A finished block counts at its written size, pending bytes as if they stayed raw.
        """
        plain = len(self._pending) + more
        blocks = -(-plain // BLOCK_BYTES)
        return self._finished_bytes + plain + blocks * BLOCK_HEADER_BYTES + 1

    def raw_room(self, budget: int) -> int:
        """At least so many plain bytes more fit into a stream of `budget` bytes, even if none can be compressed."""
        room = budget - self._finished_bytes - len(self._pending) - 1
        return room - (len(self._pending) + room) // BLOCK_BYTES * BLOCK_HEADER_BYTES - BLOCK_HEADER_BYTES

    def append(self, plain: bytes) -> None:
        pending = self._pending
        pending += plain
        while len(pending) > BLOCK_BYTES:
            self._cut(bytes(pending[:BLOCK_BYTES]))
            del pending[:BLOCK_BYTES]

    def _cut(self, plain: bytes) -> None:
        stored, tag = zstd.compress(plain), _ZSTD
        # Raw where both are equally long: chitchat does the same.
        if len(stored) >= len(plain):
            stored, tag = plain, _RAW
        self._finished += (_HEADER.pack(tag, len(stored)), stored)
        self._finished_bytes += BLOCK_HEADER_BYTES + len(stored)

    def finish(self) -> bytes:
        """The stream with its end byte. The writer is not used after this."""
        if self._pending:
            self._cut(bytes(self._pending))
            self._pending.clear()
        self._finished.append(b"\0")
        return b"".join(self._finished)


def read_blocks(buf: bytes, start: int, max_bytes: int) -> tuple[bytes, int, bool]:
    """Read the stream at `start`: its plain bytes, the offset after it, and whether `max_bytes` cut it short.

    Blocks and frames count by what they unpack to, and as no less than their cost. Raises WireError.
    """
    plains: list[bytes] = []
    left = max_bytes
    at = start
    while True:
        if at >= len(buf):
            raise WireError("short", "a block stream has no end byte")
        tag = buf[at]
        if tag == _END:
            return b"".join(plains), at + 1, False
        if tag > _RAW:
            raise WireError("block-tag", f"the tag of a block is 0, 1 or 2, not {tag}")
        if at + BLOCK_HEADER_BYTES > len(buf):
            raise WireError("short", "the datagram ends inside a block header")
        body = at + BLOCK_HEADER_BYTES
        at = body + (buf[at + 1] | buf[at + 2] << 8)
        if at > len(buf):
            raise WireError("short", "the datagram ends inside a block")
        plain, cost = (buf[body:at], 0) if tag == _RAW else _decompress(buf[body:at], left)
        plains.append(plain)
        left -= max(len(plain), cost, BLOCK_COST)
        if left <= 0:
            return b"".join(plains)[:max_bytes], len(buf), True


def _decompress(stored: bytes, max_cost: int) -> tuple[bytes, int]:
    """The content of a run of zstd frames, skippable ones included, of at most MAX_PLAIN_BLOCK_BYTES together; and what
    the frames cost. No frame is unpacked once they cost `max_cost`.
    """
    plain = b""
    cost = 0
    rest = memoryview(stored)
    try:
        while rest and cost < max_cost:
            size = zstd.get_frame_size(rest)
            decoder = zstd.ZstdDecompressor(options=_DECODER_OPTIONS)
            # One byte more than allowed shows an excess without unpacking it.
            plain += decoder.decompress(_narrow(rest[:size]), MAX_PLAIN_BLOCK_BYTES + 1 - len(plain))
            if len(plain) > MAX_PLAIN_BLOCK_BYTES:
                raise WireError("zstd", f"a block unpacks to more than {MAX_PLAIN_BLOCK_BYTES} bytes")
            if not decoder.eof:
                raise WireError("zstd", "a block ends inside a zstd frame")
            rest = rest[size:]
            cost += FRAME_COST
    except zstd.ZstdError as error:
        raise WireError("zstd", str(error)) from None
    return plain, cost


def _narrow(frame: memoryview) -> memoryview | bytes:
    """The frame, asking for a window of 128 KiB at most (RFC 8878, section 3.1.1.1.2).

    Chitchat takes any window, and zstd's streaming compressors ask for megabytes whatever they compress. The content of
    a block never reaches further back than this.
    """
    is_data = frame[:4] == _ZSTD_MAGIC
    if is_data and not frame[4] & _SINGLE_SEGMENT and frame[5] > _WIDEST_WINDOW:
        return b"".join((frame[:5], bytes((_WIDEST_WINDOW,)), frame[6:]))
    return frame
