"""Versioned key-values in their wire form (gossip spec 2)."""

from __future__ import annotations

import struct
from enum import IntEnum

OP_KEY_VALUE = 1
"""Tag of a KeyValue operation in a delta."""

KEY_COST = 256
"""A key-value counts as so many bytes more than it takes on the wire."""

_U16 = struct.Struct("<H")
_VERSION_STATUS = struct.Struct("<QB")


class KeyStatus(IntEnum):
    """The status of one version of a key; the numbers are those on the wire."""

    SET = 0
    DELETE = 1
    """Tombstone: invisible, kept until collected."""
    DELETE_AFTER_TTL = 2
    """Visible until collected, then gone."""

    @property
    def label(self) -> str:
        """The name that the documented JSON uses."""
        return ("Set", "Delete", "DeleteAfterTtl")[self]


def held_bytes(key: str, value: str) -> int:
    """What a version of a key takes in memory, roughly."""
    return 14 + len(key.encode()) + len(value.encode()) + KEY_COST


SET, DELETE, DELETE_AFTER_TTL = 0, 1, 2
"""The same numbers as plain ints, for hot paths."""


class KeyValue:
    """One version of one key, immutable. `op` is its KeyValue operation in wire form.

    Every peer gets the same bytes, so they are kept. `value` is decoded from them at each access.
    """

    __slots__ = ("key", "op", "status", "version")

    def __init__(self, key: str, version: int, status: int, op: bytes) -> None:
        self.key = key
        self.version = version
        self.status = status
        self.op = op

    @classmethod
    def make(cls, key: str, value: str, version: int, status: int) -> KeyValue:
        """Encode a new version. Key and value must be encodable as UTF-8 and at most 65,535 bytes each."""
        k, v = key.encode(), value.encode()
        parts = (b"\x01", _U16.pack(len(k)), k, _U16.pack(len(v)), v, _VERSION_STATUS.pack(version, status))
        return cls(key, version, status, b"".join(parts))

    def with_version(self, version: int) -> KeyValue:
        """The same key, value and status under another version."""
        return KeyValue(self.key, version, self.status, self.op[:-9] + _VERSION_STATUS.pack(version, self.status))

    @property
    def value(self) -> str:
        value_at = 5 + (self.op[1] | self.op[2] << 8)
        return str(self.op[value_at:-9], "utf-8")

    @property
    def held_bytes(self) -> int:
        """What it takes in memory, roughly: its bytes on the wire, and KEY_COST for the objects around them."""
        return len(self.op) + KEY_COST

    @property
    def visible(self) -> bool:
        return self.status != DELETE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyValue) and self.op == other.op

    def __hash__(self) -> int:
        return hash(self.op)

    def __repr__(self) -> str:
        return f"KeyValue({self.key!r}, {self.value!r}, version={self.version}, {KeyStatus(self.status).label})"
