"""Term and vote, in a small file of their own (raft spec 2b, durability).

It is a `DoubleBufferedFile`: it can be written on a full disk, and while the log is being synced.
"""

from __future__ import annotations

import struct
from pathlib import Path

from coterie.consensus.journal.errors import CorruptFileError, MisuseError, WrongMemberError
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile
from coterie.consensus.journal.files.filesystem import Files

VOTE_NAME = "vote"
MAX_VOTE_BYTES = 1_024

_KIND = 2
_FIELDS = struct.Struct("<16sQ?")  # member id, term, whether a vote follows


class VoteFile:
    """The current term, and the member id that got this member's vote in it."""

    def __init__(self, file: DoubleBufferedFile, member: bytes, term: int, voted_for: str | None) -> None:
        self._file = file
        self._member = member
        self.term = term
        self.voted_for = voted_for

    @classmethod
    def create(cls, files: Files, directory: Path, member: bytes) -> VoteFile:
        file = DoubleBufferedFile.create(files, directory / VOTE_NAME, _KIND, _encode(member, 0, None))
        return cls(file, member, 0, None)

    @classmethod
    def open(cls, files: Files, directory: Path, member: bytes) -> VoteFile:
        """Raises CorruptFileError."""
        path = directory / VOTE_NAME
        file = DoubleBufferedFile.open(files, path, _KIND)
        try:
            its_member, term, voted = _FIELDS.unpack_from(file.value)
            voted_for = file.value[_FIELDS.size :].decode() if voted else None
        except (struct.error, UnicodeDecodeError):
            file.close()
            raise CorruptFileError(path, "holds no term") from None
        if its_member != member:
            file.close()
            raise WrongMemberError(path, "belongs to another member")
        return cls(file, member, term, voted_for)

    def store(self, term: int, voted_for: str | None) -> None:
        """Durable on return. Raises MisuseError for a term that goes back and for a second vote in a term."""
        if (term, voted_for) == (self.term, self.voted_for):
            return
        if term < self.term or (term == self.term and self.voted_for is not None):
            raise MisuseError(f"term {term}, vote {voted_for} must not replace term {self.term}, vote {self.voted_for}")
        if voted_for is not None and len(voted_for.encode()) > MAX_VOTE_BYTES:
            raise MisuseError(f"a member id takes at most {MAX_VOTE_BYTES} bytes in UTF-8")
        self._file.store(_encode(self._member, term, voted_for))
        self.term = term
        self.voted_for = voted_for

    def close(self) -> None:
        self._file.close()


def _encode(member: bytes, term: int, voted_for: str | None) -> bytes:
    return _FIELDS.pack(member, term, voted_for is not None) + (voted_for or "").encode()
