"""Histories that are linearizable, each for a reason that a checker might miss."""

from __future__ import annotations

from tests.verify.linearizability.histories.history import Commit, KeyDeleted, KeyPut, LockGranted, LockReleased
from tests.verify.linearizability.histories.requests import (
    Compare,
    Consistency,
    Delete,
    Found,
    Get,
    Item,
    Put,
    Relation,
    Target,
    Written,
)
from tests.verify.linearizability.histories.script import (
    acquire,
    cas,
    changed,
    delete,
    delete_range,
    delivered,
    equals,
    get,
    held,
    history,
    put,
    release,
    scan,
    txn,
    watch,
)
from tests.verify.linearizability.known.table import NOT_ITS_KIND, Known, good

GOOD: tuple[Known, ...] = (
    good("nothing happened", history(), NOT_ITS_KIND),
    good(
        "one client after another",
        history(
            get("a", (0, 1), "x", None, 0),
            put("a", (2, 3), "x", "1", 1),
            get("b", (4, 5), "x", "1", 1),
            put("b", (6, 7), "x", "2", 2),
            get("a", (8, 9), "x", "2", 2),
        ),
    ),
    good(
        "reads beside a write see the old or the new value",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 9), "x", "2", 2),
            get("b", (3, 4), "x", "1", 1),
            get("c", (3, 8), "x", "2", 2),
            get("b", (5, 6), "x", "1", 1),
        ),
    ),
    good(
        "writes beside each other take effect in either order",
        history(put("a", (0, 5), "x", "1", 2), put("b", (1, 4), "x", "2", 1), get("c", (6, 7), "x", "1", 2)),
    ),
    good(
        "an operation that begins when another returns is beside it",
        history(put("a", (0, 1), "x", "1", 1), get("b", (1, 2), "x", None, 0)),
    ),
    good(
        "a write of unknown outcome is never seen",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("b", (2, None), "x", "2"),
            get("a", (3, 4), "x", "1", 1),
        ),
    ),
    good(
        "a write of unknown outcome is seen at once",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("b", (2, None), "x", "2"),
            get("a", (3, 4), "x", "2", 2),
            also=[changed(2, "x", "2")],
        ),
    ),
    good(
        "a write of unknown outcome takes effect long after its client gave up",
        history(
            put("b", (0, None), "x", "2"),
            put("a", (1, 2), "x", "1", 1),
            get("a", (3, 4), "x", "1", 1),
            put("a", (5, 6), "y", "1", 2),
            get("a", (7, 8), "x", "2", 3),
            also=[changed(3, "x", "2")],
        ),
    ),
    good(
        "a write of unknown outcome begins as the read returns that saw it",
        history(
            get("a", (0, 1), "x", "1", 1),
            put("b", (1, None), "x", "1"),
            also=[changed(1, "x", "1")],
        ),
    ),
    good(
        "two deletes of unknown outcome each explain one commit",
        history(
            put("a", (0, 1), "x", "1", 1),
            delete("b", (2, None), "x"),
            get("a", (3, 4), "x", None, 2),
            put("a", (5, 6), "x", "2", 3),
            delete("b", (7, None), "x"),
            get("a", (8, 9), "x", None, 4),
            also=[Commit(2, (KeyDeleted("x"),)), Commit(4, (KeyDeleted("x"),))],
        ),
    ),
    good(
        "a refused write leaves no trace",
        history(put("a", (0, 1), "x", "1", 1), put("b", (2, 3), "x", "2"), get("a", (4, 5), "x", "1", 1)),
    ),
    good(
        "of two compare-and-sets from one value one fails",
        history(
            put("a", (0, 1), "x", "1", 1),
            cas("a", (2, 5), "x", "1", "2", 2),
            cas("b", (2, 5), "x", "1", "3", 2, took=False),
            get("b", (6, 7), "x", "2", 2),
        ),
    ),
    good(
        "the first to create a key wins",
        history(
            cas("a", (0, 3), "x", None, "1", 1),
            cas("b", (1, 2), "x", None, "2", 1, took=False),
            get("b", (4, 5), "x", "1", 1),
        ),
    ),
    good(
        "a transaction takes the other branch, which writes",
        history(
            put("a", (0, 1), "x", "1", 1),
            txn(
                "b",
                (2, 3),
                [equals("x", "9")],
                [Put("x", "2")],
                [Put("y", "2"), Get("y")],
                at=2,
                took=False,
                responses=[Written(2), Found(2, (Item("y", "2", 2, 2, 1, ""),))],
            ),
            scan("a", (4, 5), "", {"x": "1", "y": "2"}, 2),
        ),
    ),
    good(
        "two keys move together, and every range sees both or neither",
        history(
            txn("a", (0, 1), [], [Put("k/x", "1"), Put("k/y", "1")], at=1, responses=[Written(1), Written(1)]),
            scan("b", (2, 9), "k/", {"k/x": "1", "k/y": "1"}, 1),
            txn(
                "a",
                (3, 8),
                [equals("k/x", "1")],
                [Put("k/x", "2"), Delete("k/y")],
                at=2,
                responses=[Written(2), Written(2, 1)],
            ),
            scan("c", (4, 7), "k/", {"k/x": "2"}, 2),
        ),
    ),
    good(
        "revisions and versions count as they should",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            txn(
                "b",
                (4, 5),
                [
                    Compare("x", Target.VERSION, Relation.EQUAL, 2),
                    Compare("x", Target.MOD_REVISION, Relation.GREATER, 1),
                    Compare("x", Target.CREATE_REVISION, Relation.LESS, 2),
                    Compare("y", Target.VERSION, Relation.EQUAL, 0),
                ],
                [Get("x")],
                at=2,
                responses=[Found(2, (Item("x", "2", 1, 2, 2, ""),))],
            ),
        ),
        NOT_ITS_KIND,
    ),
    good(
        "a read tells of a key's version and nothing else",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            txn("b", (4, 5), [], [Get("x")], at=2, responses=[Found(2, (Item("x", "2", version=2),))]),
        ),
    ),
    good(
        "a deleted key starts again",
        history(
            put("a", (0, 1), "x", "1", 1),
            delete("a", (2, 3), "x", 2),
            delete("a", (4, 5), "x", 2, deleted=0),
            get("b", (4, 5), "x", None, 2),
            put("b", (6, 7), "x", "2", 3),
            txn("b", (8, 9), [], [Get("x")], at=3, responses=[Found(3, (Item("x", "2", 3, 3, 1, ""),))]),
        ),
    ),
    good(
        "a prefix is deleted, its neighbours stay",
        history(
            put("a", (0, 1), "k/1", "1", 1),
            put("a", (2, 3), "k/2", "1", 2),
            put("a", (4, 5), "k0", "1", 3),
            delete_range("b", (6, 7), "k/", 4, deleted=2),
            scan("a", (8, 9), "k", {"k0": "1"}, 4),
        ),
    ),
    good(
        "a limit cuts a range in key order",
        history(
            put("a", (0, 1), "k/2", "1", 1),
            put("a", (2, 3), "k/1", "1", 2),
            scan("b", (4, 5), "k/", {"k/1": "1"}, 2, limit=1, more=True),
            scan("b", (6, 7), "k/", {"k/1": "1", "k/2": "1"}, 2, limit=2),
        ),
    ),
    good(
        "a stale read where one was asked for",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (8, 9), "x", "1", 1, consistency=Consistency.STALE, staleness=6.0),
        ),
    ),
    good(
        "a session reads what others have overwritten",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (4, 5), "x", "1", 1, consistency=Consistency.SESSION),
            get("b", (6, 7), "x", "2", 2, consistency=Consistency.SESSION),
        ),
    ),
    good(
        "a historic read",
        history(
            put("a", (0, 1), "x", "1", 1),
            delete("a", (2, 3), "x", 2),
            get("b", (4, 5), "x", "1", 1, revision=1),
            scan("b", (6, 7), "", {"x": "1"}, 1, revision=1),
        ),
    ),
    good(
        "the same value written twice",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("b", (2, 3), "x", "2", 2),
            put("a", (4, 5), "x", "1", 3),
            get("b", (6, 7), "x", "1", 3),
        ),
    ),
    good(
        "a lock is handed over with rising tokens",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", at=1),
            acquire("c", (2, 7), "l", 3, at=3),
            release("a", (4, 5), "l", 1, 2),
            release("a", (8, 9), "l", 1, 3, released=False),
            release("c", (10, 11), "l", 3, 4),
        ),
    ),
    good(
        "a waiter is granted the lock by the very release",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 6), "l", 2, at=2),
            release("a", (3, 5), "l", 1, 2),
            commits=[
                Commit(1, (LockGranted("l", "a1", 1),), "a1"),
                Commit(2, (LockReleased("l", 1), LockGranted("l", "b1", 2)), "a2"),
            ],
        ),
    ),
    good(
        "a lock whose grant was never answered stays held",
        history(
            acquire("a", (0, None), "l"),
            acquire("b", (1, 2), "l", at=1),
            commits=[Commit(1, (LockGranted("l", "a1", 1),))],
        ),
    ),
    good(
        "a lease ends: its lock is free, its keys are gone",
        history(
            put("a", (0, 1), "x", "1", 1, lease="a"),
            acquire("a", (2, 3), "l", 2),
            get("b", (4, 5), "x", None, 3),
            acquire("b", (6, 7), "l", 4),
            release("a", (8, 9), "l", 2, 4, released=False),
            also=[Commit(3, (KeyDeleted("x"), LockReleased("l", 2)))],
            leases_expire=True,
        ),
    ),
    good(
        "a release of unknown outcome begins when the lease has ended already",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", 3),
            release("a", (4, None), "l", 1),
            acquire("c", (5, 6), "l", at=3),
            also=[Commit(2, (LockReleased("l", 1),))],
            leases_expire=True,
        ),
    ),
    good(
        "a release of unknown outcome begins as its effect is seen",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", 3),
            release("a", (3, None), "l", 1),
            also=[Commit(2, (LockReleased("l", 1),))],
        ),
    ),
    good(
        "a release is tried anew under another id, and the first try took effect",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (2, None), "l", 1),
            acquire("b", (3, 4), "l", 3),
            release("a", (5, 6), "l", 1, 3, released=False),
            release("a", (5, None), "l", 1),
            also=[Commit(2, (LockReleased("l", 1),))],
        ),
    ),
    good(
        "a semaphore is held by as many as it has room for",
        history(
            acquire("a", (0, 1), "s", 1),
            acquire("b", (2, 3), "s", 2),
            acquire("c", (4, 5), "s", at=2),
            release("a", (6, 7), "s", 1, 3),
            acquire("c", (8, 9), "s", 4),
            capacities={"s": 2},
        ),
    ),
    good(
        "a write guarded by a fencing token that holds, and by one that no longer does",
        history(
            acquire("a", (0, 1), "l", 1),
            txn("a", (2, 3), [held("l", 1)], [Put("x", "1")], at=2, responses=[Written(2)]),
            release("a", (4, 5), "l", 1, 3),
            txn("a", (6, 7), [held("l", 1)], [Put("x", "2")], at=3, took=False),
        ),
    ),
    good(
        "a watch is cut, and goes on where it was",
        history(
            put("a", (0, 1), "k/x", "1", 1),
            put("a", (2, 3), "y", "1", 2),
            put("a", (4, 5), "k/x", "2", 3),
            delete("a", (6, 7), "k/x", 4),
            watches=[
                watch("w", 0.5, delivered(1, 1, **{"k/x": "1"}), delivered(3, 2), prefix="k/"),
                watch(
                    "w",
                    4,
                    delivered(5, 3, **{"k/x": "2"}),
                    delivered(7, 4, **{"k/x": None}),
                    start=3,
                    prefix="k/",
                    connection=2,
                ),
            ],
        ),
    ),
    good(
        "a watch is cut before anything came, and asks again",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            watches=[
                watch("w", 0),
                watch("w", 2, delivered(4, 1, x="1"), delivered(5, 2, x="2"), delivered(6, 2), connection=2),
            ],
        ),
    ),
    good(
        "a watch that fell behind starts again where history begins",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            put("a", (4, 5), "x", "3", 3),
            watches=[
                watch("w", 6, compacted=3),
                watch("w", 7, delivered(8, 3, x="3"), start=3, connection=2),
            ],
        ),
    ),
    good(
        "revisions that no watch shows",
        history(
            put("a", (0, 1), "x", "1", 2),
            put("a", (2, 3), "x", "2", 5),
            get("b", (4, 5), "x", "2", 7),
            until=8,
            dense=False,
        ),
    ),
    good(
        "the events of a transaction in another order between keys",
        history(
            txn("a", (0, 1), [], [Put("x", "1"), Put("y", "1")], at=1, responses=[Written(1), Written(1)]),
            commits=[Commit(1, (KeyPut("y", "1"), KeyPut("x", "1")))],
            watches=[watch("w", 0, delivered(2, 1, x="1", y="1"))],
        ),
    ),
)
