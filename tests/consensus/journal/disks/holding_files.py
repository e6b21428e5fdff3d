"""A real directory whose unsynced bytes and names are held in the process: killing it is a power cut that drops them.

For tests of real processes: what a killed process had not synced is gone, as from a disk that lost power.
"""

from __future__ import annotations

from pathlib import Path

from coterie.consensus.journal import DirectoryLock, DiskFiles, File

_HELD_PREFIX = ".held-"


class _Held:
    """A file's content: what is on the disk, under whatever name, and the writes that are not."""

    def __init__(self, path: Path, file: File) -> None:
        self.path = path
        self.file = file
        self.size = file.size()
        self.pending: list[tuple[int, bytes]] = []

    def sync(self) -> None:
        for offset, data in self.pending:
            self.file.write(data, offset)
        self.pending.clear()
        self.file.sync()


class HoldingFile:
    def __init__(self, held: _Held) -> None:
        self._held = held

    def size(self) -> int:
        return self._held.size

    def read(self, size: int, offset: int) -> bytes:
        size = max(0, min(size, self._held.size - offset))
        shown = bytearray(self._held.file.read(size, offset).ljust(size, b"\0"))
        for at, data in self._held.pending:
            start, end = max(at, offset), min(at + len(data), offset + size)
            if start < end:
                shown[start - offset : end - offset] = data[start - at : end - at]
        return bytes(shown)

    def write(self, data: bytes, offset: int) -> None:
        self._held.pending.append((offset, bytes(data)))
        self._held.size = max(self._held.size, offset + len(data))

    def sync(self) -> None:
        self._held.sync()

    def preallocate(self, size: int) -> None:
        self._held.file.preallocate(size)
        self._held.size = max(self._held.size, size)

    def close(self) -> None:
        pass  # another handle may read what this one wrote; the process ends soon


class HoldingFiles:
    """For one directory at a time, and for one process's life."""

    def __init__(self) -> None:
        self._disk = DiskFiles()
        self._shown: dict[Path, _Held] = {}
        self._changes: list[tuple[Path | None, Path | None, _Held]] = []  # a name that goes, one that comes
        self._created = 0

    def make_directory(self, directory: Path) -> None:
        self._disk.make_directory(directory)
        for name in self._disk.names(directory):
            path = directory / name
            if name.startswith(_HELD_PREFIX):
                self._disk.remove(path)
            elif name != "lock":
                self._shown[path] = _Held(path, self._disk.open(path))

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self._shown if path.parent == directory)

    def create(self, path: Path) -> File:
        if path in self._shown:
            raise FileExistsError(path)
        self._created += 1
        hidden = path.with_name(f"{_HELD_PREFIX}{self._created}")
        held = _Held(hidden, self._disk.create(hidden))
        self._change(None, path, held)
        return HoldingFile(held)

    def open(self, path: Path) -> File:
        if path not in self._shown:
            raise FileNotFoundError(path)
        return HoldingFile(self._shown[path])

    def rename(self, old: Path, new: Path) -> None:
        self._change(old, new, self._shown[old])

    def remove(self, path: Path) -> None:
        self._change(path, None, self._shown[path])

    def _change(self, gone: Path | None, new: Path | None, held: _Held) -> None:
        if gone is not None:
            del self._shown[gone]
        if new is not None:
            self._shown[new] = held
        self._changes.append((gone, new, held))

    def sync_directory(self, directory: Path) -> None:
        for _, new, held in self._changes:
            if new is None:
                held.path.unlink(missing_ok=True)
            else:
                held.path.rename(new)
                held.path = new
        self._changes.clear()
        self._disk.sync_directory(directory)

    def lock(self, path: Path) -> DirectoryLock:
        return self._disk.lock(path)
