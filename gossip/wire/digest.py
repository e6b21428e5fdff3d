"""Digests: how far a node holds the state of every node (gossip spec 2, 11).

In a settled cluster all nodes list the same identities in the same order, so one compiled `struct` reads a whole digest
in one call (`DigestLayout`). A digest of another layout is read entry by entry.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Generic, Protocol, TypeVar

from coterie.gossip.errors import WireError
from coterie.gossip.wire.blocks import BlockWriter, read_blocks
from coterie.gossip.wire.identity import check_node_id, node_id_end

MAX_DIGEST_PLAIN_BYTES = 384 * 1024
"""What a compressed digest may unpack to. Chitchat's fit a datagram only up to about 220 kB."""

_U16 = struct.Struct("<H")
_COUNTERS = struct.Struct("<QQQ")


class DigestEntry(Protocol):
    """One node's row of a digest."""

    @property
    def encoded(self) -> bytes: ...
    @property
    def heartbeat(self) -> int: ...
    @property
    def last_gc_version(self) -> int: ...
    @property
    def max_version(self) -> int: ...


EntryT_co = TypeVar("EntryT_co", bound=DigestEntry, covariant=True)


@dataclass(frozen=True, slots=True)
class Digest:
    """Four columns of equal length, one row per node, no node twice."""

    ids: tuple[bytes, ...] = ()
    heartbeats: Sequence[int] = ()
    last_gc_versions: Sequence[int] = ()
    max_versions: Sequence[int] = ()


def encode_digest(entries: Sequence[DigestEntry], version: int) -> bytes:
    """Write entries in the order given, which by the protocol is ascending node id order. `version`: of the message."""
    pack = _COUNTERS.pack
    rows = b"".join([e.encoded + pack(e.heartbeat, e.last_gc_version, e.max_version) for e in entries])
    if version == 0:
        return _U16.pack(len(entries)) + rows
    blocks = BlockWriter()
    blocks.append(rows)
    return blocks.finish()


class DigestLayout(Generic[EntryT_co]):
    """The identities that a digest is expected to list, in order; reads them all in one call."""

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
        """Read the rows at `at`; None where they have another layout."""
        if at + self.size > len(buf):
            return None
        flat = self.struct.unpack_from(buf, at)
        if flat[0::4] != self.ids:
            return None
        return Digest(self.ids, flat[1::4], flat[2::4], flat[3::4])


def read_digest(
    buf: bytes,
    start: int,
    version: int,
    known: Mapping[bytes, object],
    layout: DigestLayout[DigestEntry] | None,
    led_by_sender: bool,
) -> tuple[Digest, int]:
    """Read the digest at `start` of a message of this `version`: its rows, and the offset after it. Raises WireError.

    `layout` is the expected layout, after the sender's own entry where the digest is `led_by_sender`. Only the text of
    identities that are not `known` is checked.
    """
    if version == 0:
        return _read_counted(buf, start, known, layout, led_by_sender)
    plain, end, cut = read_blocks(buf, start, MAX_DIGEST_PLAIN_BYTES + 1)
    if cut:
        raise WireError("digest-size", f"a digest unpacks to more than {MAX_DIGEST_PLAIN_BYTES} bytes")
    sender = node_id_end(plain, 0) + _COUNTERS.size if led_by_sender and plain else 0
    expects = layout is not None and len(plain) == layout.size + sender
    return _read_expected(plain, 0, None, known, layout if expects else None, bool(sender))[0], end


def _read_counted(
    buf: bytes, start: int, known: Mapping[bytes, object], layout: DigestLayout[DigestEntry] | None, led_by_sender: bool
) -> tuple[Digest, int]:
    if start + 2 > len(buf):
        raise WireError("short", "the datagram ends before the digest's count")
    (count,) = _U16.unpack_from(buf, start)
    expects = layout is not None and count == len(layout.entries) + led_by_sender
    return _read_expected(buf, start + 2, count, known, layout if expects else None, led_by_sender)


def _read_expected(
    buf: bytes,
    at: int,
    count: int | None,
    known: Mapping[bytes, object],
    layout: DigestLayout[DigestEntry] | None,
    led_by_sender: bool,
) -> tuple[Digest, int]:
    """`count` rows, or all up to the end of `buf`; in one call where they have the `layout`."""
    if layout is not None:
        if not led_by_sender:
            rows = layout.read(buf, at)
            if rows is not None:
                return rows, at + layout.size
        else:
            first, behind = _read_rows(buf, at, 1, known)
            rows = layout.read(buf, behind)
            if rows is not None:
                return _with_sender(first, rows), behind + layout.size
    return _read_rows(buf, at, count, known)


def _with_sender(sender: Digest, rows: Digest) -> Digest:
    """Put the sender's row before a stripe's rows. Where the stripe repeats it, the later row wins."""
    if sender.ids[0] in rows.ids:
        return rows
    return Digest(
        (*sender.ids, *rows.ids),
        (*sender.heartbeats, *rows.heartbeats),
        (*sender.last_gc_versions, *rows.last_gc_versions),
        (*sender.max_versions, *rows.max_versions),
    )


def _read_rows(buf: bytes, at: int, count: int | None, known: Mapping[bytes, object]) -> tuple[Digest, int]:
    rows: dict[bytes, tuple[int, int, int]] = {}
    counters = _COUNTERS.unpack_from
    try:
        while at < len(buf) if count is None else count > 0:
            count = None if count is None else count - 1
            end = node_id_end(buf, at)
            encoded = buf[at:end]
            if encoded not in known:
                check_node_id(encoded)
            rows[encoded] = counters(buf, end)
            at = end + 24
    except struct.error:
        raise WireError("short", "the datagram ends inside a digest") from None
    flat = tuple(chain.from_iterable(rows.values()))
    return Digest(tuple(rows), flat[0::3], flat[1::3], flat[2::3]), at
