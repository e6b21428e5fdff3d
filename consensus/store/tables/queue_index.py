"""Locks, elections and semaphores: queues whose entries are keys in the keyspace (raft spec 3).

An entry is a key that lives with the lease that asked for it. Its number is the revision of that request, so the keys
of a queue are in the order of the requests, and the first entries hold the permits. A grant rewrites the entry with a
fencing token: the revision of the grant, which no other grant of the queue shares, and which is above that of every
earlier one. For that an operation takes at most one permit of a queue away, and a queue's count of permits is fixed
while it is in use.

The index over those keys is rebuilt from them when a snapshot is loaded.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import QueueKind
from coterie.consensus.store.schema.records import Record, prefix_end
from coterie.consensus.store.tables.keyspace import Keyspace

RESERVED_PREFIX = b"coterie/"
"""Keys under this prefix are the system's own. The API keeps clients from writing them."""

PREFIXES = {
    QueueKind.LOCK: RESERVED_PREFIX + b"locks/",
    QueueKind.ELECTION: RESERVED_PREFIX + b"elections/",
    QueueKind.SEMAPHORE: RESERVED_PREFIX + b"semaphores/",
}
_QUEUE_PREFIXES = tuple(PREFIXES.values())


class QueueEntryValue(msgspec.Struct, frozen=True):
    """The value of an entry's key, as JSON; bytes in base64."""

    token: int
    permits: int
    value: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(QueueEntryValue).decode


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A holder (token above 0) or a waiter, as the API gives it."""

    key: bytes
    lease: int
    token: int
    value: bytes
    since: int
    """Revision of the request."""


@dataclass(slots=True)
class WaitQueue:
    kind: QueueKind
    name: bytes
    permits: int
    holders: dict[int, int] = field(default_factory=dict)
    """Entry number by token."""
    waiting: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Entry numbers, in order."""
    by_lease: dict[int, int] = field(default_factory=dict)
    """Entry number by lease."""

    def key(self, number: int) -> bytes:
        return queue_prefix(self.kind, self.name) + b"%020d" % number


def queue_prefix(kind: QueueKind, name: bytes) -> bytes:
    """The prefix of the keys of all entries of a queue: what to watch."""
    return PREFIXES[kind] + name + b"@"


def is_queue_key(key: bytes) -> bool:
    return key.startswith(_QUEUE_PREFIXES)


def queue_of(key: bytes) -> tuple[QueueKind, bytes] | None:
    """The queue that the key is an entry of; None for other keys."""
    return _parse(key)[:2] if is_queue_key(key) else None


def as_queue_entry(record: Record) -> QueueEntry:
    """The entry in the record of its key."""
    held = _decode(record.value)
    return QueueEntry(record.key, record.lease, held.token, held.value, record.create_revision)


class QueueIndex:
    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._queues: dict[tuple[QueueKind, bytes], WaitQueue] = {}

    def find(self, kind: QueueKind, name: bytes) -> WaitQueue | None:
        return self._queues.get((kind, name))

    def names(self, kind: QueueKind) -> list[bytes]:
        """The queues that have any entry, in order."""
        return sorted(name for of_kind, name in self._queues if of_kind is kind)

    def entries(self, kind: QueueKind, name: bytes, limit: int) -> list[QueueEntry]:
        """The first entries: holders by token, then waiters in order. Grants go by order: it is the keys' order."""
        prefix = queue_prefix(kind, name)
        return [as_queue_entry(record) for record in self._keyspace.table.scan(prefix, prefix_end(prefix), limit)]

    def enter(self, kind: QueueKind, name: bytes, lease: int, value: bytes, permits: int) -> tuple[bytes, int, int]:
        """Add an entry at `next_revision`. Returns its key, its token (0: it waits) and how many wait before it."""
        queue = self._queues.get((kind, name))
        if queue is None:
            queue = self._queues[kind, name] = WaitQueue(kind, name, permits)
        number = self._keyspace.next_revision
        token = number if len(queue.holders) < queue.permits else 0
        key = queue.key(number)
        self._keyspace.put(key, _encode(QueueEntryValue(token, permits, value)), lease)
        queue.by_lease[lease] = number
        ahead = len(queue.waiting)
        if token:
            queue.holders[token] = number
        else:
            queue.waiting[number] = None
        return key, token, ahead

    def leave(self, queue: WaitQueue, lease: int) -> None:
        """Remove the entry of `lease` at `next_revision`; the next waiter gets the permit."""
        key = queue.key(queue.by_lease[lease])
        self.forget(key)
        self._keyspace.delete(key)
        self.grant([(queue.kind, queue.name)])

    def forget(self, key: bytes) -> tuple[QueueKind, bytes]:
        """Drop an entry that is about to be deleted from the index. Returns its queue, for `grant`."""
        record = self._keyspace.table.get(key)
        assert record is not None, "an entry in the index has its key"  # noqa: S101
        kind, name, number = _parse(key)
        queue = self._queues[kind, name]
        del queue.by_lease[record.lease]
        token = _decode(record.value).token
        if token:
            del queue.holders[token]
        else:
            del queue.waiting[number]
        return kind, name

    def grant(self, touched: list[tuple[QueueKind, bytes]]) -> None:
        """Give free permits of these queues to waiters, at `next_revision`; forget queues without entries."""
        for at in touched:
            queue = self._queues[at]
            if queue.waiting and len(queue.holders) < queue.permits:
                number, _ = queue.waiting.popitem(last=False)
                self.rewrite(queue, number, token=self._keyspace.next_revision)
                queue.holders[self._keyspace.next_revision] = number
            elif not queue.holders:
                del self._queues[at]

    def rewrite(self, queue: WaitQueue, number: int, *, token: int, value: bytes | None = None) -> None:
        """Change an entry's token and, unless None, its value, at `next_revision`."""
        key = queue.key(number)
        record = self._keyspace.table.get(key)
        assert record is not None, "an entry in the index has its key"  # noqa: S101
        kept = _decode(record.value).value if value is None else value
        self._keyspace.put(key, _encode(QueueEntryValue(token, queue.permits, kept)), record.lease)

    def load(self, record: Record) -> None:
        """Take an entry from a snapshot, in key order. Raises ValueError where it is none."""
        kind, name, number = _parse(record.key)
        try:
            held = _decode(record.value)
        except msgspec.DecodeError as error:
            raise ValueError(f"{record.key!r} holds no entry of a queue") from error
        queue = self._queues.setdefault((kind, name), WaitQueue(kind, name, held.permits))
        queue.by_lease[record.lease] = number
        if held.token:
            queue.holders[held.token] = number
        else:
            queue.waiting[number] = None


def check_name(name: bytes, limit: int) -> None:
    """An "@" ends the name in the keys of entries."""
    if not 0 < len(name) <= limit or b"@" in name:
        raise RefusalError(RefusalCode.NAME_INVALID, limit)


def _parse(key: bytes) -> tuple[QueueKind, bytes, int]:
    for kind, prefix in PREFIXES.items():
        if key.startswith(prefix):
            name, _, number = key[len(prefix) :].rpartition(b"@")
            return kind, name, int(number)
    raise ValueError(f"{key!r} is no entry of a queue")
