"""The ring: the last events, encoded and numbered, and what a reader at some position still has to get.

Bounded in events and in bytes: the oldest go first. A batch for several readers of one filter is made once. Pure, but
for random numbers in encrypted ids.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import NamedTuple

from coterie.app.api.live.events.event_ids import EventIdCipher
from coterie.app.api.live.events.filters import Filter, ReadablePart

MAX_BATCH_BYTES = 64 * 1024
"""One message to a client holds no more than this, unless a single event does."""

MAX_SHARED_BATCHES = 256


class RingEntry(NamedTuple):
    kind: str
    key: bytes | None
    body: bytes
    """JSON, with the id in it."""
    id: bytes

    def under(self, other_id: bytes) -> RingEntry:
        """The same under another id."""
        return RingEntry(self.kind, self.key, _with_id(self.body[len(_with_id(b"", self.id)) :], other_id), other_id)


def _with_id(rest: bytes, entry_id: bytes) -> bytes:
    """A JSON object's bytes, behind its brace: with the id as its first member."""
    return b'{"id":"%s",%s' % (entry_id, rest)


class EventBatch:
    """Events in a row, as both transports send them; made once for all who are at the same place."""

    def __init__(self, entries: list[RingEntry], last: int, last_id: bytes) -> None:
        self.entries = entries
        self.last = last
        """Number of the last event looked at, wanted or not: where to go on from."""
        self._last_id = last_id

    def __bool__(self) -> bool:
        return bool(self.entries)

    @cached_property
    def text(self) -> str:
        bodies = b",".join(entry.body for entry in self.entries)
        return (b'{"type":"events","id":"%s","events":[%s]}' % (self._last_id, bodies)).decode()

    @cached_property
    def sse(self) -> bytes:
        return b"".join(
            b"id: %s\nevent: %s\ndata: %s\n\n" % (entry.id, entry.kind.encode(), entry.body) for entry in self.entries
        )


class PassedError(Exception):
    """What the reader has not had is gone."""


class EventRing:
    """Numbers count from 1; `last` 0 is before the first event."""

    def __init__(self, epoch: str, max_events: int, max_bytes: int) -> None:
        self.epoch = epoch
        self.last = 0
        self._entries: deque[RingEntry] = deque()
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._shared: dict[tuple[Filter, int], EventBatch] = {}
        self._seal = EventIdCipher()

    @property
    def first(self) -> int:
        """Number of the oldest event held, or that of the next one."""
        return self.last - len(self._entries) + 1

    def id_of(self, number: int, part: ReadablePart | None = None) -> str:
        """`part`: of who is told this id."""
        return f"{self.epoch}-{number if part is None else self._seal.close(number, part.rights)}"

    def read_id(self, text: str, part: ReadablePart | None = None) -> int | None:
        """The number of an id, if it is one that this ring gave to who is told this part."""
        epoch, _, number = text.partition("-")
        if epoch != self.epoch:
            return None
        if part is not None:
            return self._seal.open(number, part.rights)
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            return None
        return int(number) if int(number) <= self.last else None

    def holds_after(self, number: int) -> bool:
        """Are all events behind this one still there?"""
        return self.first - 1 <= number <= self.last

    def add(self, kind: str, key: bytes | None, body: bytes) -> None:
        """`body`: a JSON object's bytes; the id becomes its first member."""
        self.last += 1
        entry_id = self.id_of(self.last).encode()
        entry = RingEntry(kind, key, _with_id(body[1:], entry_id), entry_id)
        self._entries.append(entry)
        self._bytes += len(entry.body)
        while len(self._entries) > self._max_events or (self._bytes > self._max_bytes and len(self._entries) > 1):
            self._bytes -= len(self._entries.popleft().body)
        self._shared.clear()

    def batch(self, after: int, wanted: Filter) -> EventBatch:
        """What comes behind number `after`, as far as one message may hold it. Raises PassedError."""
        shared = self._shared.get((wanted, after))
        if shared is not None:
            return shared
        if not self.holds_after(after):
            raise PassedError
        found: list[RingEntry] = []
        part = wanted.part
        size = 0
        number = after
        for index in range(len(self._entries) - (self.last - after), len(self._entries)):
            entry = self._entries[index]
            if wanted.wants(entry.kind, entry.key):
                size += len(entry.body)
                if found and size > MAX_BATCH_BYTES:
                    break
                found.append(entry if part is None else entry.under(self.id_of(number + 1, part).encode()))
            number += 1
        batch = EventBatch(found, number, self.id_of(number, part).encode())
        if len(self._shared) < MAX_SHARED_BATCHES:
            self._shared[wanted, after] = batch
        return batch
