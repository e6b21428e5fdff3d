"""A directory that loses what is not synced when its process is killed, on a disk that takes its time.

While a sync takes milliseconds, an acknowledgement that does not wait for it is soon caught by a kill of all members.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from coterie.consensus.journal import File
from tests.consensus.journal.disks.delaying_file import DelayingFile
from tests.consensus.journal.disks.holding_files import HoldingFiles


class SlowFiles(HoldingFiles):
    def __init__(self, seconds: float) -> None:
        """`seconds`: what a sync takes at least."""
        super().__init__()
        self._wait = partial(time.sleep, seconds)

    def create(self, path: Path) -> File:
        return DelayingFile(super().create(path), self._wait)

    def open(self, path: Path) -> File:
        return DelayingFile(super().open(path), self._wait)
