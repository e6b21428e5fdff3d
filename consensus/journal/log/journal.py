"""The Raft log, term and vote, with group commit (raft spec 2b, durability).

All changes happen in memory at once and are buffered for the disk; one sync makes all of them durable. The entries
since the last snapshot stay in memory: `max_log_bytes` bounds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.journal.errors import DiskFailedError, MisuseError
from coterie.consensus.journal.files.vote import VoteFile
from coterie.consensus.journal.log.frames import (
    ENTRY,
    ENTRY_HEAD,
    FRAME_HEAD_BYTES,
    RESET_RECORD,
    TRUNCATE,
    TRUNCATE_RECORD,
)
from coterie.consensus.journal.log.writer import SegmentWriter
from coterie.consensus.raft.ports import Entry, Shortage, SnapshotInfo

ENTRY_MEMORY_BYTES = 160
"""What an entry takes in memory beside its command: a tuple, a bytes object, two ints and a place in the list."""


class FileJournal:
    """To be used in one thread, but for `store_vote` and the jobs of `begin_sync`, which run one after the other in
    another. Positions are those of a list, not log indexes."""

    def __init__(
        self,
        log: list[Entry],
        writer: SegmentWriter,
        vote: VoteFile,
        snapshot: Callable[[], SnapshotInfo | None],
        config: JournalConfig,
    ) -> None:
        """`log` is durable already. `snapshot` gives the newest durable snapshot."""
        self._log = log
        self._writer = writer
        self._vote = vote
        self._snapshot = snapshot
        self._config = config
        self._next_index = log[-1][1] + 1 if log else None
        self._log_bytes = sum(len(entry[0]) for entry in log)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._highest_index = 0
        self._remaining_bytes = writer.remaining_bytes
        self._spare_bytes = writer.spare_bytes
        self._upkeep_due = True
        self._in_flight = False
        self._closing = False
        self._closed = False
        self._failure: Exception | None = None

    # -- the log in memory -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._log)

    @overload
    def __getitem__(self, item: int) -> Entry: ...
    @overload
    def __getitem__(self, item: slice) -> list[Entry]: ...
    def __getitem__(self, item: int | slice) -> Entry | list[Entry]:
        return self._log[item]

    def add(self, command: bytes, index: int, term: int) -> None:
        """Append an entry. Never raises: a gap is refused by the next sync, before anything is written."""
        if self._next_index is not None and index != self._next_index:
            self._misused(f"entry {index} was added where {self._next_index} must follow")
        if type(command) is not bytes:
            command = bytes(command)
        self._next_index = index + 1
        self._log.append((command, index, term))
        self._log_bytes += len(command)
        self._put(ENTRY_HEAD.pack(ENTRY, index, term, len(command)))
        self._put(command)
        self._highest_index = max(self._highest_index, index)

    def clear(self) -> None:
        """Empty the log; what is added next may begin anywhere."""
        self._log.clear()
        self._log_bytes = 0
        self._next_index = None
        self._buffer.clear()
        self._buffered = 0
        self._put(RESET_RECORD)

    def truncate_from(self, position: int) -> None:
        """Drop the entries from position `position` on. Written with what is added before the next sync."""
        if position < len(self._log):
            first = self._log[max(0, position)][1]
            self._log_bytes -= sum(len(entry[0]) for entry in self._log[max(0, position) :])
            del self._log[max(0, position) :]
            self._next_index = first
            self._put(TRUNCATE_RECORD.pack(TRUNCATE, first))

    def drop_before(self, position: int) -> None:
        """Drop the entries before position `position` from memory; from disk only what a durable snapshot covers."""
        if position > 0:
            self._log_bytes -= sum(len(entry[0]) for entry in self._log[:position])
            del self._log[:position]
            self._upkeep_due = True

    def _put(self, record: bytes) -> None:
        self._buffer.append(record)
        self._buffered += len(record)

    # -- durability --------------------------------------------------------------------------------------------------

    def begin_sync(self) -> Callable[[], None]:
        """Take what is buffered now; the returned job makes it durable, in whichever thread runs it.

        One job at a time: it must have run before the next is begun. It raises DiskFailedError or DiskFullError; then
        the journal takes nothing any more, and the node must stop. Raises MisuseError.
        """
        self._check()
        if self._in_flight:
            raise MisuseError("a sync was begun while one is in flight")
        records, highest = b"".join(self._buffer), self._highest_index
        self._buffer.clear()
        self._buffered = self._highest_index = 0
        upkeep, self._upkeep_due = self._upkeep_due, False
        needed_from = self._needed_from()
        if records:
            self._claim(FRAME_HEAD_BYTES + len(records))
        self._in_flight = True

        def job() -> None:
            try:
                self._check()  # a vote before it may have failed since it was begun
                begins_segment = bool(records) and self._writer.append(records, highest)
                if upkeep or begins_segment:
                    self._writer.upkeep(needed_from)
            except Exception as error:
                self._failure = error
                raise
            finally:
                self._in_flight = False
                if self._closing:
                    self._close_files()

        return job

    def sync(self) -> None:
        """Make everything buffered so far durable, here and now. As `begin_sync`."""
        self.begin_sync()()

    def begin_upkeep(self) -> Callable[[], None] | None:
        """The watermark, old segments, and a spare, so that a full disk that has space again is noticed: the returned
        job does what is due of it, and may run in the disk thread, in turn with those of `begin_sync`.

        None where nothing is due, and where the next sync does it, for something is waiting or in flight. Errors as
        those of a sync.
        """
        if self._failure is not None or self._closing:
            return None
        needed_from = self._needed_from()
        if self._in_flight or self._buffer:
            self._upkeep_due = True
            return None
        if not self._writer.needs_upkeep(needed_from):
            return None

        def job() -> None:
            try:
                self._check()
                self._writer.upkeep(needed_from)
            except Exception as error:
                self._failure = error
                raise

        return job

    def upkeep(self) -> None:
        """What is due of it, here and now. As `begin_upkeep`."""
        job = self.begin_upkeep()
        if job is not None:
            job()

    def _needed_from(self) -> int:
        """Entries below this index are in a durable snapshot, and not among those that the node expects beside it."""
        snapshot = self._snapshot()
        return 0 if snapshot is None else snapshot.prev[1]

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise DiskFailedError("the journal is closed")

    def _misused(self, problem: str) -> None:
        if self._failure is None:
            self._failure = MisuseError(problem)

    # -- room --------------------------------------------------------------------------------------------------------

    def shortage(self, size: int, entries: int = 1, *, following: bool = False) -> Shortage | None:
        """None where `size` more bytes of commands may be added now, with certainty that they can be written.

        `disk_full` also for more than one segment holds; `log_full` where the log would take more memory than
        `max_log_bytes`. A reserve is kept for what a node adds without asking: its no-op, a change of members.
        `following`: entries of a leader may take half of that reserve, and twice the memory.
        """
        config = self._config
        reserve = config.reserve_bytes // 2 if following else config.reserve_bytes
        need = FRAME_HEAD_BYTES + self._buffered + entries * ENTRY_HEAD.size + size + reserve
        if need > max(self._in_flight_free()):
            return "disk_full"
        memory = self.memory_bytes + entries * ENTRY_MEMORY_BYTES + size
        return "log_full" if memory > (2 if following else 1) * config.max_log_bytes else None

    @property
    def memory_bytes(self) -> int:
        """About what the entries in memory take."""
        return self._log_bytes + ENTRY_MEMORY_BYTES * len(self._log)

    @property
    def log_full(self) -> bool:
        """The log takes as much memory as it may: not a write more until a snapshot has cut it."""
        return self.memory_bytes + ENTRY_MEMORY_BYTES > self._config.max_log_bytes

    @property
    def disk_full(self) -> bool:
        """There is no space for another segment. What is left in this one may still be used."""
        return self._writer.disk_full

    def _claim(self, need: int) -> None:
        """Reckon with what the job will use, before it has run."""
        if need <= self._remaining_bytes:
            self._remaining_bytes -= need
        else:
            self._remaining_bytes, self._spare_bytes = max(0, self._spare_bytes - need), 0

    def _in_flight_free(self) -> tuple[int, int]:
        """(bytes left in the current segment, bytes of the spare), after the job in flight."""
        if not self._in_flight:
            self._remaining_bytes, self._spare_bytes = self._writer.remaining_bytes, self._writer.spare_bytes
        return self._remaining_bytes, self._spare_bytes

    # -- term and vote -----------------------------------------------------------------------------------------------

    def store_vote(self, term: int, voted_for: str | None) -> None:
        """Durable on return, also on a full disk. Raises DiskFailedError and MisuseError; then the node must stop."""
        self._check()
        try:
            self._vote.store(term, voted_for)
        except Exception as error:
            self._failure = error
            raise

    @property
    def term(self) -> int:
        return self._vote.term

    @property
    def voted_for(self) -> str | None:
        return self._vote.voted_for

    # -- end ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Make durable what is buffered, unless something failed or is in flight, and close. Safe to call twice."""
        if self._closing:
            return
        try:
            if self._failure is None and not self._in_flight:
                self._upkeep_due = True
                self.sync()
        finally:
            self._closing = True
            if not self._in_flight:
                self._close_files()

    def _close_files(self) -> None:
        if not self._closed:
            self._closed = True
            self._writer.close()
            self._vote.close()
