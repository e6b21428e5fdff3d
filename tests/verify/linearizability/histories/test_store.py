"""The sequential model's own behaviour, which both the main checker and the generated histories rest on."""

from __future__ import annotations

import pytest

from tests.verify.linearizability.histories.history import KeyDeleted, KeyPut, LockGranted, LockReleased
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
    SubRequest,
    Target,
    Txn,
    Written,
)
from tests.verify.linearizability.histories.store import Effect, Store

X = Item("k/x", "2", 1, 3, 2, "")
Y = Item("k/y", "1", 2, 2, 1, "lease")


@pytest.fixture
def store() -> Store:
    store = Store()
    store.apply(1, [KeyPut("k/x", "1")])
    store.apply(2, [KeyPut("k/y", "1", "lease"), KeyPut("l", "1")])
    store.apply(3, [KeyPut("k/x", "2"), KeyDeleted("l")])
    return store


REQUESTS: dict[str, tuple[SubRequest, Effect]] = {
    "get": (Get("k/x"), Effect((), (Found(4, (X,)),))),
    "get of an absent key": (Get("l"), Effect((), (Found(4),))),
    "range": (Range("k/"), Effect((), (Found(4, (X, Y)),))),
    "range of everything": (Range(""), Effect((), (Found(4, (X, Y)),))),
    "range within its limit": (Range("k/", limit=2), Effect((), (Found(4, (X, Y)),))),
    "range cut": (Range("k/", limit=1), Effect((), (Found(4, (X,), more=True),))),
    "range of no key": (Range("k/z"), Effect((), (Found(4),))),
    "put": (Put("l", "3"), Effect((KeyPut("l", "3"),), (Written(4),))),
    "delete": (Delete("k/x"), Effect((KeyDeleted("k/x"),), (Written(4, 1),))),
    "delete of an absent key": (Delete("l"), Effect((), (Written(4, 0),))),
    "delete of a prefix": (DeleteRange("k/"), Effect((KeyDeleted("k/x"), KeyDeleted("k/y")), (Written(4, 2),))),
}


@pytest.mark.parametrize(("request_", "effect"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_has_its_effect_alone_and_in_a_transaction(
    store: Store, request_: SubRequest, effect: Effect
) -> None:
    assert store.evaluate(request_, 4) == effect
    in_txn = store.evaluate(Txn((), (request_, Get("none"))), 4)
    assert in_txn == Effect(effect.events, (*effect.responses, Found(4)))


def test_the_parts_of_a_transaction_see_those_before_them(store: Store) -> None:
    parts = (Put("k/a", "9"), Delete("k/x"), Range("k/"), DeleteRange("k/"), Get("k/a"), Put("k/x", "8"), Get("k/x"))
    effect = store.evaluate(Txn((), parts), 4)
    assert effect.responses == (
        Written(4),
        Written(4, 1),
        Found(4, (Item("k/a", "9", 4, 4, 1, ""), Y)),
        Written(4, 2),
        Found(4),
        Written(4),
        Found(4, (Item("k/x", "8", 4, 4, 1, ""),)),
    )
    assert store.get("k/x") == X, "nothing is applied yet"


COMPARES: dict[str, tuple[Target, Relation, str | int | bool, bool, bool]] = {
    # What is compared: whether it holds for k/x, and for an absent key.
    "is there": (Target.EXISTS, Relation.EQUAL, True, True, False),
    "is not there": (Target.EXISTS, Relation.EQUAL, False, False, True),
    "its value": (Target.VALUE, Relation.EQUAL, "2", True, False),
    "another value": (Target.VALUE, Relation.NOT_EQUAL, "1", True, False),
    "a lower value": (Target.VALUE, Relation.GREATER, "1", True, False),
    "its version": (Target.VERSION, Relation.EQUAL, 2, True, False),
    "no version": (Target.VERSION, Relation.EQUAL, 0, False, True),
    "a higher version": (Target.VERSION, Relation.LESS, 3, True, True),
    "created at": (Target.CREATE_REVISION, Relation.EQUAL, 1, True, False),
    "changed after": (Target.MOD_REVISION, Relation.GREATER, 2, True, False),
    "no lease": (Target.LEASE, Relation.EQUAL, "", True, True),
    "some lease": (Target.LEASE, Relation.NOT_EQUAL, "", False, False),
}


@pytest.mark.parametrize("row", COMPARES.values(), ids=COMPARES)
def test_a_comparison_holds(store: Store, row: tuple[Target, Relation, str | int | bool, bool, bool]) -> None:
    target, relation, operand, there, absent = row
    assert store.holds([Compare("k/x", target, relation, operand)]) == there
    assert store.holds([Compare("none", target, relation, operand)]) == absent


def test_a_transaction_takes_its_branch_by_all_comparisons(store: Store) -> None:
    holds = Compare("k/x", Target.VALUE, Relation.EQUAL, "2")
    fails = Compare("k/y", Target.VALUE, Relation.EQUAL, "2")
    then, orelse = (Put("a", "then"),), (Put("a", "else"),)
    assert store.evaluate(Txn((holds,), then, orelse), 4).events == (KeyPut("a", "then"),)
    assert store.evaluate(Txn((holds, fails), then, orelse), 4) == Effect((KeyPut("a", "else"),), (Written(4),), False)


def test_a_lock_is_compared_by_its_token() -> None:
    store = Store({"s": 2})
    held = Compare("s", Target.TOKEN, Relation.EQUAL, 1)
    gone = Compare("s", Target.TOKEN, Relation.NOT_EQUAL, 1)
    assert (store.holds([held]), store.holds([gone])) == (False, True)
    store.apply(1, [LockGranted("s", "a", 1)])
    assert (store.holds([held]), store.locks.full("s")) == (True, False)
    store.apply(2, [LockGranted("s", "b", 2)])
    assert (store.holds([held]), store.locks.full("s")) == (True, True)
    store.apply(3, [LockReleased("s", 1)])
    assert (store.holds([held]), store.locks.highest("s")) == (False, 2)
