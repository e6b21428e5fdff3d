"""Clients of the real replicated state: writes that are tried again under one request id, transactions, reads now,
stale and of the past, and watches that go on elsewhere. The checkers judge what they saw (raft spec 1 and 3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from coterie.consensus import store
from coterie.consensus.raft.errors import RaftError, RaftRefusedError, StoppedError
from coterie.consensus.store import Idempotent, IdempotentFor, decode, encode, prefix_end, state_digest
from coterie.consensus.store.schema.fingerprints import fingerprint
from coterie.consensus.store.schema.levels import SINCE
from coterie.consensus.store.schema.limits import MIN_REQUEST_AGE_MS, REQUEST_BUCKET_MS
from tests.verify.consistency.judging.raft.fencing import fencing_anomalies
from tests.verify.consistency.judging.raft.leases import KeptLease, LeasesLeft, lease_anomalies
from tests.verify.consistency.judging.raft.places import with_locks
from tests.verify.linearizability import Delivery, History, Operation, render
from tests.verify.linearizability import Watch as SeenWatch
from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Compare,
    Consistency,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Granted,
    Item,
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
    Written,
)
from tests.verify.raft_sim.workload.history import OpenCalls
from tests.verify.raft_sim.workload.metadata import Metadata, Record, by_revision

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host, World

KEYS = ("a/1", "a/2", "a/3", "b/1", "b/2")
PREFIXES = ("a/", "b/", "")
PER_TRY = {
    store.RefusalCode.REQUEST_EXPIRED,
    store.RefusalCode.REQUEST_AHEAD,
    store.RefusalCode.REQUESTS_FULL,
}
"""Refusals that say nothing of an earlier try."""

HAPPENED = {store.RefusalCode.RESULT_NOT_KEPT, store.RefusalCode.GRANT_ENDED}
"""An earlier try was done; what it came to is not told again."""

Then = Callable[[str, object], None]
"""Takes a request's name, and its result as the state gives it, or None: it was refused, or nobody knows."""


def plain(request: SubRequest) -> store.Put | store.Delete | store.DeleteRange | store.Get | store.Range:
    match request:
        case Put(key=key, value=value, lease=lease):
            return store.Put(key.encode(), value.encode(), int(lease or 0))
        case Delete(key=key):
            return store.Delete(key.encode())
        case DeleteRange(prefix=prefix):
            return store.DeleteRange(prefix.encode(), prefix_end(prefix.encode()))
        case Get(key=key):
            return store.Get(key.encode())
        case Range(prefix=prefix, limit=limit):
            return store.Range(prefix.encode(), prefix_end(prefix.encode()), limit or 1000)


def comparison(it: Compare) -> store.Compare | store.Guard:
    if it.target is Target.TOKEN:
        return store.Guard(store.QueueKind.LOCK, it.key.encode(), int(it.operand))
    operand = it.operand.encode() if isinstance(it.operand, str) else int(it.operand)
    return store.Compare(it.key.encode(), store.Target(it.target.value), it.relation.value, operand)


def operation(request: Request, lease: int = 0) -> store.ClientOperation:
    """What the log carries for a request that writes. `lease`: in whose name, for locks alone."""
    match request:
        case Txn(compares=compares, then=then, orelse=orelse):
            return store.Txn(tuple(map(comparison, compares)), tuple(map(plain, then)), tuple(map(plain, orelse)))
        case Acquire(lock=lock, owner=owner):
            return store.Acquire(store.QueueKind.LOCK, lock.encode(), lease, owner.encode())
        case Release(lock=lock):
            return store.Release(store.QueueKind.LOCK, lock.encode(), lease)
    assert isinstance(request, Put | Delete | DeleteRange)
    made = plain(request)
    assert isinstance(made, store.Put | store.Delete | store.DeleteRange)
    return made


def item(record: store.Record) -> Item:
    return Item(
        record.key.decode(),
        record.value.decode(),
        record.create_revision,
        record.mod_revision,
        record.version,
        str(record.lease or ""),
    )


def result(told: object, revision: int = 0) -> Result:
    """An answer in the words of the checkers; `revision` of a read within a transaction is the transaction's."""
    match told:
        case store.PutDone(revision=at):
            return Written(at)
        case store.DeleteDone(revision=at, deleted=deleted):
            return Written(at, deleted)
        case store.GetDone(record=record):
            return Found(revision, () if record is None else (item(record),))
        case store.RangeDone(records=records, more=more):
            return Found(revision, tuple(map(item, records)), more)
        case store.TxnDone(revision=at, succeeded=succeeded, results=results):
            responses = tuple(result(each, at) for each in results)
            return Decided(at, succeeded, responses)  # type: ignore[arg-type]
        case store.AcquireDone(token=token):
            return Granted(token, token)  # a token is the revision of its grant
        case store.Done(revision=at):
            return Released(at)
    raise AssertionError(told)


@dataclass
class Watcher:
    """One watcher: where it is connected, and what it saw on each connection."""

    name: str
    prefix: str
    position: int = 0
    """Everything up to this revision has been seen."""
    host: Host | None = None
    life: int = 0
    machine: Metadata | None = None
    watch: store.Watcher | None = None
    seen: list[SeenWatch] = field(default_factory=list)


class Clients:
    """As `sim.history.History`, for hosts whose machine is `Metadata`."""

    def __init__(self, world: World, record: Record) -> None:
        self.world = world
        self.record = record
        self.rng = random.Random(world.rng.random())
        self.reusing = True
        self.careless = random.Random(f"{world.seed} careless")
        self.operations: dict[str, Operation] = {}
        self.kept: list[KeptLease] = []
        """Of keepers of leases."""
        self.holding = False
        """Whether there are locks and leases."""
        self._in_name_of: dict[str, int] = {}
        self._then: dict[str, Then] = {}
        self.acknowledged = self.read = self.unknown = self.refused = 0
        self._calls = OpenCalls(world)
        self._retrying = 0
        self.watchers = [Watcher(f"w{number}", self.rng.choice(PREFIXES)) for number in range(3)]
        for watcher in self.watchers:
            self._pump(watcher)

    @property
    def open(self) -> int:
        return len(self._calls) + self._retrying

    # -- writes ------------------------------------------------------------------------------------------------------

    def _request(self, number: int) -> Request:
        key = self.rng.choice(KEYS)
        put = Put(key, f"v{number}")
        kind = self.rng.random()
        if kind < 0.5:
            return put
        if kind < 0.6:
            return Delete(key)
        if kind < 0.65:
            return DeleteRange(self.rng.choice(PREFIXES[:2]))
        compare = self.rng.choice(
            [
                Compare(key, Target.EXISTS, Relation.EQUAL, self.rng.random() < 0.5),
                Compare(key, Target.VERSION, self.rng.choice(list(Relation)), self.rng.randrange(4)),
                Compare(key, Target.MOD_REVISION, Relation.LESS, max(1, self.record.top - self.rng.randrange(20))),
                Compare(key, Target.VALUE, Relation.NOT_EQUAL, f"v{self.rng.randrange(number + 1)}"),
            ]
        )
        other = self.rng.choice(KEYS)
        then: tuple[SubRequest, ...] = (put, Get(other)) if other != key else (put,)
        orelse = self.rng.choice([(), (Get(key), Range("a/")), (Delete(key),)])
        return Txn((compare,), then, orelse)

    def write(self, host: Host, key: str, timeout: float = 2.0) -> None:
        """One request of a client; `key` is drawn anew."""
        name = f"o{len(self.operations) + 1}"
        request = self._request(len(self.operations) + 1)
        self.operations[name] = Operation(name, f"c{self.rng.randrange(3)}", request, self.world.now)
        if host.node is None or host.paused is not None:
            self._fail(name)
            return
        self._try(name, self._encode(name, host), host, timeout, self.rng.choice([1, 1, 3]), doubt=False)

    def ask(self, client: str, request: Request, host: Host, then: Then, *, tries: int, lease: int = 0) -> None:
        """One request. `then` is called once, or never where the process ends that would answer. `lease`: in whose
        name, of locks."""
        name = f"o{len(self.operations) + 1}"
        self.operations[name] = Operation(name, client, request, self.world.now)
        self._then[name], self._in_name_of[name] = then, lease
        if host.node is None or host.paused is not None:
            self._fail(name)
        else:
            self._try(name, self._encode(name, host), host, 2.0, tries, doubt=False)

    def granted(self, name: str, token: int) -> None:
        """An acquisition that waited has been granted."""
        self._finish(name, Granted(token, token))

    def _encode(self, name: str, host: Host) -> bytes:
        """A request under an id of its own, of the cluster time that a host knows."""
        asked = operation(self.operations[name].request, self._in_name_of.get(name, 0))
        request_id, time_ms = f"{name}.{len(self.record.causes)}".encode(), host.machine.state.time_ms
        if host.machine.state.feature_level < SINCE[IdempotentFor]:
            op = encode(Idempotent(request_id, time_ms, asked))
        else:
            op = encode(IdempotentFor(request_id, time_ms, fingerprint(asked, ""), asked))
        # A lock is granted by its owner's name, and mostly by what another asks for.
        self.record.causes[op] = "" if isinstance(asked, store.Acquire | store.Release) else name
        return op

    def _try(self, name: str, op: bytes, host: Host, timeout: float, tries: int, *, doubt: bool) -> None:
        """Propose, and where that fails go to another host with the same bytes. `doubt`: an earlier try may have
        happened."""
        if host.node is None or host.paused is not None:
            self._again(name, op, timeout, tries, doubt=doubt)
            return
        call = self._calls.enter(host, timeout)

        def done(error: RaftError | None, told: object) -> None:
            self._calls.end(call)  # called once, or this raises
            if error is not None:
                self._again(name, op, timeout, tries, doubt=doubt or not isinstance(error, RaftRefusedError))
            elif isinstance(told, store.Refused):
                if told.code == store.RefusalCode.REQUEST_EXPIRED:
                    self._check_age(op, host)
                if told.code in HAPPENED or (told.code in PER_TRY and doubt):
                    self._lose(name)
                elif told.code == store.RefusalCode.REQUESTS_FULL:
                    self._fail(name)
                elif told.code in PER_TRY:  # the host's time was long past: nothing happened, and now it knows better
                    self._try(name, self._encode(name, host), host, timeout, tries, doubt=False)
                else:
                    self._fail(name)
            elif isinstance(told, store.AcquireDone) and not told.token:
                self.unknown += 1  # it waits, and may be granted at any time
                self._end(name, told)
            else:
                self._finish(name, result(told))
                self.acknowledged += name not in self._then  # those that the storm counts
                self._end(name, told)
                self._reuse(op, host)

        try:
            host.node.propose(op, done, timeout)
        except StoppedError:
            self._calls.end(call)
            self._again(name, op, timeout, tries, doubt=doubt)

    def _check_age(self, op: bytes, host: Host) -> None:
        """No id is forgotten within the window, however much others ask for, once the level says so."""
        state, since = host.machine.state, self.record.bounded_since_ms
        asked = decode(op)
        assert isinstance(asked, Idempotent | IdempotentFor)
        if since is None or asked.time_ms < since + 2 * REQUEST_BUCKET_MS:
            return
        age = state.time_ms - asked.time_ms
        if age < min(state.limits.request_window_ms, MIN_REQUEST_AGE_MS) - REQUEST_BUCKET_MS:
            self.world.fail(f"a request of {age} ms ago is taken for too old: its id was forgotten")

    def _reuse(self, op: bytes, host: Host) -> None:
        """Now and then a client takes the id of a request that was acknowledged for another one."""
        former = decode(op)
        if not self.reusing or not isinstance(former, IdempotentFor) or self.careless.random() > 0.1:
            return
        name = f"o{len(self.operations) + 1}"
        request = Put(self.careless.choice(KEYS), f"reused{len(self.operations)}")
        self.operations[name] = Operation(name, "c0", request, self.world.now)
        asked = operation(request)
        again = encode(IdempotentFor(former.id, former.time_ms, fingerprint(asked, ""), asked))
        self.record.causes[again] = name
        self._retrying += 1

        def send() -> None:
            self._retrying -= 1
            self._try(name, again, host, 2.0, 1, doubt=True)

        self.world.after(0.2 * self.careless.random(), send)

    def _again(self, name: str, op: bytes, timeout: float, tries: int, *, doubt: bool) -> None:
        if tries > 1:
            host = self.rng.choice(list(self.world.hosts.values()))
            pause = self.rng.choice([0.02, 0.3])
            self._retrying += 1

            def again() -> None:
                self._retrying -= 1
                self._try(name, op, host, timeout, tries - 1, doubt=doubt)

            self.world.after(pause, again)
        elif doubt:
            self._lose(name)
        else:
            self._fail(name)

    def _lose(self, name: str) -> None:
        """Nobody knows what became of it."""
        self.unknown += 1
        self._end(name, None)

    def _end(self, name: str, told: object) -> None:
        then = self._then.pop(name, None)
        if then is not None:
            then(name, told)

    def _finish(self, name: str, told: Result) -> None:
        self.operations[name] = replace(self.operations[name], returned=self.world.now, result=told)

    def _fail(self, name: str) -> None:
        self.refused += 1
        self.operations[name] = replace(self.operations[name], returned=self.world.now)
        self._end(name, None)

    # -- reads -------------------------------------------------------------------------------------------------------

    def begin_read(self, host: Host, timeout: float = 2.0) -> None:
        if host.node is None or host.paused is not None:
            return
        machine = host.machine
        assert isinstance(machine, Metadata)
        name = f"o{len(self.operations) + 1}"
        revision = None
        if self.rng.random() < 0.15:
            newest = machine.revision
            revision = self.rng.randrange(max(1, newest - 30), newest + 1) if newest else None
        stale = revision is None and self.rng.random() < 0.1
        consistency = Consistency.STALE if stale else Consistency.LINEARIZABLE
        request: Get | Range = Get(self.rng.choice(KEYS), revision, consistency)
        if self.rng.random() < 0.5:
            prefix = self.rng.choice(PREFIXES)
            if self.holding and not prefix:
                prefix = "f/"  # the checkers know the cluster's own keys as locks alone
            request = Range(prefix, self.rng.choice([None, 2]), revision, consistency)
        self.operations[name] = Operation(name, f"c{self.rng.randrange(3)}", request, self.world.now)
        if stale:
            told = host.node.staleness()
            self._answer(name, request, machine, told if told < self.world.clocks_true_for() else None)
            self.read += 1
            return
        call = self._calls.enter(host, timeout)

        def done(error: RaftError | None, _: object) -> None:
            self._calls.end(call)
            if error is None:
                self._answer(name, request, machine)
                self.read += 1
            else:
                self._fail(name)

        try:
            host.node.read(done, timeout)
        except StoppedError:
            self._calls.end(call)
            self._fail(name)

    def _answer(self, name: str, request: Get | Range, machine: Metadata, staleness: float | None = None) -> None:
        state = machine.state
        try:
            if isinstance(request, Get):
                record = state.get(request.key.encode(), request.revision)
                found = Found(request.revision or machine.revision, () if record is None else (item(record),))
            else:
                start = request.prefix.encode()
                limit = request.limit or 1000
                page = state.range(start, prefix_end(start), limit=limit, revision=request.revision)
                found = Found(page.revision, tuple(map(item, page.records)), page.next is not None)
        except store.CompactedRevisionError:
            self._fail(name)
            return
        self._finish(name, replace(found, staleness=staleness))

    # -- watches -----------------------------------------------------------------------------------------------------

    def _pump(self, watcher: Watcher) -> None:
        """Take what has come; now and then, and where the host is gone, connect elsewhere and go on."""
        self.world.after(0.05 + 0.2 * self.rng.random(), lambda: self._pump(watcher))
        host = watcher.host
        gone = host is None or host.node is None or host.life != watcher.life
        if gone or self.rng.random() < 0.03:
            self._connect(watcher)
        host = watcher.host
        if watcher.watch is None or host is None or host.paused is not None:
            return
        assert watcher.machine is not None
        watcher.machine.hub.feed()
        more = True
        while more and watcher.watch is not None:
            more = self._take(watcher, watcher.machine, watcher.watch)

    def _take(self, watcher: Watcher, machine: Metadata, watch: store.Watcher) -> bool:
        try:
            batch = machine.hub.take(watch, max_events=3)
        except store.CompactedRevisionError as error:
            self._compacted(watcher, error.compacted)
            return False
        seen = watcher.seen[-1]
        told = [Delivery(self.world.now, revision, events) for revision, events in by_revision(batch.events)]
        if batch.revision > watcher.position:
            told.append(Delivery(self.world.now, batch.revision))
            watcher.position = batch.revision
        if told:
            watcher.seen[-1] = replace(seen, deliveries=(*seen.deliveries, *told))
        return batch.more

    def _connect(self, watcher: Watcher) -> None:
        if watcher.watch is not None and watcher.machine is not None:
            watcher.machine.hub.close(watcher.watch)
            watcher.watch = None
        hosts = [host for host in self.world.live() if host.paused is None]
        if not hosts:
            return
        host = self.rng.choice(hosts)
        machine = host.machine
        assert isinstance(machine, Metadata)
        watcher.host, watcher.life, watcher.machine = host, host.life, machine
        start = watcher.position + 1
        name = f"{watcher.name}.{len(watcher.seen)}"
        watcher.seen.append(SeenWatch(name, watcher.name, watcher.prefix, start, self.world.now))
        prefix = watcher.prefix.encode()
        machine.hub.feed()
        try:
            watcher.watch = machine.hub.watch(prefix, prefix_end(prefix), from_revision=start)
        except store.CompactedRevisionError as error:
            self._compacted(watcher, error.compacted)

    def _compacted(self, watcher: Watcher, compacted: int) -> None:
        """It fell behind what is kept: it is told so, and begins anew from there."""
        watcher.seen[-1] = replace(watcher.seen[-1], compacted=compacted + 1)
        watcher.position = compacted
        if watcher.watch is not None and watcher.machine is not None:
            watcher.machine.hub.close(watcher.watch)
            watcher.watch = None
        watcher.host = None

    # -- the verdict -------------------------------------------------------------------------------------------------

    def check_end(self, host: Host) -> None:
        """The states are equal to the last byte; once, the checkers judge everything that anybody saw."""
        machines = {name: each.machine for name, each in self.world.hosts.items()}
        assert isinstance(host.machine, Metadata)
        for name, machine in machines.items():
            assert isinstance(machine, Metadata)
            if state_digest(machine.state) != state_digest(host.machine.state):
                self.world.fail(f"the states of {host.name} and {name} differ")
        if host.name != next(iter(machines)):
            return
        for watcher in self.watchers:  # whatever is still to come
            self._connect(watcher)
            while watcher.watch is not None and self._take(watcher, host.machine, watcher.watch):
                pass
        raw = self.history()
        for anomaly in (*fencing_anomalies(raw), *lease_anomalies(raw, self._judged(), self._leases_left(host), ())):
            self.world.fail(f"{anomaly.kind}: {anomaly.explanation}")
        report = check(with_locks(raw))
        if not report.ok:
            self.world.fail(render(report.smallest))

    def _judged(self) -> list[KeptLease]:
        """Cluster time is as fast as a leader's clock: where one was fast, leases may have ended early."""
        return [] if self.world.clock_was_fast else self.kept

    def _leases_left(self, host: Host) -> LeasesLeft:
        leases = host.machine.state.leases.table
        return LeasesLeft(self.world.now, frozenset(leases), frozenset(leases), {}, {})

    def history(self) -> History:
        watches = tuple(seen for watcher in self.watchers for seen in watcher.seen)
        operations, commits = tuple(self.operations.values()), tuple(self.record.commits)
        return History(operations, commits, watches, leases_expire=self.holding)
