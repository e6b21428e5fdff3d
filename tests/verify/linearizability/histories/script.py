"""Short ways to write histories down: for tables of known histories, and for tests.

A `span` is (invoked, returned); returned None is an outcome that nobody learnt. `at` is the revision of the answer; an
operation that returned without one was refused. Operations are named after their client: a1, a2, b1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tests.verify.linearizability.histories.history import (
    Commit,
    Delivery,
    Event,
    History,
    KeyDeleted,
    KeyPut,
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
    Item,
    Put,
    Range,
    Relation,
    Release,
    Released,
    Request,
    Response,
    Result,
    SubRequest,
    Target,
    Txn,
    Written,
)
from tests.verify.linearizability.histories.store import Store

Span = tuple[float, float | None]


def operation(client: str, span: Span, request: Request, result: Result | None = None) -> Operation:
    return Operation("", client, request, span[0], span[1], result)


def put(client: str, span: Span, key: str, value: str, at: int | None = None, lease: str = "") -> Operation:
    return operation(client, span, Put(key, value, lease), None if at is None else Written(at))


def delete(client: str, span: Span, key: str, at: int | None = None, deleted: int = 1) -> Operation:
    return operation(client, span, Delete(key), None if at is None else Written(at, deleted))


def delete_range(client: str, span: Span, prefix: str, at: int | None = None, deleted: int = 1) -> Operation:
    return operation(client, span, DeleteRange(prefix), None if at is None else Written(at, deleted))


def get(
    client: str,
    span: Span,
    key: str,
    value: str | None = None,
    at: int | None = None,
    *,
    consistency: Consistency = Consistency.LINEARIZABLE,
    revision: int | None = None,
    staleness: float | None = None,
) -> Operation:
    items = () if value is None else (Item(key, value),)
    result = None if at is None else Found(at, items, staleness=staleness)
    return operation(client, span, Get(key, revision, consistency), result)


def scan(
    client: str,
    span: Span,
    prefix: str,
    items: Mapping[str, str],
    at: int,
    *,
    limit: int | None = None,
    more: bool = False,
    revision: int | None = None,
) -> Operation:
    found = Found(at, tuple(Item(key, value) for key, value in items.items()), more)
    return operation(client, span, Range(prefix, limit, revision), found)


def cas(
    client: str, span: Span, key: str, old: str | None, new: str, at: int | None = None, *, took: bool = True
) -> Operation:
    """Put `new` where the value is `old`, or, where that is None, where the key is absent; `took` is the answer."""
    compare = absent(key) if old is None else equals(key, old)
    result = None if at is None else Decided(at, took, (Written(at),) if took else ())
    return operation(client, span, Txn((compare,), (Put(key, new),)), result)


def equals(key: str, value: str) -> Compare:
    return Compare(key, Target.VALUE, Relation.EQUAL, value)


def absent(key: str) -> Compare:
    return Compare(key, Target.EXISTS, Relation.EQUAL, False)


def held(lock: str, token: int) -> Compare:
    """The guard of a fenced write."""
    return Compare(lock, Target.TOKEN, Relation.EQUAL, token)


def txn(
    client: str,
    span: Span,
    compares: Sequence[Compare],
    then: Sequence[SubRequest],
    orelse: Sequence[SubRequest] = (),
    *,
    at: int | None = None,
    took: bool = True,
    responses: Sequence[Response] = (),
) -> Operation:
    result = None if at is None else Decided(at, took, tuple(responses))
    return operation(client, span, Txn(tuple(compares), tuple(then), tuple(orelse)), result)


def acquire(client: str, span: Span, lock: str, token: int | None = None, at: int | None = None) -> Operation:
    """Granted where a token is given, busy where only `at` is. The owner is the operation's id."""
    result: Result | None = None
    if token is not None:
        result = Granted(token if at is None else at, token)
    elif at is not None:
        result = Busy(at)
    return operation(client, span, Acquire(lock, ""), result)


def release(
    client: str, span: Span, lock: str, token: int, at: int | None = None, *, released: bool = True
) -> Operation:
    return operation(client, span, Release(lock, token), None if at is None else Released(at, released))


def named(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Operations with their ids; an acquisition's owner is its id."""
    count: Counter[str] = Counter()
    out = []
    for op in operations:
        count[op.client] += 1
        id_ = f"{op.client}{count[op.client]}"
        request = replace(op.request, owner=id_) if isinstance(op.request, Acquire) else op.request
        out.append(replace(op, id=id_, request=request))
    return tuple(out)


def history(
    *operations: Operation,
    commits: Sequence[Commit] | None = None,
    also: Sequence[Commit] = (),
    watches: Sequence[Watch] = (),
    until: int | None = None,
    dense: bool = True,
    leases_expire: bool = False,
    capacities: Mapping[str, int] | None = None,
) -> History:
    """A history of operations; its record, unless given, is what they were told, and `also`."""
    ops = named(operations)
    record = recorded(ops, also) if commits is None else tuple(commits)
    return History(ops, record, tuple(watches), until, dense, leases_expire, capacities or {})


def recorded(operations: Iterable[Operation], also: Iterable[Commit] = ()) -> tuple[Commit, ...]:
    """The record of what was acknowledged, as a sequential machine would have done it at the revisions told."""
    store = Store()
    told: dict[int, Operation | Commit] = {commit.revision: commit for commit in also}
    told |= {op.revision: op for op in operations if op.wrote and op.revision is not None}
    commits = []
    for revision, source in sorted(told.items()):
        commit = source if isinstance(source, Commit) else Commit(revision, _events(store, source, revision), source.id)
        store.apply(revision, commit.events)
        commits.append(commit)
    return tuple(commits)


def _events(store: Store, op: Operation, revision: int) -> tuple[Event, ...]:
    match op.request, op.result:
        case Acquire(lock=lock), Granted(token=token):
            return (LockGranted(lock, op.id, token),)
        case Release(lock=lock, token=token), _:
            return (LockReleased(lock, token),)
        case Txn(then=then, orelse=orelse), Decided(succeeded=succeeded):
            # What the answer says, not what it should say.
            return store.effect(then if succeeded else orelse, revision).events
        case (Put() | Delete() | DeleteRange()) as request, _:
            return store.evaluate(request, revision).events
    raise AssertionError(op)


def changed(revision: int, key: str, value: str, by: str | None = None, lease: str = "") -> Commit:
    """A commit that puts one key."""
    return Commit(revision, (KeyPut(key, value, lease),), by)


def delivered(at: float, revision: int, **values: str | None) -> Delivery:
    """A delivery that puts keys, or deletes those whose value is None; of progress alone where none are given."""
    events = [KeyDeleted(key) if value is None else KeyPut(key, value) for key, value in values.items()]
    return Delivery(at, revision, tuple(events))


def watch(
    watcher: str,
    opened: float,
    *deliveries: Delivery,
    start: int = 1,
    prefix: str = "",
    connection: int = 1,
    compacted: int | None = None,
) -> Watch:
    """One connection of a watcher."""
    return Watch(f"{watcher}.{connection}", watcher, prefix, start, opened, deliveries, compacted)
