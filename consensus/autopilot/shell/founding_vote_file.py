"""The ballot on disk: a checksummed twin file in the member's directory (spec section 4: persisted before it is told).

A directory from before its first answer has no such file, which means an empty ballot.
"""

from __future__ import annotations

from pathlib import Path

from coterie.consensus.autopilot.founding_vote import Ballot, BallotError, decode_ballot, encode_ballot
from coterie.consensus.journal import CorruptFileError, Files
from coterie.consensus.journal.files.double_buffered import DoubleBufferedFile

BALLOT_NAME = "ballot"

_KIND = 4


class BallotFile:
    def __init__(self, files: Files, directory: Path, file: DoubleBufferedFile | None, ballot: Ballot) -> None:
        self._files = files
        self._directory = directory
        self._file = file
        self.ballot = ballot

    @classmethod
    def open(cls, files: Files, directory: Path) -> BallotFile:
        """Raises CorruptFileError, DiskFailedError. The directory's lock is held by whoever calls."""
        if BALLOT_NAME not in files.names(directory):
            return cls(files, directory, None, Ballot())
        path = directory / BALLOT_NAME
        file = DoubleBufferedFile.open(files, path, _KIND)
        try:
            ballot = decode_ballot(file.value)
        except BallotError as error:
            file.close()
            raise CorruptFileError(path, str(error)) from None
        return cls(files, directory, file, ballot)

    def store(self, ballot: Ballot) -> None:
        """Durable on return. After an error the process must stop: what is on disk is not known."""
        if ballot == self.ballot:
            return
        value = encode_ballot(ballot)
        if self._file is None:
            self._file = DoubleBufferedFile.create(self._files, self._directory / BALLOT_NAME, _KIND, value)
        else:
            self._file.store(value)
        self.ballot = ballot

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
