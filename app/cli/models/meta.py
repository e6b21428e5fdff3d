"""What commands of the metadata print with `--json` where no answer of the API has that shape."""

from __future__ import annotations

from math import isinf
from typing import Any, Literal

import msgspec

from coterie.app.wire.base import Encoding
from coterie.app.wire.encoding import to_text
from coterie.app.wire.keys import MetaRecord
from coterie.consensus.api.types import ReadResult
from coterie.consensus.store import Event, Record


class MetaKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys in order, all as of one revision."""

    revision: int
    stale_seconds: float | None
    keys: tuple[MetaRecord, ...]
    more: bool
    """There are more than `--limit`."""


class Imported(msgspec.Struct, frozen=True):
    """What was written."""

    keys: int
    revision: int
    """The last; 0 where there were no keys."""


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


def show_record(record: Record) -> MetaRecord:
    key, key_encoding = to_text(record.key)
    value, encoding = to_text(record.value)
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
    key, key_encoding = to_text(event.key)
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
