"""Snapshot files: written under another name, synced, renamed, the directory synced; only then may the log be cut
(faults 10, 18, 22; raft spec 2b). The former one stays until the new one is durable.

Reading, writing, verifying and syncing go in slices, so that none of it holds up the disk for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.journal.errors import CorruptSnapshotFileError, MissingFileError
from coterie.consensus.journal.files.filesystem import Files, disk_call
from coterie.consensus.journal.snapshots.draft import OwnBytes, ReceivedBytes, SnapshotBytes, SnapshotDraft
from coterie.consensus.journal.snapshots.reader import FileSnapshotReader, is_snapshot_name, snapshot_name
from coterie.consensus.raft.ports import SnapshotInfo


class FileSnapshotStore:
    """The snapshots of an open directory: the newest one, and drafts."""

    def __init__(self, files: Files, directory: Path, config: JournalConfig) -> None:
        self._files = files
        self._directory = directory
        self._config = config
        self._installed: SnapshotInfo | None = None
        self._drafts = 0

    def load(self, names: list[str]) -> None:
        """Verify the newest of the snapshots among `names`. Raises CorruptSnapshotFileError.

        A damaged one is refused even where an older one is whole: the log may have been cut for it.
        """
        found = sorted(filter(is_snapshot_name, names))
        if found:
            path = self._directory / found[-1]
            reader = self._open(path)
            for _ in reader.state():
                pass
            reader.close()
            if snapshot_name(reader.info) != path.name:
                raise CorruptSnapshotFileError(path, "holds another snapshot than its name says")
            self._installed = reader.info

    def tidy(self, names: list[str]) -> None:
        """Remove what is older than the newest, among `names`: left by a crash after that one was installed."""
        self._remove(sorted(filter(is_snapshot_name, names))[:-1])

    def latest(self) -> SnapshotInfo | None:
        """What the newest snapshot covers. Its checksums were verified before it was installed, or at the start."""
        return self._installed

    def open(self) -> FileSnapshotReader:
        """The newest snapshot; readable until closed, whatever replaces it. Raises CorruptSnapshotFileError."""
        while True:
            newest = self._installed
            if newest is None:
                raise MissingFileError(self._directory, "there is no snapshot in it")
            try:
                return self._open(self._directory / snapshot_name(newest))
            except MissingFileError:
                if self._installed is newest:  # else the disk thread has put another in its place just now
                    raise

    def state(self) -> Iterator[bytes]:
        """The chunks of state of the newest snapshot, each verified. Raises CorruptSnapshotFileError."""
        reader = self.open()
        try:
            yield from reader.state()
        finally:
            reader.close()

    def _open(self, path: Path) -> FileSnapshotReader:
        with disk_call(f"open {path}"):
            try:
                file = self._files.open(path)
            except FileNotFoundError:
                raise MissingFileError(path, "is missing") from None
        try:
            return FileSnapshotReader(file, path)
        except BaseException:
            file.close()
            raise

    # -- writing -----------------------------------------------------------------------------------------------------

    def create(self, info: SnapshotInfo) -> SnapshotDraft:
        """Begin an own snapshot, to be given state. Its file is made with the first bytes."""
        return self._begin(OwnBytes(info, self._config.snapshot_chunk_bytes))

    def receive(self) -> SnapshotDraft:
        """Begin a snapshot that comes from another member, byte by byte as its `FileSnapshotReader` gives it out."""
        return self._begin(ReceivedBytes(self._config.max_snapshot_bytes))

    def _begin(self, content: SnapshotBytes) -> SnapshotDraft:
        self._drafts += 1
        path = self._directory / f"snapshot-{self._drafts}.tmp"
        return SnapshotDraft(self._files.create, path, content, install=self._install, discard=self._discard)

    def _install(self, draft: Path, info: SnapshotInfo) -> None:
        """Give a sealed draft its name. State never goes back: one that covers less than the newest is dropped. One of
        the same entry takes the newest's place, which could not be read.

        In the disk thread: the former one is removed only after `open` and `latest` would give the new one.
        """
        if self._installed is not None and info.index < self._installed.index:
            self._discard(draft)
            return
        with disk_call(f"install {draft}"):
            self._files.rename(draft, self._directory / snapshot_name(info))
            self._files.sync_directory(self._directory)
        former, self._installed = self._installed, info
        if former is not None and snapshot_name(former) != snapshot_name(info):
            self._remove([snapshot_name(former)])

    def _discard(self, draft: Path) -> None:
        with suppress(OSError):
            self._files.remove(draft)

    def _remove(self, names: list[str]) -> None:
        for name in names:
            with disk_call(f"remove {self._directory / name}"):
                self._files.remove(self._directory / name)
