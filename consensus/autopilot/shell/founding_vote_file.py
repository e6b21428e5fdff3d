"""The founding vote on disk, stored before any other node learns of it (raft spec 4).

A directory without this file has an empty vote: its member has agreed to nothing yet.
"""

from __future__ import annotations

from pathlib import Path

from coterie.consensus.autopilot.founding_vote import (
    FoundingVote,
    FoundingVoteError,
    decode_founding_vote,
    encode_founding_vote,
)
from coterie.consensus.journal import CorruptFileError, Files
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile

FILE_NAME = "ballot"
"""Its name since the first format."""

_KIND = 4


class FoundingVoteFile:
    def __init__(self, files: Files, directory: Path, file: DoubleBufferedFile | None, vote: FoundingVote) -> None:
        self._files = files
        self._directory = directory
        self._file = file
        self.vote = vote

    @classmethod
    def open(cls, files: Files, directory: Path) -> FoundingVoteFile:
        """The caller holds the directory's lock. Raises CorruptFileError, DiskFailedError."""
        if FILE_NAME not in files.names(directory):
            return cls(files, directory, None, FoundingVote())
        path = directory / FILE_NAME
        file = DoubleBufferedFile.open(files, path, _KIND)
        try:
            vote = decode_founding_vote(file.value)
        except FoundingVoteError as error:
            file.close()
            raise CorruptFileError(path, str(error)) from None
        return cls(files, directory, file, vote)

    def store(self, vote: FoundingVote) -> None:
        """Durable on return. After an error the node takes no part in Raft any more: what the disk holds is unknown."""
        if vote == self.vote:
            return
        value = encode_founding_vote(vote)
        if self._file is None:
            self._file = DoubleBufferedFile.create(self._files, self._directory / FILE_NAME, _KIND, value)
        else:
            self._file.store(value)
        self.vote = vote

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
