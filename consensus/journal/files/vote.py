"""Two small files beside the log: term with vote, and how far the log was synced (raft spec 2b).

Each is a `DoubleBufferedFile`: it can be written on a full disk, and the vote while the log is being synced.
"""

from __future__ import annotations

import struct
from pathlib import Path

from coterie.consensus.journal.errors import CorruptFileError, MisuseError, WrongMemberError
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile
from coterie.consensus.journal.files.filesystem import Files

VOTE_NAME = "vote"
WATERMARK_NAME = "watermark"
MAX_VOTE_BYTES = 1_024

_VOTE_KIND, _WATERMARK_KIND = 2, 3
_VOTE = struct.Struct("<16sQ?")  # member id, term, whether a vote follows
_WATERMARK = struct.Struct("<16sQ")  # member id, frame number


class VoteFile:
    """The current term, and who got this member's vote in it."""

    def __init__(self, file: DoubleBufferedFile, member: bytes, term: int, voted_for: str | None) -> None:
        self._file = file
        self._member = member
        self.term = term
        self.voted_for = voted_for

    @classmethod
    def create(cls, files: Files, directory: Path, member: bytes) -> VoteFile:
        file = DoubleBufferedFile.create(files, directory / VOTE_NAME, _VOTE_KIND, _encode_vote(member, 0, None))
        return cls(file, member, 0, None)

    @classmethod
    def open(cls, files: Files, directory: Path, member: bytes) -> VoteFile:
        """Raises CorruptFileError."""
        path = directory / VOTE_NAME
        file = DoubleBufferedFile.open(files, path, _VOTE_KIND)
        try:
            its_member, term, voted = _VOTE.unpack_from(file.value)
            voted_for = file.value[_VOTE.size :].decode() if voted else None
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
        self._file.store(_encode_vote(self._member, term, voted_for))
        self.term = term
        self.voted_for = voted_for

    def close(self) -> None:
        self._file.close()


def _encode_vote(member: bytes, term: int, voted_for: str | None) -> bytes:
    return _VOTE.pack(member, term, voted_for is not None) + (voted_for or "").encode()


class Watermark:
    """The number of a frame up to which the log has been synced, told a little late.

    A log that ends before it has lost bytes that a disk had promised to keep; without it, that would look like a last
    write that was never finished.
    """

    def __init__(self, file: DoubleBufferedFile, member: bytes, sequence: int) -> None:
        self._file = file
        self._member = member
        self.sequence = sequence

    @classmethod
    def create(cls, files: Files, directory: Path, member: bytes) -> Watermark:
        file = DoubleBufferedFile.create(files, directory / WATERMARK_NAME, _WATERMARK_KIND, _WATERMARK.pack(member, 0))
        return cls(file, member, 0)

    @classmethod
    def open(cls, files: Files, directory: Path, member: bytes) -> Watermark:
        """Raises CorruptFileError."""
        path = directory / WATERMARK_NAME
        file = DoubleBufferedFile.open(files, path, _WATERMARK_KIND)
        if len(file.value) != _WATERMARK.size:
            file.close()
            raise CorruptFileError(path, "holds no frame number")
        its_member, sequence = _WATERMARK.unpack(file.value)
        if its_member != member:
            file.close()
            raise WrongMemberError(path, "belongs to another member")
        return cls(file, member, sequence)

    def store(self, sequence: int) -> None:
        """Durable on return."""
        if sequence != self.sequence:
            self._file.store(_WATERMARK.pack(self._member, sequence))
            self.sequence = sequence

    def close(self) -> None:
        self._file.close()
