"""The events of the revisions still kept: what watches and reads at a revision live on (raft spec 3).

Events stand in slabs of a fixed count, oldest first. A full slab never changes again, so that a snapshot may share it;
it gets a second list, in key order, by which a read at a revision finds the keys that have changed since. An event
holds the version it replaced: the state at revision r is the current one, but for each key with an event after r the
`prev` of the first of them. Nothing refers back into older events, so compaction is to drop slabs at the old end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter

from coterie.consensus.store.schema.limits import Limits
from coterie.consensus.store.schema.records import Event, Record

SLAB = 1_024
"""Events in a slab."""

ROOM = 256
"""Once beyond a bound, history is cut to a 256th part below it: a little at a time."""

EVENT_BYTES = 160
"""What an event is counted at beside its key and value: about the memory that it and its record take."""

_by_key = attrgetter("key")
_by_revision = attrgetter("revision")


def event_bytes(event: Event) -> int:
    return EVENT_BYTES + len(event.key) + (len(event.record.value) if event.record is not None else 0)


class _Sorted:
    """A full slab by key, then by revision."""

    __slots__ = ("events", "keys")

    def __init__(self, slab: list[Event]) -> None:
        self.events = sorted(slab, key=_by_key)
        self.keys = [event.key for event in self.events]


class History:
    def __init__(self, compacted: int = 0) -> None:
        self.compacted = compacted
        """The newest revision whose events are gone, all of them and all before."""
        self.count = 0
        self.size = 0  # by `event_bytes`
        self._slabs: list[list[Event]] = [[]]  # the last one is open
        self._sorted: list[_Sorted] = []  # the full ones again

    def append(self, event: Event) -> None:
        slab = self._slabs[-1]
        slab.append(event)
        record = event.record
        self.count += 1
        self.size += EVENT_BYTES + len(event.key) + (len(record.value) if record is not None else 0)
        if len(slab) == SLAB:
            self._sorted.append(_Sorted(slab))
            self._slabs.append([])

    def after(self, revision: int) -> Iterator[Event]:
        """The events after `revision`, which must not be below `compacted`; as of now, whatever happens later."""
        number, at = self._position(revision)
        return _chain([*self._slabs[number:-1], self._slabs[-1].copy()], at)

    def compact(self, revision: int) -> None:
        """Drop the events up to `revision`."""
        if revision <= self.compacted:
            return
        count = size = 0
        for event in self.after(self.compacted):
            if event.revision > revision:
                break
            count += 1
            size += event_bytes(event)
        self._cut(revision, count, size)

    def trim(self, limits: Limits) -> None:
        """Keep within the bounds; once beyond one, make some room below it. Always by whole revisions."""
        if self.count <= limits.max_history_events and self.size <= limits.max_history_bytes:
            return
        surplus = self.count - limits.max_history_events * (ROOM - 1) // ROOM
        surplus_bytes = self.size - limits.max_history_bytes * (ROOM - 1) // ROOM
        revision = self.compacted
        count = size = 0
        for event in self.after(self.compacted):
            if event.revision > revision:
                if count >= surplus and size >= surplus_bytes:
                    break
                revision = event.revision
            count += 1
            size += event_bytes(event)
        self._cut(revision, count, size)

    def _cut(self, revision: int, count: int, size: int) -> None:
        """Drop the events up to `revision`: so many, of such a size."""
        self.count -= count
        self.size -= size
        number, _ = self._position(revision)
        del self._slabs[:number]
        del self._sorted[:number]
        self.compacted = revision

    def first_after(self, key: bytes, revision: int) -> Event | None:
        """The first change of `key` after `revision`, which must not be below `compacted`."""
        number, at = self._position(revision)
        for slab in self._sorted[number:]:
            for place in range(bisect_left(slab.keys, key), SLAB):
                event = slab.events[place]
                if event.key != key:
                    break
                if event.revision > revision:
                    return event
        return next((event for event in self._open_after(number, at) if event.key == key), None)

    def undo(self, start: bytes, end: bytes | None, revision: int) -> dict[bytes, Record | None]:
        """Of the keys from `start` to below `end` that changed after `revision`: what they were then."""
        before: dict[bytes, Record | None] = {}
        number, at = self._position(revision)
        for slab in self._sorted[number:]:
            for place in range(bisect_left(slab.keys, start), SLAB):
                event = slab.events[place]
                if end is not None and event.key >= end:
                    break
                if event.revision > revision:
                    before.setdefault(event.key, event.prev)
        for event in self._open_after(number, at):
            if event.key >= start and (end is None or event.key < end):
                before.setdefault(event.key, event.prev)
        return before

    def _position(self, revision: int) -> tuple[int, int]:
        """Slab and place of the first event after `revision`."""
        slabs = self._slabs
        # Slabs whose last event is not after the revision have nothing to give; the open one may be empty.
        number = bisect_right(slabs, revision, 0, len(slabs) - 1, key=lambda slab: slab[-1].revision)
        return number, bisect_right(slabs[number], revision, key=_by_revision)

    def _open_after(self, number: int, at: int) -> list[Event]:
        """What the open slab holds from that position on."""
        return self._slabs[-1][at:] if number == len(self._slabs) - 1 else self._slabs[-1]


def _chain(slabs: list[list[Event]], skip: int) -> Iterator[Event]:
    """The events of slabs, but for the first ones. A slab is let go once it is done."""
    slabs.reverse()
    while slabs:
        slab = slabs.pop()
        yield from slab[skip:] if skip else slab
        skip = 0
