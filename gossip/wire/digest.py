"""Digests: what a node says it knows of every node (spec sections 2 and 9).

In a settled cluster all nodes list the same identities in the same order, so one compiled `struct` reads a whole digest
in one call: `DigestLayout`. A digest that does not fit the layout is read entry by entry.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar
from zlib import crc32

from coterie.gossip.errors import WireError
from coterie.gossip.wire.identity import decode_node_id, node_id_end

MAX_STRIPE_BITS = 12
"""A digest is cut into at most 2^12 stripes."""

TRAILER_BYTES = 12
_TRAILER_MAGIC = b"COT1"
_TRAILER_VERSION = 1
_TRAILER = struct.Struct("<4sBBH")

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_COUNTERS = struct.Struct("<QQQ")


class Stripe(NamedTuple):
    """The nodes of whose `stripe_hash` the low `bits` bits are `number`. Zero bits mean all nodes."""

    bits: int
    number: int

    def holds(self, stripe_hash: int) -> bool:
        return stripe_hash & ((1 << self.bits) - 1) == self.number

    def within(self, other: Stripe) -> bool:
        """Whether every node of this stripe is of the `other` too."""
        return self.bits >= other.bits and other.holds(self.number)

    def encode_trailer(self) -> bytes:
        """The 12 bytes behind a striped message. Real chitchat nodes ignore them. Empty for the whole digest."""
        if self.bits == 0:
            return b""
        head = _TRAILER.pack(_TRAILER_MAGIC, _TRAILER_VERSION, self.bits, self.number)
        return head + _U32.pack(crc32(head))

    @classmethod
    def decode_trailer(cls, tail: bytes) -> Stripe:
        """The stripe that the last 12 bytes of `tail` name; WHOLE where they are no trailer."""
        if len(tail) >= TRAILER_BYTES:
            head = tail[-TRAILER_BYTES:-4]
            magic, version, bits, number = _TRAILER.unpack(head)
            if (
                magic == _TRAILER_MAGIC
                and version == _TRAILER_VERSION
                and tail[-4:] == _U32.pack(crc32(head))
                and 0 < bits <= MAX_STRIPE_BITS
                and number < 1 << bits
            ):
                return cls(bits, number)
        return WHOLE


WHOLE = Stripe(0, 0)


class Entry(Protocol):
    """A node as a digest shows it."""

    @property
    def encoded(self) -> bytes: ...
    @property
    def heartbeat(self) -> int: ...
    @property
    def last_gc_version(self) -> int: ...
    @property
    def max_version(self) -> int: ...


EntryT_co = TypeVar("EntryT_co", bound=Entry, covariant=True)


@dataclass(frozen=True, slots=True)
class Digest:
    """Four columns of equal length, one row per node, no node twice."""

    ids: tuple[bytes, ...] = ()
    heartbeats: Sequence[int] = ()
    last_gc_versions: Sequence[int] = ()
    max_versions: Sequence[int] = ()


def encode_digest(entries: Sequence[Entry]) -> bytes:
    """Write entries in the order given: by rule, ascending node id order."""
    pack = _COUNTERS.pack
    return _U16.pack(len(entries)) + b"".join(
        [e.encoded + pack(e.heartbeat, e.last_gc_version, e.max_version) for e in entries]
    )


def encode_digest_columns(digest: Digest) -> bytes:
    """The same from columns."""
    rows = zip(digest.ids, digest.heartbeats, digest.last_gc_versions, digest.max_versions, strict=True)
    return _U16.pack(len(digest.ids)) + b"".join([i + _COUNTERS.pack(h, g, m) for i, h, g, m in rows])


class DigestLayout(Generic[EntryT_co]):
    """The identities that a digest is expected to list, in order, and what reads them all at once."""

    def __init__(self, entries: Sequence[EntryT_co]) -> None:
        self.entries = entries
        self.size = sum(len(e.encoded) for e in entries) + len(entries) * _COUNTERS.size

    @cached_property
    def ids(self) -> tuple[bytes, ...]:
        return tuple(e.encoded for e in self.entries)

    @cached_property
    def struct(self) -> struct.Struct:
        return struct.Struct("<" + "".join([f"{len(i)}sQQQ" for i in self.ids]))

    def read(self, buf: bytes, at: int) -> Digest | None:
        """The rows at `at`, or None where they are not those of this layout."""
        if at + self.size > len(buf):
            return None
        flat = self.struct.unpack_from(buf, at)
        if flat[0::4] != self.ids:
            return None
        return Digest(self.ids, flat[1::4], flat[2::4], flat[3::4])


def read_digest(
    buf: bytes, start: int, known: Mapping[bytes, object], layout: DigestLayout[Entry] | None, led_by_sender: bool
) -> tuple[Digest, int]:
    """Read the digest at `start`: its rows, and the offset behind it.

    `layout` is the guess at what it lists, behind the sender's own entry where it is `led_by_sender`. Identities that
    are not `known` have their text checked.
    """
    if start + 2 > len(buf):
        raise WireError("short", "the datagram ends before the digest's count")
    (count,) = _U16.unpack_from(buf, start)
    at = start + 2
    if layout is not None and count == len(layout.entries) + led_by_sender:
        if not led_by_sender:
            rows = layout.read(buf, at)
            if rows is not None:
                return rows, at + layout.size
        elif count:
            first, behind = _read_rows(buf, at, 1, known)
            rows = layout.read(buf, behind)
            if rows is not None:
                return _with_sender(first, rows), behind + layout.size
    return _read_rows(buf, at, count, known)


def _with_sender(sender: Digest, rows: Digest) -> Digest:
    """Put the sender's row before a stripe's, unless the stripe repeats it: the last of a duplicate wins."""
    if sender.ids[0] in rows.ids:
        return rows
    return Digest(
        (*sender.ids, *rows.ids),
        (*sender.heartbeats, *rows.heartbeats),
        (*sender.last_gc_versions, *rows.last_gc_versions),
        (*sender.max_versions, *rows.max_versions),
    )


def _read_rows(buf: bytes, at: int, count: int, known: Mapping[bytes, object]) -> tuple[Digest, int]:
    rows: dict[bytes, tuple[int, int, int]] = {}
    counters = _COUNTERS.unpack_from
    try:
        for _ in range(count):
            end = node_id_end(buf, at)
            encoded = buf[at:end]
            if encoded not in known:
                decode_node_id(encoded)
            rows[encoded] = counters(buf, end)
            at = end + 24
    except struct.error:
        raise WireError("short", "the datagram ends inside a digest") from None
    flat = tuple(chain.from_iterable(rows.values()))
    return Digest(tuple(rows), flat[0::3], flat[1::3], flat[2::3]), at
