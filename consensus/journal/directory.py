"""A member's data directory: its lock, and opening everything in it in the one order that is safe (raft spec 2b).

    lock          held while the directory is open
    identity      member id, cluster id, incarnation; a directory without it holds no member
    vote          term and vote
    watermark     up to which frame the log was synced
    journal-*     segments of the log
    snapshot-*    the newest snapshot
    new           there only while a new directory is being made
    *.tmp         drafts; removed at the start

A new directory gets its identity last; an old one is verified whole before anything in it is counted.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.journal.errors import CorruptFileError, DirectoryInUseError, MissingFileError
from coterie.consensus.journal.files.filesystem import DirectoryLock, DiskFiles, Files, disk_call
from coterie.consensus.journal.files.identity import IDENTITY_NAME, IdentityFile
from coterie.consensus.journal.files.vote import VoteFile
from coterie.consensus.journal.files.watermark import Watermark
from coterie.consensus.journal.log.journal import FileJournal
from coterie.consensus.journal.log.recovery import newest_run, reconcile, replay
from coterie.consensus.journal.log.segment import Segment, read_segment, segment_name, segment_number
from coterie.consensus.journal.log.writer import (
    Entropy,
    SealedSegment,
    SegmentContext,
    SegmentWriter,
    create_first_segment,
    recover_tail,
)
from coterie.consensus.journal.snapshots.store import FileSnapshotStore

LOCK_NAME = "lock"
MARKER_NAME = "new"
DRAFT_SUFFIX = ".tmp"


class MemberDirectory:
    """An open data directory. `identity`, `journal` and `snapshots` are its parts."""

    def __init__(
        self,
        path: Path,
        lock: DirectoryLock,
        identity: IdentityFile,
        journal: FileJournal,
        snapshots: FileSnapshotStore,
    ) -> None:
        self.path = path
        self._lock = lock
        self.identity = identity
        self.journal = journal
        self.snapshots = snapshots
        self._closed = False

    def close(self) -> None:
        """Sync the journal unless it has failed, close everything, let the lock go. No sync may be in flight."""
        if not self._closed:
            self._closed = True
            with ExitStack() as stack:
                stack.callback(self._lock.close)
                stack.callback(self.identity.close)
                stack.callback(self.journal.close)


def open_member_directory(
    directory: Path,
    *,
    config: JournalConfig | None = None,
    files: Files | None = None,
    entropy: Entropy = os.urandom,
) -> MemberDirectory:
    """Open a member's directory, or make one; raise its incarnation. Everything that can be read is durable on return.

    Raises DirectoryInUseError; CorruptFileError and UnknownFormatError, where the node must not start; DiskFailedError;
    DiskFullError, for a new directory only (but see `FileJournal.has_room`).
    """
    files = files or DiskFiles()
    config = config or JournalConfig()
    with ExitStack() as undo:
        with disk_call(f"make {directory}"):
            files.make_directory(directory)
            try:
                lock = files.lock(directory / LOCK_NAME)
            except BlockingIOError:
                raise DirectoryInUseError(directory) from None
        undo.callback(lock.close)
        names = _without_drafts(files, directory)
        if IDENTITY_NAME not in names:
            _create(files, directory, names, config, entropy)
            names = _without_drafts(files, directory)
        identity = IdentityFile.open(files, directory)
        undo.callback(identity.close)
        snapshots = FileSnapshotStore(files, directory, config)
        snapshots.load(names)
        vote = VoteFile.open(files, directory, identity.member_id.bytes)
        undo.callback(vote.close)
        context = SegmentContext(files, directory, identity.member_id.bytes, config.segment_bytes, entropy)
        journal = _open_journal(context, names, vote, snapshots, config, undo)
        snapshots.tidy(names)
        identity.raise_incarnation()
        journal.sync()
        undo.pop_all()
        return MemberDirectory(directory, lock, identity, journal, snapshots)


def _without_drafts(files: Files, directory: Path) -> list[str]:
    """The names in the directory, after removing what was never finished."""
    with disk_call(f"read {directory}"):
        names = files.names(directory)
        for name in names:
            if name.endswith(DRAFT_SUFFIX):
                files.remove(directory / name)
    return [name for name in names if not name.endswith(DRAFT_SUFFIX)]


def _create(files: Files, directory: Path, names: list[str], config: JournalConfig, entropy: Entropy) -> None:
    """Make a new member. What an earlier attempt left is replaced; a directory that has lost its identity is refused.

    A marker tells the two apart: it is there, durably, from before the first file until after the identity.
    """
    marker = directory / MARKER_NAME
    remnants = [name for name in names if name not in {LOCK_NAME, MARKER_NAME}]
    if MARKER_NAME not in names and remnants:
        raise MissingFileError(directory / IDENTITY_NAME, f"is missing, but {remnants[0]} is there")
    with disk_call(f"make a new member in {directory}"):
        if MARKER_NAME not in names:
            files.create(marker).close()
        for name in remnants:
            files.remove(directory / name)
        files.sync_directory(directory)
    member_id = UUID(bytes=entropy(16), version=4)
    create_first_segment(SegmentContext(files, directory, member_id.bytes, config.segment_bytes, entropy))
    VoteFile.create(files, directory, member_id.bytes).close()
    Watermark.create(files, directory, member_id.bytes).close()
    IdentityFile.create(files, directory, member_id).close()


def _open_journal(
    context: SegmentContext,
    names: list[str],
    vote: VoteFile,
    snapshots: FileSnapshotStore,
    config: JournalConfig,
    undo: ExitStack,
) -> FileJournal:
    """Read the log, make it durable, and bring it in line with the snapshot."""
    files, directory = context.files, context.directory
    mark = Watermark.open(files, directory, context.member)
    undo.callback(mark.close)
    numbers = sorted(number for name in names if (number := segment_number(name)) is not None)
    if not numbers:
        raise MissingFileError(directory / segment_name(1), "is missing, and so is every other segment of the log")
    segments: list[Segment] = []
    for number in numbers:
        path = directory / segment_name(number)
        with disk_call(f"open {path}"):
            file = files.open(path)
        with ExitStack() as done:
            (undo if number == numbers[-1] else done).callback(file.close)
            segments.append(read_segment(file, path, context.member))
    last = segments[-1]
    if last.next_sequence <= mark.sequence:
        raise CorruptFileError(
            last.path, f"frame {last.next_sequence} at byte {last.end} is damaged or missing, and it had been synced"
        )
    start = newest_run(segments)
    log = replay(segments[start:])
    log, replace = reconcile(log, snapshots.latest(), last)

    # From here on things change on disk.
    recover_tail(file, last, mark.sequence)
    with disk_call(f"sync {directory}"):
        if MARKER_NAME in names:
            files.sync_directory(directory)  # the new member's files are there before the marker goes
        for leftover in [segment.path.name for segment in segments[:start]] + [n for n in names if n == MARKER_NAME]:
            files.remove(directory / leftover)
        files.sync_directory(directory)
    sealed = [SealedSegment(segment.path, segment.highest_index) for segment in segments[start:-1]]
    writer = SegmentWriter(context, last, file, sealed, mark)
    journal = FileJournal([] if replace else log, writer, vote, snapshots.latest, config)
    if replace:
        journal.clear()
        for entry in log:
            journal.add(*entry)
    return journal
