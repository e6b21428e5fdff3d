"""The sequential model: what one machine that does one thing at a time would hold and answer (raft spec 3).

`Store.evaluate` says what a request would do and answer, `Store.apply` does what a commit says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.verify.linearizability.histories.history import (
    Event,
    KeyDeleted,
    KeyEvent,
    KeyPut,
    LockGranted,
    LockReleased,
)
from tests.verify.linearizability.histories.locks import LockBook
from tests.verify.linearizability.histories.requests import (
    Compare,
    Delete,
    DeleteRange,
    Found,
    Get,
    Item,
    Put,
    Range,
    Relation,
    Response,
    SubRequest,
    Target,
    Txn,
    Written,
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What requests do, and what they answer; `succeeded` is whether a transaction's comparisons held."""

    events: tuple[KeyEvent, ...]
    responses: tuple[Response, ...]
    succeeded: bool = True


class Store:
    """The keyspace and the locks as of one revision."""

    def __init__(self, capacities: Mapping[str, int] | None = None) -> None:
        self.revision = 0
        self.locks = LockBook(capacities or {})
        self._items: dict[str, Item] = {}
        self._keys: list[str] = []

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def scan(self, prefix: str) -> Iterator[Item]:
        """The items under a prefix, by key."""
        for at in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[at]
            if not key.startswith(prefix):
                return
            yield self._items[key]

    # -- what a request would do -------------------------------------------------------------------------------------

    def evaluate(self, request: SubRequest | Txn, revision: int) -> Effect:
        """The effect of a request on this state, were it to take `revision`."""
        if not isinstance(request, Txn):
            return self.effect((request,), revision)
        holds = self.holds(request.compares)
        return self.effect(request.then if holds else request.orelse, revision, holds)

    def effect(self, parts: Sequence[SubRequest], revision: int, succeeded: bool = True) -> Effect:
        """The effect of simple requests in order, each on what those before it left."""
        if len(parts) == 1:
            return self._single(parts[0], revision, succeeded)
        draft = _Draft(self, revision)
        responses = tuple([draft.do(part) for part in parts])
        return Effect(tuple(draft.events), responses, succeeded)

    def _single(self, part: SubRequest, revision: int, succeeded: bool) -> Effect:
        events: tuple[KeyEvent, ...] = ()
        response: Response = Written(revision)
        match part:
            case Put(key=key, value=value, lease=lease):
                events = (KeyPut(key, value, lease),)
            case Delete(key=key):
                if key in self._items:
                    events, response = (KeyDeleted(key),), Written(revision, 1)
            case DeleteRange(prefix=prefix):
                events = tuple([KeyDeleted(item.key) for item in self.scan(prefix)])
                response = Written(revision, len(events))
            case Get(key=key):
                item = self._items.get(key)
                response = Found(revision, () if item is None else (item,))
            case Range(prefix=prefix, limit=limit):
                response = found(revision, self.scan(prefix), limit)
        return Effect(events, (response,), succeeded)

    def holds(self, compares: Iterable[Compare]) -> bool:
        return all(self._holds(compare) for compare in compares)

    def _holds(self, compare: Compare) -> bool:
        item, operand = self._items.get(compare.key), compare.operand
        actual: str | int | bool
        match compare.target:
            case Target.TOKEN:
                return self.locks.held(compare.key, operand) == (compare.relation == Relation.EQUAL)
            case Target.VALUE:
                if item is None:
                    return False
                actual = item.value
            case Target.EXISTS:
                actual = item is not None
            case Target.LEASE:
                actual = (item.lease or "") if item else ""
            case Target.VERSION:
                actual = (item.version or 0) if item else 0
            case Target.CREATE_REVISION:
                actual = (item.create_revision or 0) if item else 0
            case Target.MOD_REVISION:
                actual = (item.mod_revision or 0) if item else 0
        match compare.relation:
            case Relation.EQUAL:
                return actual == operand
            case Relation.NOT_EQUAL:
                return actual != operand
            case Relation.LESS:
                return actual < operand  # type: ignore[operator]
            case Relation.GREATER:
                return actual > operand  # type: ignore[operator]

    # -- what a commit does ------------------------------------------------------------------------------------------

    def apply(self, revision: int, events: Iterable[Event]) -> None:
        """Bring the state to `revision`."""
        self.revision = revision
        for event in events:
            match event:
                case KeyPut(key=key):
                    old = self._items.get(key)
                    if old is None:
                        insort(self._keys, key)
                    self._items[key] = put_over(old, event, revision)
                case KeyDeleted(key=key):
                    if self._items.pop(key, None) is not None:
                        del self._keys[bisect_left(self._keys, key)]
                case LockGranted(lock=lock, owner=owner, token=token):
                    self.locks.grant(lock, owner, token)
                case LockReleased(lock=lock, token=token):
                    self.locks.release(lock, token)


class _Draft:
    """A state with changes that are not applied yet: what the later parts of a transaction see."""

    def __init__(self, store: Store, revision: int) -> None:
        self._store = store
        self._revision = revision
        self._changed: dict[str, Item | None] = {}
        self.events: list[KeyEvent] = []

    def do(self, part: SubRequest) -> Response:
        match part:
            case Put(key=key, value=value, lease=lease):
                event = KeyPut(key, value, lease)
                self._changed[key] = put_over(self._get(key), event, self._revision)
                self.events.append(event)
                return Written(self._revision)
            case Delete(key=key):
                return self._delete([item for item in (self._get(key),) if item is not None])
            case DeleteRange(prefix=prefix):
                return self._delete(self._scan(prefix))
            case Get(key=key):
                item = self._get(key)
                return Found(self._revision, () if item is None else (item,))
            case Range(prefix=prefix, limit=limit):
                return found(self._revision, self._scan(prefix), limit)

    def _delete(self, items: Sequence[Item]) -> Written:
        for item in items:
            self._changed[item.key] = None
            self.events.append(KeyDeleted(item.key))
        return Written(self._revision, len(items))

    def _get(self, key: str) -> Item | None:
        return self._changed[key] if key in self._changed else self._store.get(key)

    def _scan(self, prefix: str) -> list[Item]:
        items = [item for item in self._store.scan(prefix) if item.key not in self._changed]
        items += [item for key, item in self._changed.items() if item is not None and key.startswith(prefix)]
        return sorted(items, key=lambda item: item.key)


def put_over(old: Item | None, event: KeyPut, revision: int) -> Item:
    """The item that a put leaves where `old` was."""
    if old is None:
        return Item(event.key, event.value, revision, revision, 1, event.lease)
    return Item(event.key, event.value, old.create_revision, revision, (old.version or 0) + 1, event.lease)


def found(revision: int, items: Iterable[Item], limit: int | None) -> Found:
    """The answer to a read of `items`."""
    if limit is None:
        return Found(revision, tuple(items))
    within: list[Item] = []
    for item in items:
        if len(within) == limit:
            return Found(revision, tuple(within), more=True)
        within.append(item)
    return Found(revision, tuple(within))
