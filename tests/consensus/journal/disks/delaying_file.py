"""A file whose syncs wait."""

from __future__ import annotations

from collections.abc import Callable

from coterie.consensus.journal import File


class DelayingFile:
    """Calls `wait` before each sync: the content is held back until it returns."""

    def __init__(self, file: File, wait: Callable[[], None]) -> None:
        self._file = file
        self._wait = wait

    def size(self) -> int:
        return self._file.size()

    def read(self, size: int, offset: int) -> bytes:
        return self._file.read(size, offset)

    def write(self, data: bytes, offset: int) -> None:
        self._file.write(data, offset)

    def sync(self) -> None:
        self._wait()
        self._file.sync()

    def preallocate(self, size: int) -> None:
        self._file.preallocate(size)

    def close(self) -> None:
        self._file.close()
