"""Reads that contradict the state, real time, or what they say of themselves."""

from __future__ import annotations

from tests.verify.linearizability.histories.requests import Consistency, Found, Get, Item, Put, Written
from tests.verify.linearizability.histories.script import delete, get, history, put, scan, txn
from tests.verify.linearizability.known.table import UNSEEN, Known, bad
from tests.verify.linearizability.rendering.findings import Anomaly

BAD_READS: tuple[Known, ...] = (
    bad(
        "stale read: an old revision, honestly told",
        history(put("a", (0, 1), "x", "1", 1), put("a", (2, 3), "x", "2", 2), get("b", (4, 5), "x", "1", 1)),
        Anomaly.STALE_READ,
    ),
    bad(
        "stale read: an old value under a new revision",
        history(put("a", (0, 1), "x", "1", 1), put("a", (2, 3), "x", "2", 2), get("b", (4, 5), "x", "1", 2)),
        Anomaly.WRONG_READ,
    ),
    bad(
        "stale read: the key is gone again",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", None, 1)),
        Anomaly.WRONG_READ,
    ),
    bad(
        "stale read: of another key than what was written",
        history(put("a", (0, 1), "x", "1", 1), put("a", (2, 3), "y", "1", 2), get("b", (4, 5), "x", "1", 1)),
        Anomaly.STALE_READ,
        search=UNSEEN,
    ),
    bad(
        "a deleted key comes back",
        history(put("a", (0, 1), "x", "1", 1), delete("a", (2, 3), "x", 2), get("b", (4, 5), "x", "1", 2)),
        Anomaly.WRONG_READ,
    ),
    bad(
        "two clients read beside a write, the later one the older value",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 9), "x", "2", 2),
            get("b", (3, 4), "x", "2", 2),
            get("c", (5, 6), "x", "1", 1),
        ),
        Anomaly.STALE_READ,
    ),
    bad(
        "a read sees a write that has not begun",
        history(get("b", (0, 1), "x", "1", 1), put("a", (2, 3), "x", "1", 1)),
        Anomaly.WRITE_IN_THE_PAST,
    ),
    bad(
        "a value from nowhere",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", "9", 1)),
        Anomaly.VALUE_FROM_NOWHERE,
    ),
    bad(
        "a refused write is read",
        history(put("a", (0, 1), "x", "1", 1), put("a", (2, 3), "x", "2"), get("b", (4, 5), "x", "2", 1)),
        Anomaly.READ_OF_REFUSED_WRITE,
    ),
    bad(
        "a write of unknown outcome is seen, then it never was",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("b", (2, None), "x", "2"),
            get("c", (3, 4), "x", "2", 1),
            get("c", (5, 6), "x", "1", 1),
        ),
        Anomaly.READ_OF_VANISHED_WRITE,
    ),
    bad(
        "a phantom: a range misses a key",
        history(
            put("a", (0, 1), "k/1", "1", 1),
            put("a", (2, 3), "k/2", "1", 2),
            scan("b", (4, 5), "k/", {"k/1": "1"}, 2),
        ),
        Anomaly.PHANTOM,
    ),
    bad(
        "a phantom: a range shows a key that is deleted",
        history(
            put("a", (0, 1), "k/1", "1", 1),
            put("a", (2, 3), "k/2", "1", 2),
            delete("a", (4, 5), "k/1", 3),
            scan("b", (6, 7), "k/", {"k/1": "1", "k/2": "1"}, 3),
        ),
        Anomaly.PHANTOM,
    ),
    bad(
        "a range sees half of a transaction",
        history(
            txn("a", (0, 1), [], [Put("k/x", "1"), Put("k/y", "1")], at=1, responses=[Written(1), Written(1)]),
            txn("a", (2, 3), [], [Put("k/x", "2"), Put("k/y", "2")], at=2, responses=[Written(2), Written(2)]),
            scan("b", (4, 5), "k/", {"k/x": "1", "k/y": "2"}, 2),
        ),
        Anomaly.WRONG_READ,
    ),
    bad(
        "a range is not in key order",
        history(
            put("a", (0, 1), "k/1", "1", 1),
            put("a", (2, 3), "k/2", "1", 2),
            scan("b", (4, 5), "k/", {"k/2": "1", "k/1": "1"}, 2),
        ),
        Anomaly.PHANTOM,
    ),
    bad(
        "a limited range denies that there is more",
        history(
            put("a", (0, 1), "k/1", "1", 1),
            put("a", (2, 3), "k/2", "1", 2),
            scan("b", (4, 5), "k/", {"k/1": "1"}, 2, limit=1, more=False),
        ),
        Anomaly.PHANTOM,
    ),
    bad(
        "a historic read shows a later state",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (4, 5), "x", "2", 1, revision=1),
        ),
        Anomaly.WRONG_READ,
        search=UNSEEN,
    ),
    bad(
        "a historic read answers for another revision",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (4, 5), "x", "2", 2, revision=1),
        ),
        Anomaly.WRONG_REVISION,
        search=UNSEEN,
    ),
    bad(
        "an answer at a revision that never was",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", "1", 9)),
        Anomaly.NO_SUCH_REVISION,
        search=UNSEEN,
    ),
    bad(
        "a key's version is wrong",
        history(
            put("a", (0, 1), "x", "1", 1),
            txn("b", (2, 3), [], [Get("x")], at=1, responses=[Found(1, (Item("x", "1", 1, 1, 2, ""),))]),
        ),
        Anomaly.WRONG_METADATA,
        search=UNSEEN,
    ),
    bad(
        "a session goes back in time",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (4, 5), "x", "2", 2, consistency=Consistency.SESSION),
            get("b", (6, 7), "x", "1", 1, consistency=Consistency.SESSION),
        ),
        Anomaly.SESSION_WENT_BACK,
        search=UNSEEN,
    ),
    bad(
        "a stale read is staler than it says",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (8, 9), "x", "1", 1, consistency=Consistency.STALE, staleness=2.0),
        ),
        Anomaly.STALER_THAN_TOLD,
        search=UNSEEN,
    ),
    bad(
        "a stale read shows a state that never was",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (8, 9), "x", "2", 1, consistency=Consistency.STALE),
        ),
        Anomaly.WRONG_READ,
        search=UNSEEN,
    ),
)
