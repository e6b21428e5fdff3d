"""How far the own log is on disk while syncs run beside the loop (group commit; specification, sections 2 (5) and
2b)."""

from __future__ import annotations


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
