"""Files open although everything else has used up the descriptors of the process."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from coterie.consensus.journal import DiskFiles


def test_files_open_although_the_descriptors_are_used_up(tmp_path: Path) -> None:
    files = DiskFiles()
    files.create(tmp_path / "first").close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        file = files.create(tmp_path / "second")
        file.write(b"kept", 0)
        files.rename(tmp_path / "second", tmp_path / "third")
        files.sync_directory(tmp_path)
        file.close()
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
