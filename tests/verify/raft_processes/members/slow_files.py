"""A directory that loses what is not synced when its process is killed, on a disk that takes its time.

While a sync takes milliseconds, an acknowledgement that does not wait for it is soon caught by a kill of all members.
"""

from __future__ import annotations

import time
from pathlib import Path

from coterie.consensus.journal import File
from tests.consensus.journal.disks.holding_files import HoldingFiles


class SlowFile:
    def __init__(self, file: File, seconds: float) -> None:
        self._file = file
        self._seconds = seconds

    def size(self) -> int:
        return self._file.size()

    def read(self, size: int, offset: int) -> bytes:
        return self._file.read(size, offset)

    def write(self, data: bytes, offset: int) -> None:
        self._file.write(data, offset)

    def sync(self) -> None:
        """The content is held back until the disk has taken its time."""
        time.sleep(self._seconds)
        self._file.sync()

    def preallocate(self, size: int) -> None:
        self._file.preallocate(size)

    def close(self) -> None:
        self._file.close()


class SlowFiles(HoldingFiles):
    def __init__(self, seconds: float) -> None:
        """`seconds`: what a sync takes at least."""
        super().__init__()
        self._seconds = seconds

    def create(self, path: Path) -> File:
        return SlowFile(super().create(path), self._seconds)

    def open(self, path: Path) -> File:
        return SlowFile(super().open(path), self._seconds)
