"""Files open although everything else has used up the descriptors of the process."""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from coterie.consensus.journal import DiskFiles, DiskFullError
from coterie.consensus.journal.files.filesystem import KEPT_DESCRIPTORS, File, disk_call
from coterie.consensus.raft.core.parts.snapshot_taking import is_full
from tests.waiting import PATIENCE_SECONDS


@contextmanager
def no_descriptors(most: int = 256) -> Iterator[list[int]]:
    """Within, all descriptors of the process are used up: by these."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, soft), hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield taken
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_files_wait_for_descriptors_once_the_reserve_is_gone(tmp_path: Path) -> None:
    """In the disk thread: nothing is lost by waiting."""
    files = DiskFiles()
    held: list[File] = []
    opened = threading.Event()

    def open_all() -> None:
        for number in range(KEPT_DESCRIPTORS + 5):
            held.append(files.create(tmp_path / str(number)))
            if number + 1 == KEPT_DESCRIPTORS:
                opened.set()

    files.create(tmp_path / "first").close()  # from here on some are kept back
    with no_descriptors() as taken:
        thread = threading.Thread(target=open_all)
        thread.start()
        assert opened.wait(PATIENCE_SECONDS)
        assert thread.is_alive()
        for _ in range(20):
            os.close(taken.pop())
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    assert len(held) == KEPT_DESCRIPTORS + 5
    for file in held:
        file.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_where_none_comes_it_is_as_harmless_as_a_full_disk(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the event loop, which cannot wait: a snapshot is sent or written later, and the log has room later."""

    def none_left(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    files = DiskFiles()
    with no_descriptors():
        monkeypatch.setattr(os, "open", none_left)
        with pytest.raises(DiskFullError, match="ulimit") as full, disk_call("create x"):
            files.create(tmp_path / "x")
    assert full.value.errno == number
    assert is_full(full.value)


def test_files_open_although_the_descriptors_are_used_up(tmp_path: Path) -> None:
    files = DiskFiles()
    files.create(tmp_path / "first").close()
    with no_descriptors():
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        file = files.create(tmp_path / "second")
        file.write(b"kept", 0)
        files.rename(tmp_path / "second", tmp_path / "third")
        files.sync_directory(tmp_path)
        file.close()
