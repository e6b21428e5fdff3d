"""Checks a node's full state that came by other means than gossip: gossip must be able to carry it (gossip spec 4)."""

from __future__ import annotations

from collections.abc import Iterable

from coterie.gossip.errors import StateUpdateError
from coterie.gossip.wire.identity import MAX_STRING_BYTES, U64_MAX
from coterie.gossip.wire.key_value import KeyStatus, KeyValue


def check_imported_state(
    key_values: Iterable[tuple[str, str, int, KeyStatus]], max_version: int, last_gc_version: int
) -> list[KeyValue]:
    """Make key-values of (key, value, version, status) tuples.

    Raises StateUpdateError where a version is not between 1 and `max_version`, where a key or version repeats, and
    where the wire cannot carry it.
    """
    if not (0 <= max_version <= U64_MAX and 0 <= last_gc_version <= U64_MAX):
        raise StateUpdateError("max_version and last_gc_version must be from 0 to 2^64 - 1")
    given: list[KeyValue] = []
    for key, value, version, status in key_values:
        if not 1 <= version <= max_version:
            raise StateUpdateError(f"key {key!r} has version {version}, not 1 to max_version = {max_version}")
        if max(len(key.encode()), len(value.encode())) > MAX_STRING_BYTES:
            raise StateUpdateError(f"key {key[:40]!r} or its value is longer than {MAX_STRING_BYTES} bytes")
        given.append(KeyValue.make(key, value, version, status))
    if len({kv.key for kv in given}) < len(given) or len({kv.version for kv in given}) < len(given):
        raise StateUpdateError("a key or a version is given twice")
    return given
