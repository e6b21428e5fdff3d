"""Histories that are linearizable because they were made so.

A sequential machine does one operation after another, each at a point in time of its own; around that point the
operation is given a random interval. Answers are lost, writes refused, reads sent into the past, watches cut and
resumed. The same generator and workload give the same history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.verify.linearizability.histories.history import (
    Commit,
    Delivery,
    Event,
    History,
    KeyDeleted,
    KeyEvent,
    LockGranted,
    LockReleased,
    Operation,
    Watch,
)
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Busy,
    Compare,
    Consistency,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Granted,
    Put,
    Range,
    Relation,
    Release,
    Released,
    Request,
    Result,
    SubRequest,
    Target,
    Txn,
)
from tests.verify.linearizability.histories.store import Store


@dataclass(frozen=True)
class Workload:
    """What a generated history is like. Shares are of 1; times are in units of one operation."""

    operations: int = 60
    keys: int = 4
    locks: int = 2
    watchers: int = 2
    overlap: float = 6.0
    """The longest time between an operation's effect and its ends."""
    unknown: float = 0.08
    refused: float = 0.05
    request_ids: bool = True
    """Whether the record names the causes of commits."""
    leases_expire: bool = False
    multi: bool = True
    """Whether there are operations on several keys, and comparisons of revisions and versions."""


def generate(rng: Random, workload: Workload) -> History:
    """One history."""
    return _Generator(rng, workload).run()


class _Generator:
    def __init__(self, rng: Random, workload: Workload) -> None:
        self._rng = rng
        self._workload = workload
        self._store = Store()
        self._now = 0.0
        self._operations: list[Operation] = []
        self._commits: list[Commit] = []
        self._committed: list[float] = []
        """When each revision was committed; revision r at index r - 1."""
        self._free: dict[str, float] = {}
        """When each client that may go on did return last."""
        self._seen: dict[str, int] = {}
        """The highest revision that each client was told."""
        self._held: list[tuple[str, int]] = []
        self._values = 0

    def run(self) -> History:
        for _ in range(self._workload.operations):
            self._now += self._rng.uniform(0.5, 1.5)
            if self._workload.leases_expire and self._rng.random() < 0.05:
                self._expire()
                self._now += self._rng.uniform(0.5, 1.5)
            self._one()
        return History(
            operations=tuple(self._with_past_reads()),
            commits=tuple(self._commits),
            watches=tuple(watch for n in range(self._workload.watchers) for watch in self._watch(f"w{n}")),
            leases_expire=self._workload.leases_expire,
        )

    # -- one operation -----------------------------------------------------------------------------------------------

    def _one(self) -> None:
        rng, workload = self._rng, self._workload
        request = self._request()
        id_ = f"o{len(self._operations)}"
        if isinstance(request, Acquire):
            request = replace(request, owner=id_)
        fate = rng.random()
        if fate < workload.unknown:
            # Its effect may come long after the client gave up, or not at all.
            invoked = self._now - rng.uniform(0, 5 * workload.overlap)
            client = self._client(invoked)
            del self._free[client]
            if rng.random() < 0.6:
                self._do(request, id_)
            self._operations.append(Operation(id_, client, request, invoked))
            return
        invoked = self._now - rng.uniform(0, workload.overlap)
        client = self._client(invoked)
        returned = self._now + rng.uniform(0, workload.overlap)
        result = None if fate > 1 - workload.refused else self._do(request, id_)
        if isinstance(request, Get | Range) and isinstance(result, Found):
            request, result = self._in_the_past(client, invoked, request, result)
        self._free[client] = returned
        if result is not None:
            self._seen[client] = max(self._seen.get(client, 0), result.revision)
        self._operations.append(Operation(id_, client, request, invoked, returned, result))

    def _client(self, invoked: float) -> str:
        """A client that waits for nothing, or a new one."""
        for client, free in self._free.items():
            if free < invoked:
                return client
        client = f"c{len(self._seen)}"
        self._seen[client] = 0
        self._free[client] = invoked
        return client

    def _do(self, request: Request, id_: str) -> Result:
        """Do it, at the present point in time."""
        revision = self._store.revision + 1
        match request:
            case Acquire(lock=lock, owner=owner):
                if self._store.locks.full(lock):
                    return Busy(revision - 1)
                self._commit((LockGranted(lock, owner, revision),), id_)
                self._held.append((lock, revision))
                return Granted(revision, revision)
            case Release(lock=lock, token=token):
                if not self._store.locks.held(lock, token):
                    return Released(revision - 1, released=False)
                self._commit((LockReleased(lock, token),), id_)
                return Released(revision)
            case _:
                effect = self._store.evaluate(request, revision)
                at = revision if effect.events else revision - 1
                if effect.events:
                    self._commit(effect.events, id_)
                responses = tuple(replace(response, revision=at) for response in effect.responses)
                return Decided(at, effect.succeeded, responses) if isinstance(request, Txn) else responses[0]

    def _commit(self, events: tuple[Event, ...], id_: str | None) -> None:
        revision = self._store.revision + 1
        self._store.apply(revision, events)
        self._commits.append(Commit(revision, events, id_ if self._workload.request_ids else None))
        self._committed.append(self._now)

    def _expire(self) -> None:
        """Some lease ends: of a lock, or of all keys under it."""
        if self._held and self._rng.random() < 0.5:
            lock, token = self._held.pop()
            if self._store.locks.held(lock, token):
                self._commit((LockReleased(lock, token),), None)
        else:
            gone = tuple(KeyDeleted(item.key) for item in self._store.scan("") if item.lease)
            if gone:
                self._commit(gone, None)

    # -- requests ----------------------------------------------------------------------------------------------------

    def _request(self) -> Request:
        rng = self._rng
        kinds: list[tuple[int, Callable[[], Request]]] = [
            (30, self._put),
            (30, lambda: Get(self._key())),
            (15, self._cas),
            (8, lambda: Delete(self._key())),
        ]
        if self._workload.locks:
            kinds += [(6, lambda: Acquire(self._lock(), "")), (6, self._release)]
        if self._workload.multi:
            kinds += [
                (10, lambda: Range(self._prefix(), rng.choice([None, None, 1, 2]))),
                (2, lambda: DeleteRange(self._prefix())),
                (15, self._txn),
            ]
        (chosen,) = rng.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return chosen()

    def _key(self) -> str:
        n = self._rng.randrange(self._workload.keys)
        return f"k{n % 2}/{n}"

    def _prefix(self) -> str:
        return self._rng.choice(["k0/", "k1/", "k", ""])

    def _lock(self) -> str:
        return f"l{self._rng.randrange(self._workload.locks)}"

    def _put(self) -> Put:
        self._values += 1
        lease = "s" if self._workload.leases_expire and self._rng.random() < 0.2 else ""
        return Put(self._key(), f"v{self._values}", lease)

    def _value_of(self, key: str) -> str:
        """The key's value, mostly."""
        item = self._store.get(key)
        return (
            item.value if item is not None and self._rng.random() < 0.7 else f"v{self._rng.randrange(1 + self._values)}"
        )

    def _cas(self) -> Txn:
        put = self._put()
        compare = Compare(put.key, Target.VALUE, Relation.EQUAL, self._value_of(put.key))
        if self._rng.random() < 0.2:
            compare = Compare(put.key, Target.EXISTS, Relation.EQUAL, False)
        return Txn((compare,), (put,))

    def _txn(self) -> Txn:
        compares = tuple([self._compare() for _ in range(self._rng.randrange(3))])
        # A transaction changes a key once at most, as every watch shows one event for a key and revision.
        return Txn(compares, self._parts(), self._parts())

    def _compare(self) -> Compare:
        key, item = (key := self._key()), self._store.get(key)
        return self._rng.choice(
            [
                Compare(key, Target.VALUE, Relation.EQUAL, self._value_of(key)),
                Compare(key, Target.VALUE, Relation.NOT_EQUAL, self._value_of(key)),
                Compare(key, Target.EXISTS, Relation.EQUAL, self._rng.random() < 0.7),
                Compare(key, Target.VERSION, Relation.GREATER, 1),
                Compare(key, Target.MOD_REVISION, Relation.EQUAL, (item.mod_revision or 0) if item else 0),
            ]
        )

    def _parts(self) -> tuple[SubRequest, ...]:
        changed: set[str] = set()
        parts: list[SubRequest] = []
        for _ in range(self._rng.randrange(4)):
            part = self._rng.choice((self._put(), Delete(self._key()), Get(self._key())))
            if isinstance(part, Get) or part.key not in changed:
                parts.append(part)
                changed.add(part.key)
        return tuple(parts)

    def _release(self) -> Release:
        if self._held and self._rng.random() < 0.8:
            return Release(*self._held.pop(self._rng.randrange(len(self._held))))
        return Release(self._lock(), self._rng.randrange(1, self._store.revision + 2))

    # -- reads of the past -------------------------------------------------------------------------------------------

    def _in_the_past(
        self, client: str, invoked: float, request: Get | Range, result: Found
    ) -> tuple[Get | Range, Found]:
        """Sometimes, turn a read of the present into one that may or must see the past; `_with_past_reads` fills it."""
        rng, now = self._rng, self._store.revision
        match rng.randrange(10):
            case 0:
                revision = rng.randint(0, now)
                return replace(request, revision=revision), Found(revision)
            case 1:
                revision = rng.randint(self._seen[client], now)
                return replace(request, consistency=Consistency.SESSION), Found(revision)
            case 2:
                revision = rng.randint(max(0, now - 5), now)
                missed = self._committed[revision] if revision < now else invoked
                staleness = max(0.0, invoked - missed) + 1e-6
                return replace(request, consistency=Consistency.STALE), Found(revision, staleness=staleness)
        return request, result

    def _with_past_reads(self) -> list[Operation]:
        """The operations, with every read answered from its revision."""
        operations, store, commits = list(self._operations), Store(), iter(self._commits)
        reads = [
            (operation.result.revision, i)
            for i, operation in enumerate(operations)
            if isinstance(operation.result, Found)
        ]
        for revision, i in sorted(reads):
            while store.revision < revision:
                commit = next(commits)
                store.apply(commit.revision, commit.events)
            request, told = operations[i].request, operations[i].result
            assert isinstance(request, Get | Range)
            assert isinstance(told, Found)
            (answer,) = store.evaluate(request, revision).responses
            assert isinstance(answer, Found)
            operations[i] = replace(operations[i], result=replace(answer, staleness=told.staleness))
        return operations

    # -- watches -----------------------------------------------------------------------------------------------------

    def _watch(self, watcher: str) -> list[Watch]:
        """A watcher's connections: all events under a prefix from some revision on, with breaks."""
        rng, prefix = self._rng, self._prefix()
        start = rng.randint(1, self._store.revision + 1)
        opened = at = self._committed[start - 2] if start > 1 else 0.0
        connections: list[Watch] = []
        deliveries: list[Delivery] = []
        for commit, committed in list(zip(self._commits, self._committed, strict=True))[start - 1 :]:
            at = max(at, committed) + rng.uniform(0, self._workload.overlap) * (rng.random() < 0.5)
            events = tuple(e for e in commit.events if isinstance(e, KeyEvent) and e.key.startswith(prefix))
            if events or rng.random() < 0.1:
                deliveries.append(Delivery(at, commit.revision, events))
            if rng.random() < 0.05:
                id_ = f"{watcher}.{len(connections)}"
                connections.append(Watch(id_, watcher, prefix, start, opened, tuple(deliveries)))
                start, opened = max([start, *(delivery.revision + 1 for delivery in deliveries)]), at
                deliveries = []
        connections.append(Watch(f"{watcher}.{len(connections)}", watcher, prefix, start, opened, tuple(deliveries)))
        return connections
