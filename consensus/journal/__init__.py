"""The files of a Raft member: log, term and vote, snapshots, identity. `open_store` opens all of them.

What is imported here is the package's public face. How it works, and why: DESIGN.md beside this file.
"""

from coterie.consensus.journal.config import JournalConfig, SettingError
from coterie.consensus.journal.directory import Store, open_store
from coterie.consensus.journal.disk_thread import DiskThread
from coterie.consensus.journal.errors import (
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
from coterie.consensus.journal.files.filesystem import DiskFiles, File, Files, Lock
from coterie.consensus.journal.files.identity import Identity
from coterie.consensus.journal.log.journal import Journal
from coterie.consensus.journal.snapshots.reader import SnapshotReader
from coterie.consensus.journal.snapshots.snapshots import SnapshotDraft, SnapshotStore

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
