"""The files of a Raft member: log, term and vote, snapshots, identity. `open_store` opens all of them.

What is imported here is the package's public face. How it works, and why: DESIGN.md beside this file.
"""

from consensus.journal.config import JournalConfig, SettingError
from consensus.journal.disk_thread import DiskThread
from consensus.journal.errors import (
    CorruptFileError,
    CorruptSnapshotFileError,
    DirectoryInUseError,
    DiskFailedError,
    DiskFullError,
    IdentityError,
    LogGapError,
    MissingFileError,
    MisuseError,
    SnapshotRefusedError,
    StorageError,
    UnknownFormatError,
    WrongMemberError,
)
from consensus.journal.files import DiskFiles, File, Files, Lock
from consensus.journal.identity import Identity
from consensus.journal.journal import Journal
from consensus.journal.snapshot_reader import SnapshotReader
from consensus.journal.snapshots import SnapshotDraft, SnapshotStore
from consensus.journal.store import Store, open_store

__all__ = [
    "CorruptFileError",
    "CorruptSnapshotFileError",
    "DirectoryInUseError",
    "DiskFailedError",
    "DiskFiles",
    "DiskFullError",
    "DiskThread",
    "File",
    "Files",
    "Identity",
    "IdentityError",
    "Journal",
    "JournalConfig",
    "Lock",
    "LogGapError",
    "MissingFileError",
    "MisuseError",
    "SettingError",
    "SnapshotDraft",
    "SnapshotReader",
    "SnapshotRefusedError",
    "SnapshotStore",
    "StorageError",
    "Store",
    "UnknownFormatError",
    "WrongMemberError",
    "open_store",
]
