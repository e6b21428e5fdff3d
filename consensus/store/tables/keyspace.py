"""The keyspace: current records, their history, and the keys that hang on leases, changed together.

An operation makes its changes at `next_revision` and then commits: only then has the revision come to be.
"""

from __future__ import annotations

from coterie.consensus.store.schema.limits import Limits
from coterie.consensus.store.schema.records import Event, Record
from coterie.consensus.store.tables.history import History
from coterie.consensus.store.tables.sorted_table import SortedTable


class Keyspace:
    def __init__(self) -> None:
        self.revision = 0
        self.size = 0
        """Bytes of the keys and values of all current records."""
        self.table = SortedTable()
        self.history = History()
        self.lease_keys: dict[int, set[bytes]] = {}
        """The keys of each lease that has any."""

    @property
    def next_revision(self) -> int:
        return self.revision + 1

    def put(self, key: bytes, value: bytes, lease: int) -> Record:
        """Write a key at `next_revision`."""
        return self.put_at(self.table.locate(key), key, value, lease)

    def put_at(self, place: tuple[int, int, Record | None], key: bytes, value: bytes, lease: int) -> Record:
        """As `put`, where the table has already told the key's place."""
        number, at, prev = place
        revision = self.revision + 1
        table = self.table
        if prev is None:
            record = Record(key, value, revision, revision, 1, lease)
            table.insert(number, at, record)
            self.size += len(key) + len(value)
            if lease:
                self.attach(lease, key)
        else:
            key = prev.key  # all versions of a key share its bytes
            record = Record(key, value, prev.create_revision, revision, prev.version + 1, lease)
            table.replace(number, at, record)
            self.size += len(value) - len(prev.value)
            if lease != prev.lease:
                if prev.lease:
                    self._detach(prev.lease, key)
                if lease:
                    self.attach(lease, key)
        self.history.append(Event(revision, key, record, prev))
        return record

    def delete(self, key: bytes) -> Record | None:
        """Delete a key at `next_revision`, if it is there. Returns what it was."""
        number, at, prev = self.table.locate(key)
        if prev is None:
            return None
        self.table.remove(number, at)
        self.size -= len(key) + len(prev.value)
        if prev.lease:
            self._detach(prev.lease, key)
        self.history.append(Event(self.revision + 1, prev.key, None, prev))
        return prev

    def commit(self, limits: Limits) -> int:
        """End an operation that made changes. Returns their revision."""
        self.revision += 1
        self.history.trim(limits)
        return self.revision

    def load(self, records: list[Record]) -> None:
        """Take records that are older than all history from a snapshot. Raises ValueError unless keys ascend."""
        last = self.table.last_key()
        for record in records:
            if record.key <= last:
                raise ValueError(f"key {record.key!r} is out of order")
            last = record.key
            self._added(record)
        self.table.append(records)

    def replay(self, event: Event) -> None:
        """Take an event from a snapshot, in order. Its `prev` may be left out where history holds that version too.

        Raises ValueError where it does not follow from what was loaded before.
        """
        number, at, prev = self.table.locate(event.key)
        record = event.record
        if prev is not None:
            if event.prev is not None:
                raise ValueError(f"two versions of {event.key!r} at one time")
            self.size -= len(prev.key) + len(prev.value)
            if prev.lease:
                self._detach(prev.lease, prev.key)
        if record is not None:
            self._added(record)
            if prev is None:
                self.table.insert(number, at, record)
            else:
                self.table.replace(number, at, record)
        elif prev is not None:
            self.table.remove(number, at)
        elif event.prev is None:
            raise ValueError(f"{event.key!r} is deleted where it was not")
        self.history.append(Event(event.revision, event.key, record, prev or event.prev))

    def _added(self, record: Record) -> None:
        self.size += len(record.key) + len(record.value)
        if record.lease:
            self.attach(record.lease, record.key)

    def attach(self, lease: int, key: bytes) -> None:
        keys = self.lease_keys.get(lease)
        if keys is None:
            self.lease_keys[lease] = {key}
        else:
            keys.add(key)

    def _detach(self, lease: int, key: bytes) -> None:
        keys = self.lease_keys[lease]
        keys.remove(key)
        if not keys:
            del self.lease_keys[lease]
