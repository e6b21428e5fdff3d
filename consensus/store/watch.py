"""Watches: the events of some keys from a revision on, in order, without gaps, resumable (raft spec 3).

A hub routes each new event to the watches it concerns. A watch keeps references to the few it has not handed out yet;
if they grow beyond a bound it drops them and becomes a mere position in history, from which it catches up by reading.
So a slow watcher costs no memory, and if history is compacted past its position it gets a definite answer. A batch
always ends with a whole revision: its `revision` is where to resume after.

This side is local to a replica; nothing of it is in the replicated state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from coterie.consensus.store.schema.errors import CompactedRevisionError
from coterie.consensus.store.schema.records import Event, prefix_end
from coterie.consensus.store.tables.keyspace import Keyspace

MAX_PENDING_EVENTS = 256
"""References that a watch holds before it falls back to reading history."""

MAX_READ_EVENTS = 4_096
"""Events of history that one `take` looks at, so that it stays short."""


class EventKind(Enum):
    PUT = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class WatchBatch:
    events: list[Event]
    revision: int
    """All events up to this revision have been handed out: a progress mark, even with no event."""
    more: bool
    """There may be more to take at once."""


@dataclass(slots=True, eq=False)
class Watcher:
    """One watcher's place. Made by a hub, and read through it."""

    start: bytes
    end: bytes | None
    kind: EventKind | None
    position: int
    """All events of revisions below this were handed out, or do not concern the watch."""
    catching_up: bool
    pending: list[Event] = field(default_factory=list)
    """While not catching up: what came since, oldest first."""

    def wants(self, event: Event) -> bool:
        """Is this event in the watch's range, and of its kind?"""
        if event.key < self.start or (self.end is not None and event.key >= self.end):
            return False
        return self.kind is None or (event.record is None) == (self.kind is EventKind.DELETE)


class WatchHub:
    def __init__(self, keyspace: Keyspace) -> None:
        self._current = keyspace
        self._keyspace = keyspace  # what has been routed; the current one as of the last `feed`
        self._fed = keyspace.revision  # all events up to here have been routed
        self._watches: dict[Watcher, None] = {}
        self._by_key: dict[bytes, dict[Watcher, None]] = {}
        self._by_prefix: dict[int, dict[bytes, dict[Watcher, None]]] = {}  # by the prefix's length, then by prefix
        self._by_range: dict[Watcher, None] = {}

    def __len__(self) -> int:
        return len(self._watches)

    @property
    def revision(self) -> int:
        """The newest."""
        return self._current.revision

    def watch(
        self, start: bytes, end: bytes | None, *, from_revision: int | None = None, kind: EventKind | None = None
    ) -> Watcher:
        """Watch the keys from `start` to below `end` (None: to the last key), from a revision on (None: the next one).

        A revision yet to come is waited for. Raises CompactedRevisionError where events from there on are gone.
        """
        position = self._current.revision + 1 if from_revision is None else from_revision
        compacted = self._current.history.compacted
        if position <= compacted:
            raise CompactedRevisionError(position, compacted)
        watch = Watcher(start, end, kind, position, catching_up=position <= self._fed)
        self._watches[watch] = None
        self._bucket(watch)[watch] = None
        return watch

    def close(self, watch: Watcher) -> None:
        if watch in self._watches:
            del self._watches[watch]
            del self._bucket(watch)[watch]
            self._drop_empty(watch)

    def follow(self, keyspace: Keyspace) -> None:
        """A snapshot was installed: go on with its keyspace, from the next `feed` on."""
        self._current = keyspace

    def feed(self) -> list[Watcher]:
        """Route what was applied since the last time. Returns the watches that now have something to take."""
        keyspace = self._current
        if keyspace is not self._keyspace or self._fed < keyspace.history.compacted:
            # A snapshot was installed, or more was compacted than routed: all go back to where they were, and read.
            self._keyspace = keyspace
            for watch in self._watches:
                self._fall_back(watch)
            self._fed = keyspace.revision
            return list(self._watches)
        if keyspace.revision == self._fed:
            return []
        ready: dict[Watcher, None] = {}
        if self._watches:
            for event in keyspace.history.after(self._fed):
                self._route(event, ready)
        self._fed = keyspace.revision
        return list(ready)

    def take(self, watch: Watcher, max_events: int = 1_000) -> WatchBatch:
        """The next events of a watch: `max_events`, and as many more as end the last revision.

        To be called for a new watch, for one that `feed` returned, and again while there is more. Raises
        CompactedRevisionError for a watch that fell behind history: it must be closed.
        """
        if watch.catching_up:
            return self._read_on(watch, max_events)
        pending = watch.pending
        count = min(len(pending), max_events)
        while 0 < count < len(pending) and pending[count].revision == pending[count - 1].revision:
            count += 1
        watch.pending = pending[count:]
        progress = max(self._fed, watch.position - 1) if count == len(pending) else pending[count - 1].revision
        watch.position = progress + 1
        return WatchBatch(pending[:count], progress, more=count < len(pending))

    def _read_on(self, watch: Watcher, max_events: int) -> WatchBatch:
        history = self._keyspace.history
        if watch.position <= history.compacted:
            raise CompactedRevisionError(watch.position, history.compacted)
        events: list[Event] = []
        revision = watch.position - 1
        for looked, event in enumerate(history.after(revision)):
            if event.revision > revision:
                if event.revision > self._fed:
                    break  # comes by `feed`
                if looked >= MAX_READ_EVENTS or len(events) >= max_events:
                    watch.position = revision + 1
                    return WatchBatch(events, revision, more=True)
                revision = event.revision
            if watch.wants(event):
                events.append(event)
        watch.catching_up = False
        watch.position = max(self._fed + 1, watch.position)
        return WatchBatch(events, watch.position - 1, more=False)

    def _route(self, event: Event, ready: dict[Watcher, None]) -> None:
        key = event.key
        if self._by_key:
            self._offer(self._by_key.get(key, ()), event, ready)
        for length, prefixes in self._by_prefix.items():
            self._offer(prefixes.get(key[:length], ()), event, ready)
        self._offer(self._by_range, event, ready)

    def _offer(self, watches: Iterable[Watcher], event: Event, ready: dict[Watcher, None]) -> None:
        for watch in watches:
            if watch.catching_up or event.revision < watch.position or not watch.wants(event):
                continue
            ready[watch] = None
            if len(watch.pending) < MAX_PENDING_EVENTS:
                watch.pending.append(event)
            else:
                self._fall_back(watch)

    def _fall_back(self, watch: Watcher) -> None:
        """Make it a position in history. What is pending has not been handed out: it comes again from there."""
        if watch.catching_up:
            return
        if watch.pending:
            watch.position = watch.pending[0].revision
            watch.pending = []
        else:
            watch.position = max(watch.position, self._fed + 1)
        watch.catching_up = True

    def _bucket(self, watch: Watcher) -> dict[Watcher, None]:
        """Where events find the watch: by its one key, by its prefix, or among the few that have neither."""
        if watch.end == watch.start + b"\0":
            return self._by_key.setdefault(watch.start, {})
        if watch.end == prefix_end(watch.start):
            return self._by_prefix.setdefault(len(watch.start), {}).setdefault(watch.start, {})
        return self._by_range

    def _drop_empty(self, watch: Watcher) -> None:
        if watch.end == watch.start + b"\0":
            if not self._by_key[watch.start]:
                del self._by_key[watch.start]
        elif watch.end == prefix_end(watch.start):
            prefixes = self._by_prefix[len(watch.start)]
            if not prefixes[watch.start]:
                del prefixes[watch.start]
            if not prefixes:
                del self._by_prefix[len(watch.start)]
