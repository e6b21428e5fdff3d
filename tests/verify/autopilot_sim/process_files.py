"""Real files of a simulated process, which end with it: all that it has open is closed, and its locks go.

Nothing is synced: a process that is killed loses nothing of what it wrote, and disks are the matter of `raft_sim`.
"""

from __future__ import annotations

from pathlib import Path

from coterie.consensus.journal import DirectoryLock, DiskFiles, File
from coterie.consensus.journal.files.filesystem import DiskFile


class _Open:
    """A file that is closed once, by its owner or by the end of the process."""

    def __init__(self, file: DiskFile) -> None:
        self._file = file
        self._closed = False
        self.size, self.read, self.write, self.preallocate = file.size, file.read, file.write, file.preallocate

    def sync(self) -> None: ...

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._file.close()


class ProcessFiles:
    """As `DiskFiles`."""

    def __init__(self) -> None:
        self._disk = DiskFiles()
        self._open: list[_Open] = []
        self.names, self.rename, self.remove = self._disk.names, self._disk.rename, self._disk.remove

    def _opened(self, file: object) -> _Open:
        assert isinstance(file, DiskFile)
        self._open.append(_Open(file))
        return self._open[-1]

    def make_directory(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> File:
        return self._opened(self._disk.create(path))

    def open(self, path: Path) -> File:
        return self._opened(self._disk.open(path))

    def sync_directory(self, directory: Path) -> None: ...

    def lock(self, path: Path) -> DirectoryLock:
        return self._opened(self._disk.lock(path))

    def end(self) -> None:
        """The process is gone."""
        for file in self._open:
            file.close()
        self._open = []
