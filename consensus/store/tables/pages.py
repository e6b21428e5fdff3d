"""Reads of keys, now or at a revision still in history, in pages (raft spec 3).

A page's token holds the revision and where to go on: the pages of one read show one state, whatever is written between
them. The state needs to know nothing of readers.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from coterie.consensus.store.schema.errors import BadTokenError, CompactedRevisionError, FutureRevisionError
from coterie.consensus.store.schema.limits import Limits
from coterie.consensus.store.schema.records import Record, record_bytes
from coterie.consensus.store.tables.keyspace import Keyspace


class _Token(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    revision: int
    start: bytes
    end: bytes | None


_TOKEN_FORMAT = 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Token).decode


@dataclass(frozen=True, slots=True)
class Page:
    records: list[Record]
    revision: int
    """The state that the page shows."""
    next: str | None
    """The token of the next page; None where this is the last one. Safe in URLs."""


def check_revision(keyspace: Keyspace, revision: int) -> None:
    if revision < keyspace.history.compacted:
        raise CompactedRevisionError(revision, keyspace.history.compacted)
    if revision > keyspace.revision:
        raise FutureRevisionError(revision, keyspace.revision)


def get_at(keyspace: Keyspace, key: bytes, revision: int) -> Record | None:
    check_revision(keyspace, revision)
    change = keyspace.history.first_after(key, revision)
    return change.prev if change is not None else keyspace.table.get(key)


def first_page(
    keyspace: Keyspace, limits: Limits, start: bytes, end: bytes | None, limit: int, revision: int | None
) -> Page:
    if revision is None:
        revision = keyspace.revision
    else:
        check_revision(keyspace, revision)
    limit = max(1, min(limit, limits.max_page_items))
    if revision == keyspace.revision:
        records = keyspace.table.scan(start, end, limit + 1)
    else:
        records = scan_at(keyspace, start, end, limit + 1, revision)
    count = _that_fit(records[:limit], limits.max_result_bytes)
    if count == len(records):
        return Page(records, revision, None)
    token = _Token(_TOKEN_FORMAT, revision, records[count].key, end)
    return Page(records[:count], revision, base64.urlsafe_b64encode(_encode(token)).decode().rstrip("="))


def page_range(token: str) -> tuple[bytes, bytes | None]:
    """What a page's token goes on with: from a key to below another, None for the end. Raises BadTokenError."""
    held = _read_token(token)
    return held.start, held.end


def next_page(keyspace: Keyspace, limits: Limits, token: str, limit: int) -> Page:
    held = _read_token(token)
    return first_page(keyspace, limits, held.start, held.end, limit, held.revision)


def _read_token(token: str) -> _Token:
    try:
        held = _decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise BadTokenError(f"not a page token: {token[:80]!r}") from error
    if held.format != _TOKEN_FORMAT:
        raise BadTokenError(f"a page token of format {held.format}; this node knows {_TOKEN_FORMAT}")
    return held


def scan_at(keyspace: Keyspace, start: bytes, end: bytes | None, limit: int, revision: int) -> list[Record]:
    """The first `limit` records of the range at an older revision, by windows of what is there now."""
    found: list[Record] = []
    while True:
        wanted = limit - len(found)
        now = keyspace.table.scan(start, end, wanted)
        window_end = end if len(now) < wanted else now[-1].key + b"\0"
        then: dict[bytes, Record | None] = {record.key: record for record in now}
        then.update(keyspace.history.undo(start, window_end, revision))
        found += [record for _, record in sorted(then.items()) if record is not None][:wanted]
        if len(found) >= limit or len(now) < wanted or window_end is None:
            return found
        start = window_end


def _that_fit(records: list[Record], size: int) -> int:
    """How many of the records fit into `size` bytes; the first one always does."""
    for count, record in enumerate(records):
        size -= record_bytes(record)
        if size < 0:
            return max(count, 1)
    return len(records)
