"""A snapshot in the making: a file that is written in slices and synced on the way, then installed (faults 10, 22).

Its bytes come from the state of this member or from another member: `OwnBytes` encodes, `ReceivedBytes` verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from coterie.consensus.journal.errors import DiskFailedError, SnapshotRefusedError
from coterie.consensus.journal.files.filesystem import File, disk_call
from coterie.consensus.journal.snapshots.format import SnapshotDecoder, SnapshotEncoder, SnapshotFormatError
from coterie.consensus.journal.snapshots.reader import FileSnapshotReader
from coterie.consensus.raft.ports import SnapshotInfo

SYNC_EVERY_BYTES = 4 * 1024 * 1024
"""A snapshot is synced while it is written: one sync at its end would hold up the log's for long."""


class SnapshotBytes(Protocol):
    """What a draft's file is to hold."""

    def begin(self) -> bytes:
        """The first bytes of the file."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds to the file. Raises SnapshotRefusedError."""

    def finish(self) -> Iterator[bytes]:
        """The last bytes of the file. Raises SnapshotRefusedError where something is missing."""

    def info(self) -> SnapshotInfo:
        """What the snapshot covers, once it is finished."""


class OwnBytes:
    """Encodes chunks of this member's state."""

    def __init__(self, info: SnapshotInfo, chunk_bytes: int) -> None:
        self._info = info
        self._chunk_bytes = chunk_bytes
        self._encoder = SnapshotEncoder()
        self._waiting = bytearray()

    def begin(self) -> bytes:
        return self._encoder.head(self._info)

    def take(self, data: bytes) -> Iterator[bytes]:
        self._waiting += data
        while len(self._waiting) >= self._chunk_bytes:
            yield self._chunk()

    def finish(self) -> Iterator[bytes]:
        if self._waiting:
            yield self._chunk()
        yield self._encoder.end()

    def info(self) -> SnapshotInfo:
        return self._info

    def _chunk(self) -> bytes:
        chunk = bytes(self._waiting[: self._chunk_bytes])
        del self._waiting[: self._chunk_bytes]
        return self._encoder.chunk(chunk)


class ReceivedBytes:
    """Verifies the bytes that another member sends."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._decoder = SnapshotDecoder()

    def begin(self) -> bytes:
        return b""

    def take(self, data: bytes) -> Iterator[bytes]:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise SnapshotRefusedError(f"the snapshot is larger than max_snapshot_bytes = {self._max_bytes}")
        try:
            self._decoder.feed(data)
        except SnapshotFormatError as error:
            raise SnapshotRefusedError(f"the snapshot that came is damaged: {error}") from None
        yield data

    def finish(self) -> Iterator[bytes]:
        if not self._decoder.complete:
            raise SnapshotRefusedError("the snapshot that came ends too early")
        yield from ()

    def info(self) -> SnapshotInfo:
        assert self._decoder.info is not None, "a finished snapshot has a head"  # noqa: S101
        return self._decoder.info


class SnapshotDraft:
    """The file of a draft. Nothing but this object sees it until `install` returns."""

    def __init__(
        self,
        create: Callable[[Path], File],
        path: Path,
        content: SnapshotBytes,
        *,
        install: Callable[[Path, SnapshotInfo], None],
        discard: Callable[[Path], None],
    ) -> None:
        """`create`: called with the first bytes, in the thread that writes them."""
        self._create = create
        self._file: File | None = None
        self._path = path
        self._content = content
        self._head = content.begin()
        self._install = install
        self._discard = discard
        self._size = 0
        self._synced = 0
        self._failed = False
        self._sealed: SnapshotInfo | None = None
        self._open = True

    def write(self, data: bytes) -> None:
        """Take more bytes. Raises SnapshotRefusedError as soon as a checksum fails; DiskFullError, DiskFailedError."""
        for part in self._content.take(data):
            self._append(part)

    def seal(self) -> SnapshotInfo:
        """Check that it is whole, and sync it. Raises SnapshotRefusedError, DiskFullError or DiskFailedError."""
        for part in self._content.finish():
            self._append(part)
        self._sync()
        self._sealed = self._content.info()
        return self._sealed

    def state(self) -> Iterator[bytes]:
        """The chunks of state of a sealed draft, each verified. Raises CorruptSnapshotError."""
        return FileSnapshotReader(self._opened(), self._path).state()

    def install(self) -> None:
        """Durable, and the newest, on return. Dropped where a newer one came first. Raises DiskFailedError."""
        if self._sealed is None:
            raise ValueError("a draft must be sealed before it is installed")
        self._close()
        self._install(self._path, self._sealed)

    def abort(self) -> None:
        """Drop it. Safe to call at any time, and twice; an installed one stays."""
        if self._open:
            self._close()
            if self._file is not None:
                self._discard(self._path)

    def _close(self) -> None:
        if self._open:
            self._open = False
            if self._file is not None:
                self._file.close()

    def _opened(self) -> File:
        if self._file is None:
            with disk_call(f"create {self._path}"):
                self._file = self._create(self._path)
            if self._head:
                self._append(self._head)
        return self._file

    def _append(self, data: bytes) -> None:
        file = self._opened()
        self._check()
        self._failed = True
        with disk_call(f"write {self._path}"):
            file.write(data, self._size)
        self._failed = False
        self._size += len(data)
        if self._size - self._synced >= SYNC_EVERY_BYTES:
            self._sync()

    def _sync(self) -> None:
        file = self._opened()
        self._check()
        self._failed = True
        with disk_call(f"sync {self._path}"):
            file.sync()
        self._failed = False
        self._synced = self._size

    def _check(self) -> None:
        if self._failed:
            raise DiskFailedError(f"{self._path} could not be written before")
