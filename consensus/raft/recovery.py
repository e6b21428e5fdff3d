"""Before a node starts: is what the disk holds whole, and do journal and snapshot fit? (Faults 3, 4, 10; raft spec 2b.)

A gap or a contradiction stops the node here, before it can vote. It never starts empty in their place.
"""

from __future__ import annotations

from coterie.consensus.raft.core.model.configuration import Configurations
from coterie.consensus.raft.core.model.entries import NO_OP
from coterie.consensus.raft.core.model.log import Log
from coterie.consensus.raft.errors import CorruptStateError
from coterie.consensus.raft.ports import Journal, SnapshotInfo, SnapshotStore


def recover(journal: Journal, snapshots: SnapshotStore, founders: tuple[str, ...]) -> Log:
    """Fit the journal to the installed snapshot, sync it, and return the log, which has its first entry at least: a
    no-op, the same in every log. Its configuration is that of snapshot *and* entries, committed or not (fault 3).

    Raises CorruptStateError, CorruptSnapshotError, OSError.
    """
    info = snapshots.latest()
    _fit(journal, info)
    voters = founders if info is None else info.voters
    configurations = Configurations(voters, journal[:], from_snapshot=info is not None)
    if not len(journal):
        journal.add(NO_OP, 1, 0)
        journal.sync()
    if journal[-1][2] > journal.term:
        # A crash came between an entry of a later term and the term itself: there is no vote in it yet.
        journal.store_vote(journal[-1][2], None)
    return Log(journal, configurations, 1 if info is None else info.index)


def _fit(journal: Journal, info: SnapshotInfo | None) -> None:
    _check_entries(journal)
    if info is None:
        if len(journal) and journal[0][1] != 1:
            raise CorruptStateError(f"the log begins at {journal[0][1]}, and the snapshot before it is missing")
        if not len(journal) and journal.term > 0:
            raise CorruptStateError("there is a vote, but no log and no snapshot: the log was lost")
    else:
        _align(journal, info)
    journal.sync()


def _check_entries(journal: Journal) -> None:
    """Indexes rise by one, terms never fall, entries are tuples (fault 27)."""
    before = None
    for at in range(len(journal)):
        entry: object = journal[at]
        if not isinstance(entry, tuple) or len(entry) != 3 or not isinstance(entry[0], bytes) or not entry[0]:
            raise CorruptStateError(f"the log's record {at} is not an entry")
        if before is not None and (entry[1] != before[1] + 1 or entry[2] < before[2]):
            raise CorruptStateError(f"the log is broken between entries {before[1]} and {entry[1]}")
        before = entry


def _align(journal: Journal, info: SnapshotInfo) -> None:
    """Make the journal begin with the snapshot's last two entries."""
    if len(journal) and journal[0][1] > info.prev[1]:
        raise CorruptStateError(
            f"the log begins at {journal[0][1]}, the snapshot ends at {info.index}: entries between them are missing"
        )
    at = info.index - journal[0][1] if len(journal) else -1
    if 0 < at < len(journal) and journal[at] == info.last:
        journal.drop_before(at - 1)
        if journal[0] != info.prev:
            raise CorruptStateError(f"the log and the snapshot disagree on entry {info.prev[1]}")
        return
    # Shorter than the snapshot, or a former leader's: all that was committed is in the snapshot.
    journal.clear()
    journal.add(*info.prev)
    journal.add(*info.last)
