"""Writes and transactions that were lost, doubled, misjudged, or never asked for."""

from __future__ import annotations

from tests.verify.linearizability.histories.history import Commit, KeyDeleted
from tests.verify.linearizability.histories.requests import Found, Get, Put, Written
from tests.verify.linearizability.histories.script import (
    absent,
    acquire,
    cas,
    changed,
    delete,
    get,
    held,
    history,
    put,
    release,
    txn,
)
from tests.verify.linearizability.known.table import UNSEEN, Known, bad
from tests.verify.linearizability.rendering.findings import Anomaly

BAD_WRITES: tuple[Known, ...] = (
    bad(
        "an acknowledged write is lost",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            get("b", (4, 5), "x", "1", 1),
            commits=[changed(1, "x", "1", "a1")],
        ),
        Anomaly.LOST_WRITE,
    ),
    bad(
        "a lost update: two clients add one to the same value",
        history(
            put("a", (0, 1), "x", "1", 1),
            cas("a", (2, 5), "x", "1", "2", 2),
            cas("b", (3, 6), "x", "1", "2'", 3),
        ),
        Anomaly.COMPARE_UNJUSTIFIED,
    ),
    bad(
        "split brain: two leaders give one revision to two compare-and-sets",
        history(
            put("a", (0, 1), "x", "1", 1),
            cas("a", (2, 5), "x", "1", "2", 2),
            cas("b", (3, 6), "x", "1", "3", 2),
            commits=[changed(1, "x", "1", "a1"), changed(2, "x", "2", "a2")],
        ),
        Anomaly.REVISION_REUSED,
    ),
    bad(
        "write skew: each of two transactions overlooks the other",
        history(
            txn("a", (0, 5), [absent("y")], [Put("x", "1")], at=1, responses=[Written(1)]),
            txn("b", (1, 6), [absent("x")], [Put("y", "1")], at=2, responses=[Written(2)]),
        ),
        Anomaly.COMPARE_UNJUSTIFIED,
    ),
    bad(
        "a comparison fails though it held",
        history(put("a", (0, 1), "x", "1", 1), cas("b", (2, 3), "x", "1", "2", 1, took=False)),
        Anomaly.COMPARE_UNJUSTIFIED,
    ),
    bad(
        "a comparison fails on an old state",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            cas("b", (4, 5), "x", "2", "3", 1, took=False),
        ),
        Anomaly.STALE_READ,
    ),
    bad(
        "the record shows a branch that the transaction could not take",
        history(
            put("a", (0, 1), "x", "1", 1),
            cas("b", (2, None), "x", "9", "2"),
            get("a", (3, 4), "x", "2", 2),
            also=[changed(2, "x", "2", "b1")],
        ),
        Anomaly.COMPARE_UNJUSTIFIED,
    ),
    bad(
        "a transaction reads around its own write",
        history(
            txn(
                "a",
                (0, 1),
                [],
                [Put("x", "1"), Get("x")],
                at=1,
                responses=[Written(1), Found(1)],
            ),
        ),
        Anomaly.WRONG_READ,
    ),
    bad(
        "a retry is applied a second time",
        history(
            put("a", (0, 3), "x", "1", 1),
            put("b", (4, 5), "x", "2", 2),
            get("b", (6, 7), "x", "1", 3),
            also=[changed(3, "x", "1", "a1")],
            commits=[changed(1, "x", "1", "a1"), changed(2, "x", "2", "b1"), changed(3, "x", "1", "a1")],
        ),
        Anomaly.DUPLICATE_APPLY,
    ),
    bad(
        "a refused write takes effect",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2"),
            get("b", (4, 5), "x", "2", 2),
            also=[changed(2, "x", "2", "a2")],
        ),
        Anomaly.FAILED_WRITE_APPLIED,
    ),
    bad(
        "a refused delete takes effect, like one before it",
        history(
            put("a", (0, 1), "x", "1", 1),
            delete("a", (2, 3), "x", 2),
            put("a", (4, 5), "x", "2", 3),
            delete("a", (6, 7), "x"),
            get("b", (8, 9), "x", None, 4),
            also=[Commit(4, (KeyDeleted("x"),))],
        ),
        Anomaly.FAILED_WRITE_APPLIED,
    ),
    bad(
        "a commit that nobody asked for",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", "9", 2), also=[changed(2, "x", "9")]),
        Anomaly.WRITE_FROM_NOWHERE,
    ),
    bad(
        "a commit that differs from what was asked",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", "2", 1), commits=[changed(1, "x", "2", "a1")]),
        Anomaly.WRONG_EFFECT,
    ),
    bad(
        "a later write takes an earlier revision",
        history(put("a", (0, 1), "x", "1", 2), put("b", (2, 3), "x", "2", 1), get("b", (4, 5), "x", "1", 2)),
        Anomaly.WRITE_IN_THE_PAST,
    ),
    bad(
        "an answer with another revision than the record's",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("b", (0, 1), "y", "1", 1),
            commits=[changed(1, "x", "1", "a1"), changed(2, "y", "1", "b1")],
        ),
        Anomaly.WRONG_REVISION,
        search=UNSEEN,
    ),
    bad(
        "a restore uses revisions again",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            put("b", (4, 5), "y", "3", 2),
            get("b", (6, 7), "x", "1", 2),
            commits=[changed(1, "x", "1", "a1"), changed(2, "y", "3", "b1")],
        ),
        Anomaly.REVISION_REUSED,
        Anomaly.WRITE_IN_THE_PAST,
    ),
    bad(
        "a delete says that nothing was there",
        history(put("a", (0, 1), "x", "1", 1), delete("b", (2, 3), "x", 1, deleted=0)),
        Anomaly.WRONG_ANSWER,
    ),
    bad(
        "a fenced write goes through after its lock is gone",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (2, 3), "l", 1, 2),
            acquire("b", (4, 5), "l", 3),
            txn("a", (6, 7), [held("l", 1)], [Put("x", "1")], at=4, responses=[Written(4)]),
        ),
        Anomaly.COMPARE_UNJUSTIFIED,
        search=UNSEEN,
    ),
    bad(
        "the record has a gap",
        history(put("a", (0, 1), "x", "1", 1), put("a", (2, 3), "x", "2", 3)),
        Anomaly.RECORD_GAP,
        search=UNSEEN,
    ),
    bad(
        "the record ends too early",
        history(put("a", (0, 1), "x", "1", 1), get("b", (2, 3), "x", "1", 1), until=2),
        Anomaly.RECORD_GAP,
        search=UNSEEN,
    ),
    bad(
        "the record shows a commit twice",
        history(put("a", (0, 1), "x", "1", 1), commits=[changed(1, "x", "1", "a1"), changed(1, "x", "1", "a1")]),
        Anomaly.RECORD_DUPLICATE,
        search=UNSEEN,
    ),
    bad(
        "the record is out of order",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 3), "x", "2", 2),
            commits=[changed(2, "x", "2", "a2"), changed(1, "x", "1", "a1")],
        ),
        Anomaly.RECORD_REORDERED,
        search=UNSEEN,
    ),
)
