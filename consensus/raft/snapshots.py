"""Snapshots: loaded at the start, taken in slices (paper 7; faults 4, 10, 19, 21; specification, section 2b,
durability and flow control). Everything that waits for the disk runs in the disk thread.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from itertools import islice

from coterie.consensus.raft.configuration import Configurations
from coterie.consensus.raft.elections import Elections
from coterie.consensus.raft.ports import SnapshotInfo, SnapshotWriter

logger = logging.getLogger(__name__)


def is_full(error: BaseException) -> bool:
    """Did a disk call fail for want of space alone? A draft is then dropped and nothing is lost. Any other failure of
    the disk is fatal: nobody knows what it holds."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


class Saving:
    """An own snapshot in the making."""

    __slots__ = ("busy", "chunks", "info", "writer")

    def __init__(self, info: SnapshotInfo, chunks: Iterator[bytes], writer: SnapshotWriter) -> None:
        self.info = info
        self.chunks = chunks
        self.writer = writer
        self.busy = False  # a disk job is under way


class Snapshots(Elections):
    def _prepare_snapshots(self) -> None:
        self.saving: Saving | None = None
        self.snapshot_index = 0
        """Index of the last entry in the installed snapshot; 0 without one."""
        self.state_ahead = False
        """The state is already that of a snapshot whose installing the disk has not reported: apply nothing."""
        self._save_not_before = 0.0
        self._save_forced = False

    # loading, once, before any message

    def _load_dump_file(self, clearJournal: bool = False) -> None:  # noqa: N803
        """Load the installed snapshot. It was verified before; what still goes wrong stops the node (fault 10).
        The configuration stays that of snapshot *and* log (fault 19)."""
        info = self.snapshots.latest()
        if info is None:
            return
        self.machine.restore(self.snapshots.state())
        self.snapshot_index = self.applied = info.index
        self._commit_to(info.index)
        self.configurations = Configurations(
            info.voters, self.entries_from(info.index + 1, len(self.log)), from_snapshot=True
        )
        self._configuration_changed()

    # taking

    def _try_log_compaction(self) -> None:
        """Take the next slice of a snapshot, or start one where the log has grown enough."""
        if self.saving is not None:
            self._save_slice(self.saving)
            return
        if self.state_ahead:
            return
        now = self.clock.monotonic()
        grown = self.applied - max(self.snapshot_index, 1)
        if grown <= 0 or now < self._save_not_before:
            return
        if not self._save_forced:
            if grown < self.settings.compact_after:
                return
            sending = any(flow.transfer is not None for flow in self.flows.values())
            if sending and grown < 4 * self.settings.compact_after:
                return  # or the log after the snapshot on its way would be gone when it arrives
        self._save_forced = False
        prev, last = self.entries_from(self.applied - 1, 2)
        info = SnapshotInfo(prev, last, self.configurations.as_of(self.applied))
        if not info.voters:
            return  # a newcomer that has not been told the configuration yet
        try:
            writer = self.snapshots.create(info)
        except OSError as error:
            self._save_failed(None, error)
            return
        self.saving = Saving(info, self.machine.snapshot(), writer)
        self._save_slice(self.saving)

    def compact(self) -> None:
        """Take a snapshot soon, however short the log is."""
        self._save_forced = True

    def _save_slice(self, saving: Saving) -> None:
        if saving.busy:
            return
        chunks = list(islice(saving.chunks, self.settings.snapshot_slice))
        writer = saving.writer

        def write() -> bool:
            for chunk in chunks:
                writer.write(chunk)
            if not chunks:
                writer.seal()
            return not chunks

        saving.busy = True
        self.disk.submit(write, lambda sealed, error: self._event(self._slice_saved, saving, sealed, error))

    def _slice_saved(self, saving: Saving, sealed: bool | None, error: BaseException | None) -> None:
        saving.busy = False
        if error is not None:
            self._save_failed(saving.writer, error)
        elif not sealed:
            self._save_slice(saving)
        else:
            saving.busy = True
            self.disk.submit(saving.writer.install, lambda _, error: self._event(self._saved, saving, error))

    def _saved(self, saving: Saving, error: BaseException | None) -> None:
        """It is durable under its name, and only now the log may be cut (fault 4)."""
        if error is not None:
            raise error  # a name that may or may not be there: never tried again
        self.saving = None
        self.figures.snapshots["taken"] += 1
        if saving.info.index > self.snapshot_index:  # else a newer one has arrived from the leader meanwhile
            self.snapshot_index = saving.info.index
            self._cut(saving.info)

    def _save_failed(self, writer: SnapshotWriter | None, error: BaseException) -> None:
        """A full disk is tried again later, with a new file; anything else stops the node."""
        if not is_full(error):
            raise error
        logger.warning("a snapshot could not be written: %s", error)
        self.figures.snapshots["failed"] += 1
        self.saving = None
        if writer is not None:
            self._discard(writer)
        self._save_not_before = self.clock.monotonic() + self.settings.snapshot_backoff

    def _discard(self, writer: SnapshotWriter) -> None:
        """Drop a draft, after the disk jobs that are still at work on it."""
        self.disk.submit(writer.abort, lambda _result, _error: None)

    def _commit_to(self, index: int) -> None:
        if index > self.commit:
            self.commit = index
            self.log.setRaftCommitIndex(index)

    def _abandon(self) -> None:
        super()._abandon()
        saving, self.saving = self.saving, None
        if saving is not None:
            self._discard(saving.writer)
