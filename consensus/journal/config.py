"""The settings of the files of a Raft member, with defaults and units."""

from __future__ import annotations

from dataclasses import dataclass, fields

MIB = 1024 * 1024

MIN_SEGMENT_BYTES = 4_096

MAX_SEGMENT_BYTES = 1024 * MIB
"""A segment is read whole when the directory is opened."""

MAX_CHUNK_BYTES = 4 * MIB
"""Ceiling of a snapshot's chunk, on reading too: what a corrupt length can make a reader allocate."""

MAX_SNAPSHOT_HEAD_BYTES = 64 * MIB
"""Ceiling of a snapshot's head, which holds two log entries and the configuration."""


class SettingError(ValueError):
    """A setting has a value that cannot work; the message names it and says the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """Everything about the files that can be set. Sizes are in bytes."""

    segment_bytes: int = 16 * MIB
    """Size of a segment; it is allocated before anything is accepted into it. No batch may be larger."""
    reserve_bytes: int = 65_536
    """Held back from clients' writes, for what a node must still be able to log on a full disk."""
    max_log_bytes: int = 256 * MIB
    """Memory that the entries since the last snapshot may take before writes are refused; as a follower twice that."""
    snapshot_chunk_bytes: int = 262_144
    """Bytes of a snapshot under one checksum."""
    max_snapshot_bytes: int = 1024 * MIB
    """The largest snapshot file that is taken from a peer."""

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) <= 0:
                raise SettingError(f"{item.name} must be above 0, not {getattr(self, item.name)}")
        if not MIN_SEGMENT_BYTES <= self.segment_bytes <= MAX_SEGMENT_BYTES:
            raise SettingError(f"segment_bytes must lie between {MIN_SEGMENT_BYTES} and {MAX_SEGMENT_BYTES}")
        if self.reserve_bytes > self.segment_bytes // 2:
            raise SettingError("reserve_bytes must be at most half of segment_bytes")
        if self.snapshot_chunk_bytes > MAX_CHUNK_BYTES:
            raise SettingError(f"snapshot_chunk_bytes must be at most {MAX_CHUNK_BYTES}")
