"""A disk that misbehaves as it is told while the node runs: slow and hanging syncs, and power cuts.

What it is told stands in a small file that the driver replaces (`Control`). With `power`, what is not synced is held in
the node's memory, so that killing it is a power cut.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from coterie.consensus.journal import DirectoryLock, DiskFiles, File, Files
from tests.consensus.journal.disks.delaying_file import DelayingFile
from tests.consensus.journal.disks.holding_files import HoldingFiles

HANG_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Control:
    """What a node's process is told while it runs."""

    sync_seconds: float = 0.0
    """What a sync takes on top."""
    hung: bool = False
    """Syncs do not return."""
    clock_offset: float = 0.0
    """Seconds that the wall clock is ahead."""

    def store(self, path: Path) -> None:
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(path)


def snapshot_note(control: Path) -> Path:
    """The file that a node touches when it begins to write a snapshot, beside its control file."""
    return control.with_suffix(".snapshot")


class Told:
    """The control file as the node's process sees it, read again whenever it has been replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (0, 0)
        self._control = Control()

    def now(self) -> Control:
        try:
            status = os.stat(self._path)
            if (status.st_ino, status.st_mtime_ns) != self._seen:
                self._control = Control(**json.loads(self._path.read_text()))
                self._seen = (status.st_ino, status.st_mtime_ns)
        except FileNotFoundError:
            pass
        return self._control

    def note_snapshot(self) -> None:
        """Let the driver see that one is being written."""
        snapshot_note(self._path).touch()

    def sync(self) -> None:
        """Take as long as a sync has to."""
        control = self.now()
        if control.sync_seconds:
            time.sleep(control.sync_seconds)
        while self.now().hung:
            time.sleep(HANG_POLL_SECONDS)


class BadFiles:
    """A file system over another. Names are changed one at a time, whichever thread asks."""

    def __init__(self, told: Told, *, power: bool) -> None:
        self._told = told
        self._files: Files = HoldingFiles() if power else DiskFiles()
        self._names = threading.Lock()

    def make_directory(self, directory: Path) -> None:
        self._files.make_directory(directory)

    def names(self, directory: Path) -> list[str]:
        with self._names:
            return self._files.names(directory)

    def create(self, path: Path) -> File:
        if path.name.startswith("snapshot"):
            self._told.note_snapshot()
        with self._names:
            return DelayingFile(self._files.create(path), self._told.sync)

    def open(self, path: Path) -> File:
        with self._names:
            return DelayingFile(self._files.open(path), self._told.sync)

    def rename(self, old: Path, new: Path) -> None:
        with self._names:
            self._files.rename(old, new)

    def remove(self, path: Path) -> None:
        with self._names:
            self._files.remove(path)

    def sync_directory(self, directory: Path) -> None:
        self._told.sync()
        with self._names:
            self._files.sync_directory(directory)

    def lock(self, path: Path) -> DirectoryLock:
        return self._files.lock(path)
