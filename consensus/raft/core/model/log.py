"""The log: entries, how far they are on disk, and the configuration that follows from them.

Every change to the journal goes through here, so that configuration and durability are kept in step (raft spec 2b,
configuration and durability).
"""

from __future__ import annotations

from coterie.consensus.raft.core.model.configuration import Configurations
from coterie.consensus.raft.errors import SafetyError
from coterie.consensus.raft.ports import Entry, Journal, SnapshotInfo


class Durability:
    """Follows journal changes and syncs, one in flight at most. Pure bookkeeping: indexes in, indexes out."""

    __slots__ = ("_covered", "dirty", "durable")

    def __init__(self, durable: int) -> None:
        self.durable = durable
        """Everything up to this index is on disk as it is in memory."""
        self.dirty = False
        """Something is buffered that no sync has begun to write."""
        self._covered: int | None = None  # what the sync in flight will have made durable

    @property
    def in_flight(self) -> bool:
        return self._covered is not None

    def changed(self) -> None:
        self.dirty = True

    def truncated(self, first_gone: int) -> None:
        """Entries from `first_gone` on were replaced in memory: what the disk holds there no longer counts."""
        self.dirty = True
        self.durable = min(self.durable, first_gone - 1)
        if self._covered is not None:
            self._covered = min(self._covered, first_gone - 1)

    def replaced(self, index: int) -> None:
        """A snapshot up to `index`, durable itself, replaced the log."""
        self.dirty = True
        self.durable = index
        if self._covered is not None:
            self._covered = index

    def installed(self, index: int) -> None:
        """A snapshot up to `index`, durable itself, covers the log's beginning; the rest of the log stays."""
        self.dirty = True
        self.durable = max(self.durable, index)

    def begin(self, last: int) -> None:
        self.dirty = False
        self._covered = last

    def done(self) -> None:
        if self._covered is not None:
            self.durable = max(self.durable, self._covered)
        self._covered = None


class Log:
    __slots__ = ("configurations", "durability", "found_committed", "journal")

    def __init__(self, journal: Journal, configurations: Configurations, found_committed: int) -> None:
        """`journal`: not empty, and on disk as it is in memory."""
        self.journal = journal
        self.configurations = configurations
        self.found_committed = found_committed
        """What the disk alone shows to be committed: the installed snapshot's last index, or the log's first entry."""
        self.durability = Durability(self.last_index)

    @property
    def first_index(self) -> int:
        return self.journal[0][1]

    @property
    def last_index(self) -> int:
        return self.journal[-1][1]

    @property
    def last_term(self) -> int:
        return self.journal[-1][2]

    def __len__(self) -> int:
        return len(self.journal)

    def term_at(self, index: int) -> int:
        """The term of an entry in the log. Raises SafetyError for an index outside of it."""
        first = self.journal[0][1]
        if not 0 <= index - first < len(self.journal):
            raise SafetyError(f"entry {index} is not in the log")
        return self.journal[index - first][2]

    def entries_from(self, index: int, count: int) -> list[Entry]:
        """Up to `count` entries from `index` on. Raises SafetyError where the log begins later."""
        at = index - self.journal[0][1]
        if at < 0:
            raise SafetyError(f"entry {index} is no longer in the log")
        return self.journal[at : at + count]

    def append(self, entry: Entry) -> None:
        self.journal.add(*entry)
        self.durability.changed()
        self.configurations.appended(entry)

    def truncate(self, first_gone: int) -> None:
        """Drop the entries from `first_gone` on; their replacement follows in the same event, and in the same sync."""
        self.journal.truncate_from(first_gone - self.first_index)
        self.durability.truncated(first_gone)
        self.configurations.truncated(first_gone)

    def cut(self, info: SnapshotInfo) -> None:
        """An installed snapshot covers everything up to its last entry; the log keeps that one and the one before."""
        self.journal.drop_before(info.prev[1] - self.first_index)
        self.durability.installed(info.index)
        self.configurations.compacted(info.index, info.voters)

    def replace(self, info: SnapshotInfo) -> None:
        """An installed snapshot takes the place of the whole log."""
        self.journal.clear()
        self.journal.add(*info.prev)
        self.journal.add(*info.last)
        self.durability.replaced(info.index)
        self.configurations = Configurations(info.voters, (), from_snapshot=True)
