"""Snapshot files: written under another name, synced, renamed, the directory synced; only then may the log be cut
(faults 10, 18, 22; raft spec 2b). The former one stays until the new one is durable.

Reading, writing, verifying and syncing go in slices, so that none of it holds up the disk for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.journal.errors import (
    CorruptSnapshotFileError,
    DiskFailedError,
    MissingFileError,
    SnapshotRefusedError,
)
from coterie.consensus.journal.files.filesystem import File, Files, disk_call
from coterie.consensus.journal.snapshots.format import SnapshotDecoder, SnapshotEncoder, SnapshotFormatError
from coterie.consensus.journal.snapshots.reader import FileSnapshotReader, is_snapshot_name, snapshot_name
from coterie.consensus.raft.ports import SnapshotInfo

SYNC_EVERY_BYTES = 4 * 1024 * 1024
"""A snapshot is synced while it is written: one sync at its end would hold up the log's for long."""


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
        """Begin an own snapshot, to be given state. Raises DiskFullError, which does no harm, and DiskFailedError."""
        return _OwnDraft(self, self._begin(), info, self._config.snapshot_chunk_bytes)

    def receive(self) -> SnapshotDraft:
        """Begin a snapshot that comes from another member, byte by byte as its `FileSnapshotReader` gives it out."""
        return _ReceivedDraft(self, self._begin(), self._config.max_snapshot_bytes)

    def _begin(self) -> tuple[File, Path]:
        self._drafts += 1
        path = self._directory / f"snapshot-{self._drafts}.tmp"
        with disk_call(f"create {path}"):
            return self._files.create(path), path

    def install(self, draft: Path, info: SnapshotInfo) -> None:
        """Give a sealed draft its name. State never goes back: one that covers no more than the newest is dropped.

        In the disk thread: the former one is removed only after `open` and `latest` would give the new one.
        """
        if self._installed is not None and info.index <= self._installed.index:
            self.discard(draft)
            return
        with disk_call(f"install {draft}"):
            self._files.rename(draft, self._directory / snapshot_name(info))
            self._files.sync_directory(self._directory)
        former, self._installed = self._installed, info
        if former is not None:
            self._remove([snapshot_name(former)])

    def discard(self, draft: Path) -> None:
        with suppress(OSError):
            self._files.remove(draft)

    def _remove(self, names: list[str]) -> None:
        for name in names:
            with disk_call(f"remove {self._directory / name}"):
                self._files.remove(self._directory / name)


class SnapshotDraft:
    """A snapshot in the making, which nothing but this object sees until `install` returns."""

    def __init__(self, store: FileSnapshotStore, begun: tuple[File, Path]) -> None:
        self._store = store
        self._file, self._path = begun
        self._size = 0
        self._synced = 0
        self._failed = False
        self._sealed: SnapshotInfo | None = None
        self._open = True

    def write(self, data: bytes) -> None:
        """Take more bytes. Raises DiskFullError or DiskFailedError."""
        raise NotImplementedError

    def seal(self) -> SnapshotInfo:
        """Check that it is whole, and sync it. Raises SnapshotRefusedError, DiskFullError or DiskFailedError."""
        info = self._finish()
        self._sync()
        self._sealed = info
        return info

    def _finish(self) -> SnapshotInfo:
        raise NotImplementedError

    def state(self) -> Iterator[bytes]:
        """The chunks of state of a sealed draft, each verified. Raises CorruptSnapshotFileError."""
        return FileSnapshotReader(self._file, self._path).state()

    def install(self) -> None:
        """Durable, and the newest, on return. Dropped where a newer one came first. Raises DiskFailedError."""
        if self._sealed is None:
            raise ValueError("a draft must be sealed before it is installed")
        self._close()
        self._store.install(self._path, self._sealed)

    def abort(self) -> None:
        """Drop it. Safe to call at any time, and twice; an installed one stays."""
        if self._open:
            self._close()
            self._store.discard(self._path)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._file.close()

    def _append(self, data: bytes) -> None:
        if self._failed:
            raise DiskFailedError(f"{self._path} could not be written before")
        self._failed = True
        with disk_call(f"write {self._path}"):
            self._file.write(data, self._size)
        self._failed = False
        self._size += len(data)
        if self._size - self._synced >= SYNC_EVERY_BYTES:
            self._sync()

    def _sync(self) -> None:
        if self._failed:
            raise DiskFailedError(f"{self._path} could not be written before")
        self._failed = True
        with disk_call(f"sync {self._path}"):
            self._file.sync()
        self._failed = False
        self._synced = self._size


class _OwnDraft(SnapshotDraft):
    def __init__(
        self, store: FileSnapshotStore, begun: tuple[File, Path], info: SnapshotInfo, chunk_bytes: int
    ) -> None:
        super().__init__(store, begun)
        self._info = info
        self._chunk_bytes = chunk_bytes
        self._encoder = SnapshotEncoder()
        self._waiting = bytearray()
        self._append(self._encoder.head(info))

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= self._chunk_bytes:
            self._write_chunk()

    def _write_chunk(self) -> None:
        chunk = bytes(self._waiting[: self._chunk_bytes])
        del self._waiting[: self._chunk_bytes]
        self._append(self._encoder.chunk(chunk))

    def _finish(self) -> SnapshotInfo:
        if self._waiting:
            self._write_chunk()
        self._append(self._encoder.end())
        return self._info


class _ReceivedDraft(SnapshotDraft):
    def __init__(self, store: FileSnapshotStore, begun: tuple[File, Path], max_bytes: int) -> None:
        super().__init__(store, begun)
        self._max_bytes = max_bytes
        self._decoder = SnapshotDecoder()

    def write(self, data: bytes) -> None:
        """Also raises SnapshotRefusedError, as soon as a checksum fails."""
        if self._size + len(data) > self._max_bytes:
            raise SnapshotRefusedError(f"the snapshot is larger than max_snapshot_bytes = {self._max_bytes}")
        try:
            self._decoder.feed(data)
        except SnapshotFormatError as error:
            raise SnapshotRefusedError(f"the snapshot that came is damaged: {error}") from None
        self._append(data)

    def _finish(self) -> SnapshotInfo:
        if not self._decoder.complete or self._decoder.info is None:
            raise SnapshotRefusedError("the snapshot that came ends too early")
        return self._decoder.info
