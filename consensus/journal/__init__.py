"""The files of a Raft member: log, term and vote, snapshots, identity. `open_member_directory` opens all of them.

The names imported here are the package's public ones. How it works, and why: DESIGN.md beside this file.
"""

from coterie.consensus.journal.config import JournalConfig, SettingError
from coterie.consensus.journal.directory import MemberDirectory, open_member_directory
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
from coterie.consensus.journal.files.filesystem import DirectoryLock, DiskFiles, File, Files
from coterie.consensus.journal.files.identity import IdentityFile
from coterie.consensus.journal.log.journal import FileJournal
from coterie.consensus.journal.snapshots.draft import SnapshotDraft
from coterie.consensus.journal.snapshots.reader import FileSnapshotReader
from coterie.consensus.journal.snapshots.store import FileSnapshotStore

__all__ = [
    "CorruptFileError",
    "CorruptSnapshotFileError",
    "DirectoryInUseError",
    "DirectoryLock",
    "DiskFailedError",
    "DiskFiles",
    "DiskFullError",
    "DiskThread",
    "File",
    "FileJournal",
    "FileSnapshotReader",
    "FileSnapshotStore",
    "Files",
    "IdentityError",
    "IdentityFile",
    "JournalConfig",
    "LogGapError",
    "MemberDirectory",
    "MissingFileError",
    "MisuseError",
    "SettingError",
    "SnapshotDraft",
    "SnapshotRefusedError",
    "StorageError",
    "UnknownFormatError",
    "WrongMemberError",
    "open_member_directory",
]
