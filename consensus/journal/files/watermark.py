"""How far the log was synced, in a small file of its own (raft spec 2b, durability)."""

from __future__ import annotations

import struct
from pathlib import Path

from coterie.consensus.journal.errors import CorruptFileError, WrongMemberError
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile
from coterie.consensus.journal.files.filesystem import Files

WATERMARK_NAME = "watermark"

_KIND = 3
_FIELDS = struct.Struct("<16sQ")  # member id, frame number


class Watermark:
    """The number of a frame up to which the log has been synced. It lags behind by up to a second.

    A log that ends before it has lost bytes that a disk had promised to keep; without it, that would look like a last
    write that was never finished.
    """

    def __init__(self, file: DoubleBufferedFile, member: bytes, sequence: int) -> None:
        self._file = file
        self._member = member
        self.sequence = sequence

    @classmethod
    def create(cls, files: Files, directory: Path, member: bytes) -> Watermark:
        file = DoubleBufferedFile.create(files, directory / WATERMARK_NAME, _KIND, _FIELDS.pack(member, 0))
        return cls(file, member, 0)

    @classmethod
    def open(cls, files: Files, directory: Path, member: bytes) -> Watermark:
        """Raises CorruptFileError."""
        path = directory / WATERMARK_NAME
        file = DoubleBufferedFile.open(files, path, _KIND)
        if len(file.value) != _FIELDS.size:
            file.close()
            raise CorruptFileError(path, "holds no frame number")
        its_member, sequence = _FIELDS.unpack(file.value)
        if its_member != member:
            file.close()
            raise WrongMemberError(path, "belongs to another member")
        return cls(file, member, sequence)

    def store(self, sequence: int) -> None:
        """Durable on return."""
        if sequence != self.sequence:
            self._file.store(_FIELDS.pack(self._member, sequence))
            self.sequence = sequence

    def close(self) -> None:
        self._file.close()
