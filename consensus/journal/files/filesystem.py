"""The only place that makes blocking disk calls: files, directory entries and the directory's lock.

Everything above it is written against `Files` and `File`, so that tests can put a disk there that loses power at any
call (raft spec 2b, durability). All calls raise OSError; `disk_call` turns that into the typed errors.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from coterie.consensus.journal.errors import DiskFailedError, DiskFullError

KEPT_DESCRIPTORS = 16
"""File descriptors that are kept back for files here."""

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""This process, or the whole system, has no file descriptor left. Nothing has happened, and others may give theirs
back: it is waited for that, and what lasts longer is as harmless as a full disk."""

RETRY_SECONDS = 0.02

LOOP_PATIENCE_SECONDS = 0.1
"""For how long the main thread, which must run the event loop, waits for a descriptor."""

PATIENCE_SECONDS = 600.0
"""The same for the threads that only write files."""

ZEROS_BYTES = 1024 * 1024
"""Written at a time where a file system cannot allocate without writing."""


class File(Protocol):
    """An open file. Offsets and sizes in bytes."""

    def size(self) -> int: ...

    def read(self, size: int, offset: int) -> bytes:
        """At most `size` bytes; fewer only at the end of the file."""
        ...

    def write(self, data: bytes, offset: int) -> None:
        """All of `data`, or an OSError. Not durable before `sync` returns."""
        ...

    def sync(self) -> None:
        """Make the content and the size durable. After an error nothing is known of what was written before."""
        ...

    def preallocate(self, size: int) -> None:
        """Extend to `size` bytes of zeros that have their place on the disk. OSError ENOSPC where there is none."""
        ...

    def close(self) -> None: ...


class DirectoryLock(Protocol):
    def close(self) -> None: ...


class Files(Protocol):
    """A file system. What creates, renames or removes a name is durable only after `sync_directory`."""

    def make_directory(self, directory: Path) -> None:
        """Make it, with its parents, unless it exists. Durable on return, also where an earlier process made it."""
        ...

    def names(self, directory: Path) -> list[str]: ...

    def create(self, path: Path) -> File:
        """A new, empty file. FileExistsError where the name is taken."""
        ...

    def open(self, path: Path) -> File:
        """An existing file, to read and write. FileNotFoundError where there is none."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Replaces `new` where it exists."""
        ...

    def remove(self, path: Path) -> None: ...

    def sync_directory(self, directory: Path) -> None: ...

    def lock(self, path: Path) -> DirectoryLock:
        """An exclusive lock that ends with the process. BlockingIOError where another holds it."""
        ...


@contextmanager
def disk_call(doing: str) -> Iterator[None]:
    """Turn OSError into DiskFullError or DiskFailedError. `doing` says what was tried, as in "write x"."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK | NO_DESCRIPTOR:
            why = "the disk is full; free some space"
            if error.errno in NO_DESCRIPTOR:
                why = f"{error.strerror}; raise the limit of open files (ulimit -n), or close some"
            full = DiskFullError(f"cannot {doing}: {why}")
            full.errno = error.errno
            raise full from error
        failed = DiskFailedError(
            f"cannot {doing}: {error}. What was written last may be lost: this member takes no further part in Raft. "
            "Check the disk, then start the process again"
        )
        failed.errno = error.errno
        raise failed from error


class _Descriptors:
    """Opens files although connections have used up the descriptors of the process: some are kept back.

    The loop and the disk thread share it: each step on the list is one that no other thread divides.
    """

    def __init__(self) -> None:
        self._kept: list[int] = []

    def open(self, path: Path | str, flags: int) -> int:
        on_loop = threading.current_thread() is threading.main_thread()
        deadline = time.monotonic() + (LOOP_PATIENCE_SECONDS if on_loop else PATIENCE_SECONDS)
        while True:
            try:
                fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno not in NO_DESCRIPTOR:
                    raise
                try:
                    os.close(self._kept.pop())
                except IndexError:
                    if time.monotonic() >= deadline:
                        raise error from None
                    time.sleep(RETRY_SECONDS)
            else:
                self.keep_back()
                return fd

    def keep_back(self) -> None:
        """Fill the reserve up as far as there are descriptors."""
        with suppress(OSError):
            while len(self._kept) < KEPT_DESCRIPTORS:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


_descriptors = _Descriptors()


class DiskFile:
    """A file on a real disk."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, size: int, offset: int) -> bytes:
        data = os.pread(self._fd, size, offset)
        while len(data) < size and (more := os.pread(self._fd, size - len(data), offset + len(data))):
            data += more
        return data

    def write(self, data: bytes, offset: int) -> None:
        done = os.pwrite(self._fd, data, offset)
        while done < len(data):
            done += os.pwrite(self._fd, memoryview(data)[done:], offset + done)

    def sync(self) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)  # fsync there leaves bytes in the drive's cache
        else:
            os.fdatasync(self._fd)

    def preallocate(self, size: int) -> None:
        if sys.platform != "darwin":
            try:
                return os.posix_fallocate(self._fd, 0, size)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                    raise
        for offset in range(self.size(), size, ZEROS_BYTES):
            self.write(bytes(min(ZEROS_BYTES, size - offset)), offset)
        return None

    def close(self) -> None:
        os.close(self._fd)
        _descriptors.keep_back()


class DiskFiles:
    """The real file system."""

    def make_directory(self, directory: Path) -> None:
        if directory.is_dir():
            with suppress(PermissionError):  # a parent that this user may not read was there before
                self.sync_directory(directory.parent)
            return
        self.make_directory(directory.parent)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        self.sync_directory(directory.parent)

    def names(self, directory: Path) -> list[str]:
        return sorted(os.listdir(directory))

    def create(self, path: Path) -> File:
        return DiskFile(_descriptors.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))

    def open(self, path: Path) -> File:
        return DiskFile(_descriptors.open(path, os.O_RDWR))

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def sync_directory(self, directory: Path) -> None:
        fd = _descriptors.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: Path) -> DirectoryLock:
        fd = _descriptors.open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return DiskFile(fd)


def create_durably(files: Files, path: Path, content: bytes, size: int = 0) -> File:
    """A file that either is there with all its content or is not there at all, whenever the power goes.

    With `size`, that much space is allocated. Returns it open. Whoever calls has removed older "*.tmp" files.
    """
    draft = path.with_name(path.name + ".tmp")
    file = files.create(draft)
    try:
        if size:
            file.preallocate(size)
        file.write(content, 0)
        file.sync()
        files.rename(draft, path)
        files.sync_directory(path.parent)
    except OSError:
        file.close()
        with suppress(OSError):
            files.remove(draft)
        raise
    return file
