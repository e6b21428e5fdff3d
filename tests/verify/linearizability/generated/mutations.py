"""One change to a linearizable history, after which it certainly is none, or contradicts its record.

Each takes a generated history, in which every value is written by one operation, and returns None where it offers
nothing to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from tests.verify.linearizability.by_revision.sightings import Sightings, sightings_of
from tests.verify.linearizability.by_search.observations import parts_of
from tests.verify.linearizability.histories.history import Delivery, History, KeyEvent, KeyPut, LockGranted, Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Busy,
    Consistency,
    Decided,
    Found,
    Get,
    Granted,
    Item,
    Put,
    Range,
    Release,
    Txn,
    Written,
)
from tests.verify.linearizability.histories.store import Store

ThingT = TypeVar("ThingT")


@dataclass(frozen=True)
class Mutated:
    history: History
    search: bool = False
    """Whether clients' answers alone prove it, on keys and locks that the search can judge."""


Mutation = Callable[[Random, History], Mutated | None]


# -- reads -------------------------------------------------------------------------------------------------------------


def value_from_nowhere(rng: Random, history: History) -> Mutated | None:
    read = _one(rng, (o for o in history.operations if isinstance(o.result, Found) and o.result.items))
    if read is None:
        return None
    assert isinstance(read.result, Found)
    items = list(read.result.items)
    at = rng.randrange(len(items))
    items[at] = replace(items[at], value="nobody's")
    changed = replace(read, result=replace(read.result, items=tuple(items)))
    return Mutated(_with(history, changed), search=_of_the_present(read))


def phantom(rng: Random, history: History) -> Mutated | None:
    read = _one(rng, (o for o in history.operations if isinstance(o.result, Found) and o.result.items))
    if read is None:
        return None
    assert isinstance(read.result, Found)
    items = list(read.result.items)
    del items[rng.randrange(len(items))]
    return Mutated(_with(history, replace(read, result=replace(read.result, items=tuple(items)))))


def wrong_version(rng: Random, history: History) -> Mutated | None:
    read = _one(rng, (o for o in history.operations if isinstance(o.result, Found) and o.result.items))
    if read is None:
        return None
    assert isinstance(read.result, Found)
    first, *rest = read.result.items
    assert first.version is not None
    items = (replace(first, version=first.version + 1), *rest)
    return Mutated(_with(history, replace(read, result=replace(read.result, items=items))))


def stale_read(rng: Random, history: History) -> Mutated | None:
    """A read answers, honestly, from just before a write that had finished when it began."""
    states = _States(history)
    sightings = Sightings(sightings_of(replace(history, watches=())))
    choices: list[Operation] = []
    for read in history.operations:
        if isinstance(read.request, Get) and read.ok and _of_the_present(read):
            seen = sightings.before(read.invoked)
            if seen is not None and seen.revision > 0:
                old = states.get(read.request.key, seen.revision - 1)
                found = Found(seen.revision - 1, () if old is None else (old,))
                choices.append(replace(read, result=found))
    stale = _one(rng, choices)
    if stale is None:
        return None
    return Mutated(_with(history, stale), search=_surely_overwritten(history, stale))


def _surely_overwritten(history: History, read: Operation) -> bool:
    """Whether the value read was put, and put over, in operations that had finished one after another."""
    request, result = read.request, read.result
    assert isinstance(request, Get)
    assert isinstance(result, Found)
    if not result.items or result.items[0].lease or history.leases_expire:
        return False
    author = next(o for o in history.operations if _puts(o, request.key, result.items[0].value))
    return author.returned is not None and any(
        over is not author
        and over.ok
        and over.wrote
        and over.returned is not None
        and author.returned < over.invoked
        and over.returned < read.invoked
        and _surely_puts(over, request.key)
        for over in history.operations
    )


# -- writes ------------------------------------------------------------------------------------------------------------


def lost_commit(rng: Random, history: History) -> Mutated | None:
    acknowledged = {o.revision for o in history.operations if o.wrote}
    commit = _one(rng, (commit for commit in history.commits if commit.revision in acknowledged))
    if commit is None:
        return None
    left = tuple(other for other in history.commits if other is not commit)
    return Mutated(replace(history, commits=left, until=history.last_revision))


def refused_though_applied(rng: Random, history: History) -> Mutated | None:
    """Of a write that nothing else explains: one that puts, or acquires, or is named by the record."""
    writes = [
        o
        for o in history.operations
        if o.wrote and o.revision is not None and not isinstance(o.request, Release)
        if (commit := history.by_revision[o.revision]).request is not None
        or any(isinstance(event, KeyPut | LockGranted) for event in commit.events)
    ]
    write = _one(rng, writes)
    return None if write is None else Mutated(_with(history, replace(write, result=None)))


def applied_again(rng: Random, history: History) -> Mutated | None:
    puts = [c for c in history.commits if c.events and all(isinstance(e, KeyPut) for e in c.events)]
    commit = _one(rng, puts)
    if commit is None:
        return None
    again = replace(commit, revision=history.last_revision + 1)
    return Mutated(replace(history, commits=(*history.commits, again)))


def swapped_commits(rng: Random, history: History) -> Mutated | None:
    """The record shows two acknowledged writes at each other's revision."""
    by_revision = {o.revision: o for o in history.operations if o.wrote}
    mine = [commit for commit in history.commits if commit.revision in by_revision]
    if len(mine) < 2:
        return None
    one, other = rng.sample(mine, 2)
    if one.events == other.events:
        return None
    swapped = {
        one.revision: replace(other, revision=one.revision),
        other.revision: replace(one, revision=other.revision),
    }
    commits = tuple(swapped.get(commit.revision, commit) for commit in history.commits)
    return Mutated(replace(history, commits=commits))


def wrong_branch(rng: Random, history: History) -> Mutated | None:
    """A compare-and-set that failed says that it took effect."""
    failed = [
        o
        for o in history.operations
        if isinstance(o.request, Txn)
        and isinstance(o.result, Decided)
        and not o.result.succeeded
        and [*map(type, o.request.then)] == [Put]
    ]
    cas = _one(rng, failed)
    if cas is None or cas.revision is None:
        return None
    return Mutated(_with(history, replace(cas, result=Decided(cas.revision, True, (Written(cas.revision),)))))


def begun_too_late(rng: Random, history: History) -> Mutated | None:
    """A write begins only when a read that shows its value has returned."""
    choices = []
    for read in history.operations:
        if isinstance(read.request, Get) and isinstance(read.result, Found) and read.result.items:
            author = next(o for o in history.operations if _puts(o, read.request.key, read.result.items[0].value))
            choices.append((read, author))
    choice = _one(rng, choices)
    if choice is None or choice[0].returned is None:
        return None
    read, author = choice
    assert read.returned is not None
    begun = read.returned + 0.001
    returned = None if author.returned is None else max(author.returned, begun)
    changed = replace(author, invoked=begun, returned=returned)
    return Mutated(_with(history, changed), search=_of_the_present(read) and not history.leases_expire)


# -- locks -------------------------------------------------------------------------------------------------------------


def granted_though_busy(rng: Random, history: History) -> Mutated | None:
    busy = _one(rng, (o for o in history.operations if isinstance(o.result, Busy)))
    if busy is None:
        return None
    revision = history.last_revision + 1
    return Mutated(_with(history, replace(busy, result=Granted(revision, revision))))


def token_again(rng: Random, history: History) -> Mutated | None:
    """Two acquisitions of one lock are told the same token."""
    grants = [o for o in history.operations if isinstance(o.result, Granted)]
    pairs = [
        (one, other)
        for one in grants
        for other in grants
        if one is not other and isinstance(one.request, Acquire) and isinstance(other.request, Acquire)
        if one.request.lock == other.request.lock
    ]
    pair = _one(rng, pairs)
    if pair is None:
        return None
    one, other = pair
    assert isinstance(one.result, Granted)
    assert isinstance(other.result, Granted)
    return Mutated(_with(history, replace(one, result=replace(one.result, token=other.result.token))), search=True)


# -- watches -----------------------------------------------------------------------------------------------------------


def watch_loses_an_event(rng: Random, history: History) -> Mutated | None:
    return _in_a_watch(rng, history, least=2, change=lambda w, at: [*w[:at], *w[at + 1 :]], last=False)


def watch_doubles_an_event(rng: Random, history: History) -> Mutated | None:
    return _in_a_watch(rng, history, least=1, change=lambda w, at: [*w[: at + 1], *w[at:]])


def watch_swaps_events(rng: Random, history: History) -> Mutated | None:
    return _in_a_watch(
        rng, history, least=2, change=lambda w, at: [*w[:at], w[at + 1], w[at], *w[at + 2 :]], last=False
    )


def watch_makes_an_event_up(rng: Random, history: History) -> Mutated | None:
    made_up: tuple[KeyEvent, ...] = (KeyPut("k", "nobody's"),)
    return _in_a_watch(rng, history, least=1, change=lambda w, at: [*w[:at], (w[at][0], made_up), *w[at + 1 :]])


Shown = tuple[int, tuple[KeyEvent, ...]]


def _in_a_watch(
    rng: Random, history: History, least: int, change: Callable[[list[Shown], int], list[Shown]], *, last: bool = True
) -> Mutated | None:
    """Change what one connection shows at one place; `last` says whether that may be its last delivery.

    The changed connection is delivered after everything else, so that nothing but its contents is wrong.
    """
    watch = _one(rng, (w for w in history.watches if sum(bool(d.events) for d in w.deliveries) >= least))
    if watch is None:
        return None
    shown: list[Shown] = [(d.revision, d.events) for d in watch.deliveries if d.events]
    shown = change(shown, rng.randrange(len(shown) - (not last)))
    end = max([o.returned or o.invoked for o in history.operations] + [d.at for d in watch.deliveries])
    deliveries = tuple(Delivery(end + n, revision, events) for n, (revision, events) in enumerate(shown, 1))
    alone = replace(watch, watcher="alone", deliveries=deliveries)
    return Mutated(replace(history, watches=(alone,)))


MUTATIONS: Sequence[Mutation] = (
    value_from_nowhere,
    phantom,
    wrong_version,
    stale_read,
    lost_commit,
    refused_though_applied,
    applied_again,
    swapped_commits,
    wrong_branch,
    begun_too_late,
    granted_though_busy,
    token_again,
    watch_loses_an_event,
    watch_doubles_an_event,
    watch_swaps_events,
    watch_makes_an_event_up,
)


# -- shared ------------------------------------------------------------------------------------------------------------


class _States:
    """The items of every revision."""

    def __init__(self, history: History) -> None:
        store = Store()
        self._items: list[Mapping[str, Item]] = [{}]
        for commit in history.commits:
            store.apply(commit.revision, commit.events)
            self._items.append({item.key: item for item in store.scan("")})

    def get(self, key: str, revision: int) -> Item | None:
        return self._items[revision].get(key)


def _puts(operation: Operation, key: str, value: str) -> bool:
    return any(isinstance(part, Put) and (part.key, part.value) == (key, value) for part in parts_of(operation))


def _surely_puts(operation: Operation, key: str) -> bool:
    """Whether an operation that wrote put this key: a put, or a compare-and-set without another branch."""
    request = operation.request
    parts = request.then if isinstance(request, Txn) and not request.orelse else (request,)
    return any(isinstance(part, Put) and part.key == key for part in parts)


def _of_the_present(operation: Operation) -> bool:
    request = operation.request
    return (
        isinstance(request, Get | Range)
        and request.revision is None
        and request.consistency == Consistency.LINEARIZABLE
    )


def _with(history: History, changed: Operation) -> History:
    operations = tuple(changed if o.id == changed.id else o for o in history.operations)
    return replace(history, operations=operations)


def _one(rng: Random, things: Iterable[ThingT]) -> ThingT | None:
    all_ = list(things)
    return rng.choice(all_) if all_ else None
