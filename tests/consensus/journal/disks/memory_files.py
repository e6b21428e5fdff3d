"""A file system in memory that loses power, runs full and fails, for everything that is written against `Files`.

What is synced is durable; of the rest a power cut keeps, drops or tears each file's writes and each directory's names.
Every call that changes anything is counted: `cut_at` stops the machine just before the call of that number, `errors`
makes single calls fail. After either, `rebooted` (power lost) or `restarted` (process gone) gives the file system
that the next process finds.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from random import Random

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The machine has stopped. No error: nothing in the code under test may catch it."""


class Fate(Enum):
    """What a power cut makes of what was not synced."""

    KEEP = "keep"
    DROP = "drop"
    TEAR = "tear"
    """Of each write some sectors, or a beginning; of a directory's changes some."""
    MIXED = "mixed"
    """One of the above for each file and directory."""


class Inode:
    """A file's content: as the system shows it, as the disk holds it, and the writes in between."""

    def __init__(self) -> None:
        self.shown = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes]] = []

    def write(self, data: bytes, offset: int) -> None:
        _write(self.shown, data, offset)
        self.pending.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.pending:
            _write(self.durable, data, offset)
        self.pending.clear()

    def after_cut(self, fate: Fate, rng: Random) -> Inode:
        left = Inode()
        left.durable = bytearray(self.durable)
        fate = _settle(fate, rng)
        for offset, data in self.pending:
            for start, part in _survivors(data, fate, rng):
                _write(left.durable, part, offset + start)
        left.shown = bytearray(left.durable)
        return left


def _write(content: bytearray, data: bytes, offset: int) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _settle(fate: Fate, rng: Random) -> Fate:
    return rng.choice((Fate.KEEP, Fate.DROP, Fate.TEAR)) if fate is Fate.MIXED else fate


def _survivors(data: bytes, fate: Fate, rng: Random) -> list[tuple[int, bytes]]:
    """The parts of one write that reached the disk, with their offsets in it."""
    if fate is Fate.KEEP:
        return [(0, data)]
    if fate is Fate.DROP:
        return []
    if rng.random() < 0.5:
        return [(0, data[: rng.randrange(min(len(data), rng.choice((64, SECTOR_BYTES, len(data)))) + 1)])]
    sectors = range(0, len(data), SECTOR_BYTES)
    return [(at, data[at : at + SECTOR_BYTES]) for at in sectors if rng.random() < 0.5]


class Directory:
    """Names: as the system shows them, as the disk holds them, and the changes in between (name that goes, one that
    comes, and its inode)."""

    def __init__(self) -> None:
        self.shown: dict[str, Inode] = {}
        self.durable: dict[str, Inode] = {}
        self.pending: list[tuple[str | None, str | None, Inode]] = []

    def change(self, gone: str | None, new: str | None, inode: Inode) -> None:
        _rename(self.shown, gone, new, inode)
        self.pending.append((gone, new, inode))

    def sync(self) -> None:
        for change in self.pending:
            _rename(self.durable, *change)
        self.pending.clear()

    def after_cut(self, fate: Fate, rng: Random) -> Directory:
        left = Directory()
        names = dict(self.durable)
        settled = _settle(fate, rng)
        for change in self.pending:
            if settled is Fate.KEEP or (settled is Fate.TEAR and rng.random() < 0.5):
                _rename(names, *change)
        inodes = {id(inode): inode.after_cut(fate, rng) for inode in names.values()}
        left.durable = {name: inodes[id(inode)] for name, inode in names.items()}
        left.shown = dict(left.durable)
        return left


def _rename(names: dict[str, Inode], gone: str | None, new: str | None, inode: Inode) -> None:
    if gone is not None:
        names.pop(gone, None)
    if new is not None:
        names[new] = inode


class MemoryFile:
    def __init__(self, files: MemoryFiles, inode: Inode, name: str) -> None:
        self._files = files
        self._inode = inode
        self._name = name

    def size(self) -> int:
        return len(self._inode.shown)

    def read(self, size: int, offset: int) -> bytes:
        self._files.check_running()
        return bytes(self._inode.shown[offset : offset + size])

    def write(self, data: bytes, offset: int) -> None:
        self._files.call(f"write {self._name}")
        self._files.take_space(offset + len(data) - self.size())
        self._inode.write(bytes(data), offset)

    def sync(self) -> None:
        try:
            self._files.call(f"sync {self._name}")
        except OSError:
            # As Linux does: what could not be written is lost, and called clean. Only its readers do not see it yet.
            self._inode.pending.clear()
            raise
        self._inode.sync()

    def preallocate(self, size: int) -> None:
        self._files.call(f"preallocate {self._name}")
        self._files.take_space(size - self.size())
        if size > self.size():
            self._inode.write(bytes(size - self.size()), self.size())

    def close(self) -> None:
        pass


class MemoryLock:
    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release

    def close(self) -> None:
        self._release()


class MemoryFiles:
    """See above. `capacity` bounds the bytes of all files that have a name; None for no bound."""

    def __init__(self) -> None:
        self.directories: dict[Path, Directory] = {}
        self.locked: set[Path] = set()
        self.calls = 0
        self.trace: list[str] = []
        self.cut_at: int | None = None
        self.errors: dict[int, int] = {}
        """errno by number of the call that fails with it."""
        self.failing: Callable[[str], int | None] = lambda _call: None
        """errno for a call, by its words as in `trace`; None to let it pass."""
        self.capacity: int | None = None
        self.stopped = False

    # -- faults ------------------------------------------------------------------------------------------------------

    def check_running(self) -> None:
        if self.stopped:
            raise PowerCut

    def call(self, words: str) -> None:
        self.check_running()
        self.calls += 1
        self.trace.append(words)
        if self.calls == self.cut_at:
            self.stopped = True
            raise PowerCut
        number = self.errors.get(self.calls) or self.failing(words)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def take_space(self, growth: int) -> None:
        if growth > 0 and self.capacity is not None and self.used + growth > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @property
    def used(self) -> int:
        return sum(len(inode.shown) for directory in self.directories.values() for inode in directory.shown.values())

    def rebooted(self, fate: Fate, rng: Random) -> MemoryFiles:
        """What is on the disk after a power cut, now. This object is left as it was."""
        left = MemoryFiles()
        left.directories = {path: directory.after_cut(fate, rng) for path, directory in self.directories.items()}
        left.capacity = self.capacity
        return left

    def restarted(self) -> MemoryFiles:
        """What another process finds when this one is gone, now: everything written, synced or not.

        This object is left as it was: two directories from one, as a cloned disk would be.
        """
        left = MemoryFiles()
        left.directories, left.capacity = copy.deepcopy((self.directories, self.capacity))
        return left

    def content(self, path: Path) -> bytearray:
        """A file's durable bytes, to be damaged. Nothing may be pending."""
        inode = self.directories[path.parent].durable[path.name]
        assert not inode.pending
        inode.shown = inode.durable
        return inode.durable

    # -- Files -------------------------------------------------------------------------------------------------------

    def make_directory(self, directory: Path) -> None:
        if directory not in self.directories:
            self.call(f"mkdir {directory.name}")
            self.directories[directory] = Directory()

    def names(self, directory: Path) -> list[str]:
        self.check_running()
        return sorted(self.directories[directory].shown)

    def create(self, path: Path) -> MemoryFile:
        self.call(f"create {path.name}")
        directory = self.directories[path.parent]
        if path.name in directory.shown:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        inode = Inode()
        directory.change(None, path.name, inode)
        return MemoryFile(self, inode, path.name)

    def open(self, path: Path) -> MemoryFile:
        self.check_running()
        return MemoryFile(self, self._inode(path), path.name)

    def rename(self, old: Path, new: Path) -> None:
        self.call(f"rename {old.name} {new.name}")
        self.directories[old.parent].change(old.name, new.name, self._inode(old))

    def remove(self, path: Path) -> None:
        self.call(f"remove {path.name}")
        self.directories[path.parent].change(path.name, None, self._inode(path))

    def sync_directory(self, directory: Path) -> None:
        self.call(f"sync {directory.name}/")
        self.directories[directory].sync()

    def lock(self, path: Path) -> MemoryLock:
        self.check_running()
        if path in self.locked:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
        self.locked.add(path)
        return MemoryLock(lambda: self.locked.discard(path))

    def _inode(self, path: Path) -> Inode:
        try:
            return self.directories[path.parent].shown[path.name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
