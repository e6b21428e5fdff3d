"""Snapshots: loaded at the start, taken in slices (paper 7; faults 4, 10, 19, 21; raft spec 2b, durability
and flow control). Everything that waits for the disk is a job."""

from __future__ import annotations

import errno
import logging
from functools import partial
from itertools import islice

from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.configuration import Configurations
from coterie.consensus.raft.core.model.drafts import Saving
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.ports import Shortage, SnapshotInfo, SnapshotWriter

logger = logging.getLogger(__name__)


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""No space, or no file descriptor."""


def is_full(error: BaseException) -> bool:
    """Did a disk call fail for want of space alone? A draft is then dropped and nothing is lost. Any other failure of
    the disk is fatal: nobody knows what it holds."""
    return isinstance(error, OSError) and error.errno in NO_ROOM


def load(s: RaftState) -> None:
    """Load the installed snapshot, before any message (fault 28). It was verified before; what still goes wrong stops
    the node (fault 10). The configuration stays that of snapshot *and* log (fault 19)."""
    info = s.snapshots.latest()
    if info is None:
        return
    s.machine.restore(s.snapshots.state())
    s.snapshot_index = s.applied = info.index
    become.commit_to(s, info.index)
    entries = s.log.entries_from(info.index + 1, len(s.log))
    s.log.configurations = Configurations(info.voters, entries, from_snapshot=True)


def ask_room(s: RaftState, size: int, entries: int = 1) -> Shortage | None:
    """What the log lacks to take `entries` more, of `size` bytes of commands. A refusal begins what relieves it: a
    snapshot, which lets the log be cut in memory and on the disk."""
    shortage = s.log.journal.shortage(size, entries, following=not s.leading)
    if shortage is not None and s.saving is None:
        s.save_forced = True
    if shortage == "log_full" and not s.leading and s.applied <= max(s.snapshot_index, 1):
        return None  # nothing of the log can be cut before more is committed, and what the leader sends may commit it
    return shortage


def _is_due(s: RaftState, grown: int) -> bool:
    """Has the log grown enough? A snapshot on its way to a member delays the next one, for the log after it would be
    gone when it arrives; but not for ever."""
    most, most_bytes = s.settings.compact_after, s.settings.compact_bytes
    if s.save_forced or s.snapshot_damaged:
        return True
    if any(progress.transfer is not None for progress in s.progress.values()):
        most, most_bytes = 4 * most, 2 * most_bytes
    return grown >= most or s.unsaved_bytes >= most_bytes


def compact_if_due(s: RaftState) -> None:
    """Take the next slice of a snapshot, or start one where the log has grown enough."""
    if s.saving is not None:
        _save_slice(s, s.saving)
        return
    grown = s.applied - max(s.snapshot_index, 1)
    if s.state_ahead or grown < (0 if s.snapshot_damaged else 1) or s.now < s.save_not_before or not _is_due(s, grown):
        return
    s.save_forced = False
    prev, last = s.log.entries_from(s.applied - 1, 2)
    info = SnapshotInfo(prev, last, s.log.configurations.as_of(s.applied))
    if not info.voters:
        return  # a newcomer that does not know the configuration yet
    s.saving = Saving(info, s.unsaved_bytes, s.machine.snapshot(), s.snapshots.create(info))
    _save_slice(s, s.saving)


def _save_slice(s: RaftState, saving: Saving) -> None:
    if saving.busy:
        return
    chunks = list(islice(saving.chunks, s.settings.snapshot_slice))
    writer = saving.writer

    def write() -> bool:
        for chunk in chunks:
            writer.write(chunk)
        if not chunks:
            writer.seal()
        return not chunks

    saving.busy = True
    s.ready.job(write, partial(_slice_saved, saving))


def _slice_saved(saving: Saving, s: RaftState, sealed: bool, error: BaseException | None) -> None:
    saving.busy = False
    if error is not None:
        _save_failed(s, saving.writer, error)
    elif not sealed:
        _save_slice(s, saving)
    else:
        saving.busy = True
        s.ready.job(saving.writer.install, partial(_saved, saving))


def _saved(saving: Saving, s: RaftState, _: object, error: BaseException | None) -> None:
    """It is durable under its name, and only now the log may be cut (fault 4)."""
    if error is not None:
        raise error  # a name that may or may not be there: never tried again
    s.saving = None
    s.metrics.snapshots["taken"] += 1
    if saving.info.index >= s.snapshot_index:  # else a newer one has arrived from the leader meanwhile
        s.snapshot_index = saving.info.index
        s.snapshot_damaged = False
        s.unsaved_bytes -= saving.covers
        s.log.cut(saving.info)


def _save_failed(s: RaftState, writer: SnapshotWriter, error: BaseException) -> None:
    """A full disk is tried again later, with a new file; anything else stops the node."""
    if not is_full(error):
        raise error
    logger.warning("a snapshot could not be written: %s", error)
    s.metrics.snapshots["failed"] += 1
    s.saving = None
    become.discard(s, writer)
    s.save_not_before = s.now + s.settings.snapshot_backoff
