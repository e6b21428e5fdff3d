"""Deltas on the wire: operations, in a stream of zstd or raw blocks (spec section 2).

Reading is bounded twice, for 20 stored bytes can unpack to 65,535: in plain bytes and in operations. What lies behind
a bound is ignored, since a prefix of a delta is a delta.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coterie.gossip.errors import WireError
from coterie.gossip.wire.identity import NodeId, decode_node_id, node_id_end
from coterie.gossip.wire.key_value import OP_KEY_VALUE, KeyValue

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 16_384
"""A block is cut once more than this many plain bytes are pending."""

MAX_PLAIN_BLOCK_BYTES = 65_535
"""The most that one zstd block may decompress to."""

WINDOW_LOG_MAX = 17
"""Largest zstd window a reader grants, as a power of two: 128 KiB."""

_END, _ZSTD, _RAW = 0, 1, 2
_OP_NODE, _OP_SET_MAX_VERSION = 0, 2

_BLOCK_HEADER = struct.Struct("<BH")
_BLOCK_HEADER_BYTES = 3
_OP_HEAD = struct.Struct("<BH")  # a tag, and the length of the text that two of the three operations start with
_U16 = struct.Struct("<H")
_U64 = struct.Struct("<Q")
_U64_PAIR = struct.Struct("<QQ")
_VERSION_STATUS = struct.Struct("<QB")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT = 0x20  # in a frame's descriptor: no window descriptor follows, the window is the content
_WIDEST_WINDOW = (WINDOW_LOG_MAX - 10) << 3  # as a window descriptor
_DECODER_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}


class Known(Protocol):
    """Whatever a reader keeps under an encoded identity."""

    @property
    def id(self) -> NodeId: ...


@dataclass(slots=True)
class NodeDelta:
    """What a message says of one node. `max_version` is 0 where it holds no KeyValue and no SetMaxVersion."""

    node: NodeId
    last_gc_version: int
    from_version_excluded: int
    key_values: list[KeyValue] = field(default_factory=list)
    max_version: int = 0


# -- writing -------------------------------------------------------------------------------------------------------


class DeltaWriter:
    """Fills a delta of at most `budget` bytes, end byte included.

    A finished block counts at its written size, the open one as if it stayed raw, so the bound holds by construction.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._finished: list[bytes] = []
        self._finished_bytes = 0
        self._pending = bytearray()

    def _fits(self, size: int) -> bool:
        plain = len(self._pending) + size
        blocks = -(-plain // BLOCK_BYTES)
        return self._finished_bytes + plain + blocks * _BLOCK_HEADER_BYTES + 1 <= self._budget

    def add_node(
        self,
        encoded: bytes,
        last_gc_version: int,
        from_version_excluded: int,
        key_values: Sequence[KeyValue],
        max_version: int,
    ) -> bool:
        """Add a node's operations as far as they fit; where there is no key-value, SetMaxVersion(`max_version`).

        Returns whether all of them went in. A node of which no operation fits leaves no trace.
        """
        head = b"".join((b"\0", encoded, _U64_PAIR.pack(last_gc_version, from_version_excluded)))
        ops = [kv.op for kv in key_values] or [b"\x02" + _U64.pack(max_version)]
        whole = b"".join((head, *ops))
        if self._fits(len(whole)):
            self._append(whole)
            return True
        if not self._fits(len(head) + len(ops[0])):
            return False
        self._append(head)
        for op in ops:
            if not self._fits(len(op)):
                return False
            self._append(op)
        return True

    def _append(self, plain: bytes) -> None:
        self._pending += plain
        while len(self._pending) > BLOCK_BYTES:
            self._finish(bytes(self._pending[:BLOCK_BYTES]))
            del self._pending[:BLOCK_BYTES]

    def _finish(self, plain: bytes) -> None:
        stored, tag = zstd.compress(plain), _ZSTD
        # Raw where the two are equally long as well: real nodes do the same.
        if len(stored) >= len(plain):
            stored, tag = plain, _RAW
        self._finished += (_BLOCK_HEADER.pack(tag, len(stored)), stored)
        self._finished_bytes += _BLOCK_HEADER_BYTES + len(stored)

    def finish(self) -> bytes:
        """The delta as it stands in the message. The writer is spent."""
        if self._pending:
            self._finish(bytes(self._pending))
            self._pending.clear()
        self._finished.append(b"\0")
        return b"".join(self._finished)


def encode_delta(deltas: Sequence[NodeDelta], budget: int = sys.maxsize) -> bytes:
    """Write whole node deltas, in the order given."""
    writer = DeltaWriter(budget)
    for d in deltas:
        if d.max_version == 0:
            writer._append(
                b"".join((b"\0", d.node.encoded, _U64_PAIR.pack(d.last_gc_version, d.from_version_excluded)))
            )
            continue
        writer.add_node(d.node.encoded, d.last_gc_version, d.from_version_excluded, d.key_values, d.max_version)
        if d.key_values and d.max_version > d.key_values[-1].version:
            writer._append(b"\x02" + _U64.pack(d.max_version))
    return writer.finish()


# -- reading -------------------------------------------------------------------------------------------------------


def read_delta(
    buf: bytes, start: int, known: Mapping[bytes, Known], max_bytes: int, max_ops: int
) -> tuple[list[NodeDelta], int]:
    """Read the delta at `start`: its node deltas, and the offset behind its end byte.

    Where a bound stopped the reading early, that offset is the end of the buffer: what follows is unknown.
    """
    plain, end, cut = _read_blocks(buf, start, max_bytes)
    return _read_ops(plain, known, max_ops, cut), end


def _read_blocks(buf: bytes, start: int, max_bytes: int) -> tuple[bytes, int, bool]:
    """The plain bytes of all blocks; the offset behind them; whether `max_bytes` cut them short."""
    plains: list[bytes] = []
    total = 0
    at = start
    while True:
        if at >= len(buf):
            raise WireError("short", "the delta has no end byte")
        tag = buf[at]
        if tag == _END:
            return b"".join(plains), at + 1, False
        if tag > _RAW:
            raise WireError("block-tag", f"the tag of a block is 0, 1 or 2, not {tag}")
        if at + _BLOCK_HEADER_BYTES > len(buf):
            raise WireError("short", "the datagram ends inside a block header")
        body = at + _BLOCK_HEADER_BYTES
        at = body + (buf[at + 1] | buf[at + 2] << 8)
        if at > len(buf):
            raise WireError("short", "the datagram ends inside a block")
        plain = buf[body:at] if tag == _RAW else _decompress(buf[body:at])
        plains.append(plain)
        total += len(plain)
        if total >= max_bytes:
            return b"".join(plains)[:max_bytes], len(buf), True


def _decompress(stored: bytes) -> bytes:
    """The content of a run of zstd frames, skippable ones included, of at most MAX_PLAIN_BLOCK_BYTES together."""
    plain = b""
    rest = memoryview(stored)
    try:
        while rest:
            size = zstd.get_frame_size(rest)
            decoder = zstd.ZstdDecompressor(options=_DECODER_OPTIONS)
            # One byte more than allowed shows an excess without unpacking it.
            plain += decoder.decompress(_narrow(rest[:size]), MAX_PLAIN_BLOCK_BYTES + 1 - len(plain))
            if len(plain) > MAX_PLAIN_BLOCK_BYTES:
                raise WireError("zstd", f"a block unpacks to more than {MAX_PLAIN_BLOCK_BYTES} bytes")
            if not decoder.eof:
                raise WireError("zstd", "a block ends inside a zstd frame")
            rest = rest[size:]
    except zstd.ZstdError as error:
        raise WireError("zstd", str(error)) from None
    return plain


def _narrow(frame: memoryview) -> memoryview | bytes:
    """The frame, asking for a window of 128 KiB at most (RFC 8878, section 3.1.1.1.2).

    Real nodes take any window, and zstd's streaming compressors ask for megabytes whatever they compress; content that
    a block may hold never reaches further back than this.
    """
    is_data = frame[:4] == _ZSTD_MAGIC
    if is_data and not frame[4] & _SINGLE_SEGMENT and frame[5] > _WIDEST_WINDOW:
        return b"".join((frame[:5], bytes((_WIDEST_WINDOW,)), frame[6:]))
    return frame


def _read_ops(plain: bytes, known: Mapping[bytes, Known], max_ops: int, cut: bool) -> list[NodeDelta]:
    """Turn operations into node deltas. Where the bytes were `cut`, an operation that ends outside them is left out."""
    deltas: list[NodeDelta] = []
    seen: set[bytes] = set()
    key_values: list[KeyValue] = []
    keys: dict[bytes, str] = {}  # nodes of one system mostly share their keys: each is decoded, and held, once
    head, u16, version_status = _OP_HEAD.unpack_from, _U16.unpack_from, _VERSION_STATUS.unpack_from
    size = len(plain)
    at = ops = 0
    floor = 0  # the highest version of the current node so far
    try:
        while at < size and ops < max_ops:
            ops += 1
            tag, length = head(plain, at)
            if tag == OP_KEY_VALUE:
                key_end = at + 3 + length
                value_end = key_end + 2 + u16(plain, key_end)[0]
                version, status = version_status(plain, value_end)
                if version <= floor:
                    raise WireError("version-order", "the versions of a node do not increase")
                if status > 2:
                    raise WireError("status", f"the status of a key-value is 0, 1 or 2, not {status}")
                value = plain[key_end + 2 : value_end]
                if not value.isascii():
                    str(value, "utf-8")  # only checked here: `KeyValue` reads it again when asked
                raw_key = plain[at + 3 : key_end]
                key = keys.get(raw_key)
                if key is None:
                    key = keys[raw_key] = str(raw_key, "utf-8")
                end = value_end + 9
                if not deltas:
                    raise WireError("op-order", "a key-value before any node")
                key_values.append(KeyValue(key, version, status, plain[at:end]))
                floor = version
                at = end
            elif tag == _OP_NODE:
                id_end = node_id_end(plain, at + 1)
                encoded = plain[at + 1 : id_end]
                if encoded in seen:
                    raise WireError("node-twice", "a node appears twice in a delta")
                seen.add(encoded)
                gc, from_version = _U64_PAIR.unpack_from(plain, id_end)
                if deltas:
                    deltas[-1].max_version = floor
                holder = known.get(encoded)
                node = decode_node_id(encoded) if holder is None else holder.id
                key_values = []
                deltas.append(NodeDelta(node, gc, from_version, key_values))
                floor = 0
                at = id_end + 16
            elif tag == _OP_SET_MAX_VERSION:
                (version,) = _U64.unpack_from(plain, at + 1)
                if not deltas:
                    raise WireError("op-order", "a max version before any node")
                if version < floor:
                    raise WireError("version-order", "a max version below the key-values before it")
                floor = version
                at += 9
            else:
                raise WireError("op-tag", f"the tag of an operation is 0, 1 or 2, not {tag}")
    except (IndexError, struct.error):
        if not cut:
            raise WireError("short", "the delta ends inside an operation") from None
    except UnicodeDecodeError:
        raise WireError("utf-8", "a key or value is not UTF-8") from None
    except WireError as error:
        if not (cut and error.reason == "short"):
            raise
    if deltas:
        deltas[-1].max_version = floor
    return deltas
