"""What the commands of the metadata print with `--json`, in the words of the API."""

from __future__ import annotations

from math import isinf
from typing import Any, Literal

import msgspec

from coterie.app.client.encoding import encoded
from coterie.consensus.api.types import ReadResult
from coterie.consensus.store import Event, Record

Encoding = Literal["utf-8", "base64"]


class MetaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one key."""

    key: str
    key_encoding: Encoding = "utf-8"
    """`base64` where the key is not UTF-8 text."""
    value: str
    encoding: Encoding
    """Of `value`: `base64` where it is not UTF-8 text."""
    create_revision: int
    mod_revision: int
    """Of this version: what `--expect` takes."""
    version: int
    """1 for a new key, one more with every write."""
    lease: int
    """The lease that it lives with; 0 for none."""


class MetaKey(MetaRecord, frozen=True, kw_only=True):
    """A key, and how fresh the answer is."""

    revision: int
    """The state's as it was read."""
    stale_seconds: float | None
    """With `--stale`: how old this may be at most; null otherwise, or where nobody knows."""


class MetaKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys in order, all as of one revision."""

    revision: int
    stale_seconds: float | None
    keys: tuple[MetaRecord, ...]
    more: bool
    """There are more than `--limit`."""


class MetaPut(msgspec.Struct, frozen=True):
    """Written, and replicated to a majority."""

    key: str
    revision: int
    """Of this write."""
    prev: MetaRecord | None
    """With `--prev`: what was replaced."""


class MetaDelete(msgspec.Struct, frozen=True):
    """Deleted, what was there."""

    key: str
    """Or the prefix."""
    revision: int
    """Of the deletion; the current one where there was nothing to delete."""
    deleted: int


class MetaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one key."""

    revision: int
    type: Literal["put", "delete"]
    key: str
    key_encoding: Encoding = "utf-8"
    record: MetaRecord | None
    """As it was written; null for a deletion."""
    prev: MetaRecord | None
    """What it was before; null for a new key."""


class MetaHistory(msgspec.Struct, frozen=True):
    """The changes of a key, oldest first."""

    key: str
    compacted: int
    """What was changed up to this revision is not remembered any more; 0: all is."""
    changes: tuple[MetaChange, ...]


def _text(data: bytes) -> tuple[str, Encoding]:
    shown = encoded(data)
    return shown["value"], "base64" if "encoding" in shown else "utf-8"


def show_record(record: Record) -> MetaRecord:
    key, key_encoding = _text(record.key)
    value, encoding = _text(record.value)
    return MetaRecord(
        key=key,
        key_encoding=key_encoding,
        value=value,
        encoding=encoding,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease,
    )


def show_optional(record: Record | None) -> MetaRecord | None:
    return None if record is None else show_record(record)


def show_change(event: Event) -> MetaChange:
    key, key_encoding = _text(event.key)
    return MetaChange(
        revision=event.revision,
        type="delete" if event.record is None else "put",
        key=key,
        key_encoding=key_encoding,
        record=show_optional(event.record),
        prev=show_optional(event.prev),
    )


def stale_seconds(answer: ReadResult[Any]) -> float | None:
    return None if answer.staleness is None or isinf(answer.staleness) else answer.staleness
