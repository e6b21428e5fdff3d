"""Deltas on the wire: operations in a block stream (gossip spec 2).

Reading and writing have two bounds: plain bytes and operations. A reader ignores what follows a bound: a prefix of a
delta is a delta.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coterie.gossip.errors import WireError
from coterie.gossip.wire.blocks import BlockWriter, read_blocks
from coterie.gossip.wire.identity import U64_MAX, NodeId, decode_node_id, node_id_end
from coterie.gossip.wire.key_value import OP_KEY_VALUE, KeyValue

_OP_NODE, _OP_SET_MAX_VERSION = 0, 2

_OP_HEAD = struct.Struct("<BH")  # a tag, and the length of the text that two of the three operations start with
_U16 = struct.Struct("<H")
_U64 = struct.Struct("<Q")
_U64_PAIR = struct.Struct("<QQ")
_VERSION_STATUS = struct.Struct("<QB")


class Known(Protocol):
    """What a reader holds under an encoded identity."""

    @property
    def id(self) -> NodeId: ...
    def floor_of(self, last_gc_version: int, from_version_excluded: int) -> int:
        """The version up to which it wants no key-value of a node delta with these versions."""
        ...


@dataclass(slots=True)
class NodeDelta:
    """One node's part of a delta. `max_version` is 0 where it has no KeyValue and no SetMaxVersion.

    `key_values` leaves out those that the reader does not want.
    """

    node: NodeId
    last_gc_version: int
    from_version_excluded: int
    key_values: list[KeyValue] = field(default_factory=list)
    max_version: int = 0
    op_bytes: int = field(default=-1, compare=False)
    """What the key-values take on the wire; -1 where nobody has counted."""


# -- writing -------------------------------------------------------------------------------------------------------


class DeltaWriter:
    """Fills a delta of at most `budget` bytes, end byte included, which unpacks to `max_bytes` and `max_ops`."""

    def __init__(self, budget: int, max_bytes: int, max_ops: int) -> None:
        self._budget = budget
        self._plain_left = max_bytes
        self._ops_left = max_ops
        self._blocks = BlockWriter()
        self._sure = 0  # so many plain bytes fit, however badly they compress; perhaps more

    @property
    def full(self) -> bool:
        """Whether no node can be added any more, as far as it does not depend on the node."""
        return self._ops_left < 2

    def _fits(self, size: int) -> bool:
        return size <= self._plain_left and self._blocks.size_with(size) <= self._budget

    def _append(self, plain: bytes, ops: int) -> None:
        self._blocks.append(plain)
        self._sure -= len(plain)
        self._plain_left -= len(plain)
        self._ops_left -= ops

    def add_node(
        self,
        encoded: bytes,
        last_gc_version: int,
        from_version_excluded: int,
        key_values: Sequence[KeyValue],
        max_version: int,
    ) -> bool:
        """Add a node's operations as far as they fit; where there is no key-value, SetMaxVersion(`max_version`).

        Returns whether all of them fit. Writes nothing where the first operation does not fit.
        """
        if self._ops_left < 2:
            return False
        head = b"".join((b"\0", encoded, _U64_PAIR.pack(last_gc_version, from_version_excluded)))
        fitting = key_values[: self._ops_left - 1] if len(key_values) >= self._ops_left else key_values
        ops = [kv.op for kv in fitting] or [b"\x02" + _U64.pack(max_version)]
        whole = b"".join((head, *ops))
        if len(whole) > self._sure:
            self._sure = min(self._plain_left, self._blocks.raw_room(self._budget))
        if len(whole) <= self._sure or self._fits(len(whole)):
            self._append(whole, 1 + len(ops))
            return fitting is key_values
        if not self._fits(len(head) + len(ops[0])):
            return False
        self._append(head, 1)
        for op in ops:
            if not self._fits(len(op)):
                return False
            self._append(op, 1)
        return len(ops) >= len(key_values)

    def finish(self) -> bytes:
        """The delta as it stands in the message. The writer is not used after this."""
        return self._blocks.finish()


# -- reading -------------------------------------------------------------------------------------------------------


def read_delta(
    buf: bytes,
    start: int,
    known: Mapping[bytes, Known],
    max_bytes: int,
    max_ops: int,
    introduced: tuple[bytes, ...] | None = None,
) -> tuple[list[NodeDelta], int]:
    """Read the delta at `start`: its node deltas, and the offset after its end byte. Raises WireError.

    `introduced`: the identities that are wanted although they are not known; None where every key-value is wanted.
    Where a bound ends the reading early, the offset is the end of the buffer: what follows is unknown.
    """
    plain, end, cut = read_blocks(buf, start, max_bytes)
    return _read_ops(plain, known, max_ops, introduced, cut), end


def _read_ops(
    plain: bytes, known: Mapping[bytes, Known], max_ops: int, introduced: tuple[bytes, ...] | None, cut: bool
) -> list[NodeDelta]:
    """Decode operations. Where the bytes were `cut`, the operation that ends outside them is left out.

    Steps over key-values that nobody wants: their text is not looked at.
    """
    deltas: list[NodeDelta] = []
    seen: set[bytes] = set()
    among: frozenset[bytes] | None = None
    key_values: list[KeyValue] = []
    keys: dict[bytes, str] = {}  # most nodes share their keys: each is decoded and held once
    head, u16, version_status = _OP_HEAD.unpack_from, _U16.unpack_from, _VERSION_STATUS.unpack_from
    size = len(plain)
    at = ops = 0
    bar = U64_MAX  # what is up to this version is out of order, or not wanted: the rare cases share one comparison
    last = 0  # the highest version of the current node while none of its key-values was wanted
    begin = 0  # of its key-values, unwanted bytes not counted
    try:
        while at < size and ops < max_ops:
            ops += 1
            tag, length = head(plain, at)
            if tag == OP_KEY_VALUE:
                key_end = at + 3 + length
                value_end = key_end + 2 + u16(plain, key_end)[0]
                version, status = version_status(plain, value_end)
                if status > 2:
                    raise WireError("status", f"the status of a key-value is 0, 1 or 2, not {status}")
                if version <= bar:
                    if not deltas:
                        raise WireError("op-order", "a key-value before any node")
                    if key_values or version <= last:
                        raise WireError("version-order", "the versions of a node do not increase")
                    last = version
                    begin += value_end + 9 - at
                    at = value_end + 9
                    continue
                value = plain[key_end + 2 : value_end]
                if not value.isascii():
                    str(value, "utf-8")  # only checked: `KeyValue.value` decodes it again
                raw_key = plain[at + 3 : key_end]
                key = keys.get(raw_key)
                if key is None:
                    key = keys[raw_key] = str(raw_key, "utf-8")
                end = value_end + 9
                key_values.append(KeyValue(key, version, status, plain[at:end]))
                bar = version
                at = end
            elif tag == _OP_NODE:
                id_end = node_id_end(plain, at + 1)
                encoded = plain[at + 1 : id_end]
                if encoded in seen:
                    raise WireError("node-twice", "a node appears twice in a delta")
                seen.add(encoded)
                gc, from_version = _U64_PAIR.unpack_from(plain, id_end)
                if deltas:
                    deltas[-1].max_version = bar if key_values else last
                    deltas[-1].op_bytes = at - begin
                holder = known.get(encoded)
                node = decode_node_id(encoded) if holder is None else holder.id
                last = bar = 0
                if introduced is not None:
                    if holder is not None:
                        bar = holder.floor_of(gc, from_version)
                    else:
                        if among is None:
                            among = frozenset(introduced)
                        bar = 0 if encoded in among else U64_MAX
                key_values = []
                deltas.append(NodeDelta(node, gc, from_version, key_values))
                at = begin = id_end + 16
            elif tag == _OP_SET_MAX_VERSION:
                (version,) = _U64.unpack_from(plain, at + 1)
                if not deltas:
                    raise WireError("op-order", "a max version before any node")
                if version < (bar if key_values else last):
                    raise WireError("version-order", "a max version below the key-values before it")
                last = version
                if key_values or version > bar:
                    bar = version
                at += 9
                begin += 9
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
        deltas[-1].max_version = bar if key_values else last
        deltas[-1].op_bytes = at - begin
    return deltas
