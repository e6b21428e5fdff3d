"""The writes of a transaction before they are made: checked and readable, and nothing of them in the keyspace yet."""

from __future__ import annotations

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import KEEP_LEASE, Delete, DeleteRange, Put
from coterie.consensus.store.schema.records import Record
from coterie.consensus.store.schema.results import DeleteDone, PutDone, RangeDone
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.queue_index import RESERVED_PREFIX, is_queue_key


def check_put(state: State, op: Put, prev: Record | None, more_keys: int = 0, more_bytes: int = 0) -> tuple[bytes, int]:
    """The value and lease that `op` writes over `prev`. Raises RefusedError.

    `more_keys` and `more_bytes` are what an unfinished transaction adds to the table.
    """
    limits, keyspace = state.limits, state.keyspace
    key, value, lease = op.key, op.value, op.lease
    if not 0 < len(key) <= limits.max_key_bytes:
        raise RefusalError(RefusalCode.KEY_INVALID, limits.max_key_bytes)
    if is_queue_key(key):
        raise RefusalError(RefusalCode.KEY_RESERVED)
    if op.expect is not None:
        check_expected(op.expect, prev)
    if value is None:
        if prev is None:
            raise RefusalError(RefusalCode.KEY_NOT_FOUND)
        value = prev.value
    elif len(value) > limits.max_value_bytes:
        raise RefusalError(RefusalCode.VALUE_TOO_LARGE, limits.max_value_bytes)
    if lease == KEEP_LEASE:
        lease = prev.lease if prev is not None else 0
    elif lease and (prev is None or prev.lease != lease):
        check_lease(state, lease)
    if prev is None:
        check_room(state, more_keys + 1, more_bytes + len(key) + len(value))
    elif len(value) > len(prev.value) and (
        keyspace.size + more_bytes + len(value) - len(prev.value) > limits.max_data_bytes
    ):
        raise RefusalError(RefusalCode.NO_SPACE, limits.max_data_bytes)
    return value, lease


def check_room(state: State, more_keys: int, more_bytes: int) -> None:
    limits, keyspace = state.limits, state.keyspace
    if len(keyspace.table) + more_keys > limits.max_keys:
        raise RefusalError(RefusalCode.TOO_MANY_KEYS, limits.max_keys)
    if keyspace.size + more_bytes > limits.max_data_bytes:
        raise RefusalError(RefusalCode.NO_SPACE, limits.max_data_bytes)


def check_owner(state: State, lease: int) -> None:
    """Raises RefusalError (not_owner) for a lease that the caller may not use."""
    found = state.leases.table.get(lease)
    if found is not None:
        state.check_owner(found)


def check_lease(state: State, lease: int) -> None:
    """Is there such a lease, for the caller to use, with room for another key?"""
    if lease not in state.leases.table:
        raise RefusalError(RefusalCode.LEASE_NOT_FOUND)
    check_owner(state, lease)
    if len(state.keyspace.lease_keys.get(lease, ())) >= state.limits.max_lease_keys:
        raise RefusalError(RefusalCode.LEASE_FULL, state.limits.max_lease_keys)


def check_expected(expect: int, prev: Record | None) -> None:
    found = prev.mod_revision if prev is not None else 0
    if found != expect:
        raise RefusalError(RefusalCode.CONFLICT, found)


class StagedWrites:
    """What a transaction would leave behind: writes over the keyspace, and sums that the limits ask for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._table = state.keyspace.table
        self.writes: dict[bytes, Record | None] = {}
        self._keys = 0  # added, less deleted
        self._bytes = 0
        self._attached: dict[int, int] = {}  # keys by lease, added
        self._deleted = 0  # by ranges

    def get(self, key: bytes) -> Record | None:
        return self.writes[key] if key in self.writes else self._table.get(key)

    def range(self, start: bytes, end: bytes | None, limit: int) -> RangeDone:
        found = {it.key: it for it in self._table.scan(start, end, limit + len(self.writes) + 1)}
        for key, record in self.writes.items():
            if record is None:
                found.pop(key, None)
            elif key >= start and (end is None or key < end):
                found[key] = record
        records = [found[key] for key in sorted(found)]
        return RangeDone(tuple(records[:limit]), len(records) > limit)

    def put(self, op: Put) -> PutDone:
        self._check_new(op.key)
        prev = self._table.get(op.key)
        value, lease = check_put(self._state, op, prev, self._keys, self._bytes)
        revision = self._state.keyspace.next_revision
        if prev is None:
            record = Record(op.key, value, revision, revision, 1, lease)
            self._keys += 1
            self._bytes += len(op.key) + len(value)
        else:
            record = Record(prev.key, value, prev.create_revision, revision, prev.version + 1, lease)
            self._bytes += len(value) - len(prev.value)
        if lease and (prev is None or prev.lease != lease):
            added = self._attached[lease] = self._attached.get(lease, 0) + 1
            if len(self._state.keyspace.lease_keys.get(lease, ())) + added > self._state.limits.max_lease_keys:
                raise RefusalError(RefusalCode.LEASE_FULL, self._state.limits.max_lease_keys)
        self.writes[op.key] = record
        return PutDone(revision, prev if op.prev else None)

    def delete(self, op: Delete) -> DeleteDone:
        self._check_new(op.key)
        if is_queue_key(op.key):
            raise RefusalError(RefusalCode.KEY_RESERVED)
        prev = self._table.get(op.key)
        if op.expect is not None:
            check_expected(op.expect, prev)
        if prev is None:
            return DeleteDone(self._state.keyspace.revision, 0)
        self._erase(prev)
        return DeleteDone(self._state.keyspace.next_revision, 1, (prev,) if op.prev else ())

    def delete_range(self, op: DeleteRange) -> DeleteDone:
        limit = self._state.limits.max_delete_keys
        doomed = self.doomed(op.start, op.end, limit - self._deleted)
        self._deleted += len(doomed)
        if any(key >= op.start and (op.end is None or key < op.end) for key in self.writes):
            raise RefusalError(RefusalCode.DUPLICATE_KEY)
        for record in doomed:
            self._erase(record)
        keyspace = self._state.keyspace
        revision = keyspace.next_revision if doomed else keyspace.revision
        return DeleteDone(revision, len(doomed), tuple(doomed) if op.prev else ())

    def delete_rest(self, op: DeleteRange) -> DeleteDone:
        """As `delete_range`, of a range that others before may have taken a part of."""
        gone = 0
        for key, record in self.writes.items():
            if key >= op.start and (op.end is None or key < op.end):
                if record is not None:
                    raise RefusalError(RefusalCode.DUPLICATE_KEY)
                gone += 1
        limit = self._state.limits.max_delete_keys
        room = limit - self._deleted
        doomed = [each for each in self.doomed(op.start, op.end, room + gone) if each.key not in self.writes]
        self._deleted += len(doomed)
        for record in doomed:
            self._erase(record)
        return DeleteDone(self.revision, len(doomed), tuple(doomed) if op.prev else ())

    @property
    def revision(self) -> int:
        """The newest, with what is staged."""
        keyspace = self._state.keyspace
        return keyspace.next_revision if self.writes else keyspace.revision

    def scan(self, start: bytes, end: bytes | None, limit: int) -> list[Record]:
        """The first `limit` records of the range."""
        if not self.writes:
            return self._table.scan(start, end, limit)
        return list(self.range(start, end, limit).records)

    def count(self, start: bytes, end: bytes | None) -> int:
        count = self._table.count(start, end)
        for key, record in self.writes.items():
            if key >= start and (end is None or key < end):
                count += (record is not None) - (self._table.get(key) is not None)
        return count

    def doomed(self, start: bytes, end: bytes | None, room: int) -> list[Record]:
        """What a range deletion takes: every record of the range but the reserved ones. At most `room`."""
        found: list[Record] = []
        while True:
            wanted = room - len(found) + 1
            part = self._table.scan(start, end, wanted)
            found += [record for record in part if not record.key.startswith(RESERVED_PREFIX)]
            if len(found) > room:
                raise RefusalError(RefusalCode.DELETE_TOO_LARGE, self._state.limits.max_delete_keys)
            if len(part) < wanted:
                return found
            start = part[-1].key + b"\0"

    def commit(self) -> int:
        """Make the writes, all at one revision. Returns it, or the current one where there are none."""
        keyspace = self._state.keyspace
        if not self.writes:
            return keyspace.revision
        for key, record in self.writes.items():
            if record is None:
                keyspace.delete(key)
            else:
                keyspace.put(key, record.value, record.lease)
        return keyspace.commit(self._state.limits)

    def _check_new(self, key: bytes) -> None:
        if key in self.writes:
            raise RefusalError(RefusalCode.DUPLICATE_KEY)

    def _erase(self, prev: Record) -> None:
        self.writes[prev.key] = None
        self._keys -= 1
        self._bytes -= len(prev.key) + len(prev.value)
