"""Snapshot files, named and read: in slices, each chunk verified before it is given out (fault 10)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coterie.consensus.journal.errors import CorruptSnapshotFileError, UnknownFormatError
from coterie.consensus.journal.files.filesystem import File, disk_call
from coterie.consensus.journal.snapshots.format import SnapshotDecoder, SnapshotFormatError, UnknownSnapshotVersionError
from coterie.consensus.raft.ports import SnapshotInfo

READ_BYTES = 262_144

_NAME_PREFIX, _NAME_SUFFIX = "snapshot-", ".snap"


def snapshot_name(info: SnapshotInfo) -> str:
    return f"{_NAME_PREFIX}{info.index:020d}-{info.term:020d}{_NAME_SUFFIX}"


def is_snapshot_name(name: str) -> bool:
    return name.startswith(_NAME_PREFIX) and name.endswith(_NAME_SUFFIX)


class FileSnapshotReader:
    """An open snapshot file."""

    def __init__(self, file: File, path: Path) -> None:
        self._file = file
        self._path = path
        with disk_call(f"read {path}"):
            self.size = file.size()
        self.info = self._read_info()

    def read(self, offset: int, size: int) -> bytes:
        """The file's bytes as they are, to be sent to another member."""
        with disk_call(f"read {self._path}"):
            return self._file.read(size, offset)

    def state(self) -> Iterator[bytes]:
        """The chunks of state, each verified. Raises CorruptSnapshotFileError, at the latest at the end."""
        decoder = SnapshotDecoder()
        for offset in range(0, self.size, READ_BYTES):
            yield from self._feed(decoder, offset)
        if not decoder.complete:
            raise CorruptSnapshotFileError(self._path, "ends too early")

    def _read_info(self) -> SnapshotInfo:
        decoder = SnapshotDecoder()
        for offset in range(0, self.size, READ_BYTES):
            self._feed(decoder, offset)
            if decoder.info is not None:
                return decoder.info
        raise CorruptSnapshotFileError(self._path, "ends too early")

    def _feed(self, decoder: SnapshotDecoder, offset: int) -> list[bytes]:
        try:
            return decoder.feed(self.read(offset, READ_BYTES))
        except UnknownSnapshotVersionError as error:
            raise UnknownFormatError(self._path, error.version) from None
        except SnapshotFormatError as error:
            raise CorruptSnapshotFileError(self._path, str(error)) from None

    def close(self) -> None:
        self._file.close()
