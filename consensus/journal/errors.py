"""What can go wrong with a member's files, as types, each saying what to do (raft spec 1, promise 5)."""

from __future__ import annotations

from pathlib import Path

from coterie.consensus.raft.errors import CorruptSnapshotError, CorruptStateError, RaftError, SafetyError

REJOIN_ADVICE = (
    "Do not delete or edit single files to get it going: a member that forgets what it acknowledged can cost the "
    "whole cluster its data. Set the directory aside and let this node join again as a new member, with an empty one"
)


class StorageError(RaftError):
    """Base of every error this package raises."""


class DiskFullError(StorageError, OSError):
    """There is no space left for what was asked."""


class DiskFailedError(StorageError, OSError):
    """A disk call failed. What reached the disk is not known after a failed sync: the member must stop, not retry."""


class DirectoryInUseError(StorageError):
    """Another process (or another node of this one) holds the directory's lock."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} is in use by another process; stop it, or give this node a directory of its own")


class CorruptFileError(StorageError, CorruptStateError):
    """A file holds other bytes than were synced to it. The node must not start."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}. {REJOIN_ADVICE}")
        self.path = path


class CorruptSnapshotFileError(CorruptFileError, CorruptSnapshotError):
    """The same, of a snapshot."""


class MissingFileError(CorruptFileError):
    """A file that must be there is not."""


class LogGapError(CorruptFileError):
    """Entries are missing inside the log, or between the snapshot and the log."""


class WrongMemberError(CorruptFileError):
    """A file belongs to another member's directory."""


class UnknownFormatError(StorageError, CorruptStateError):
    """A file was written by a version of this program that this one does not know."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(f"{path} has format version {version}, which this program does not know; run the newer one")


class SnapshotRefusedError(StorageError, CorruptSnapshotError):
    """Bytes that came as a snapshot are none, or not all of one. Ask the sender again."""


class IdentityError(StorageError):
    """The directory already belongs to another cluster."""


class MisuseError(StorageError, SafetyError):
    """The caller broke a rule that keeps the log sound: a gap, a second vote in a term, a term going back."""
