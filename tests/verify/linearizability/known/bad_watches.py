"""Watches that lose, double, reorder or make up events, alone and across reconnections."""

from __future__ import annotations

from tests.verify.linearizability.histories.requests import Put, Written
from tests.verify.linearizability.histories.script import delivered, get, history, put, txn, watch
from tests.verify.linearizability.known.table import UNSEEN, Known, bad
from tests.verify.linearizability.rendering.findings import Anomaly

THREE = (put("a", (0, 1), "k/x", "1", 1), put("a", (2, 3), "y", "2", 2), put("a", (4, 5), "k/x", "3", 3))
FIRST, SECOND, THIRD = {"k/x": "1"}, {"y": "2"}, {"k/x": "3"}

BAD_WATCHES: tuple[Known, ...] = (
    bad(
        "a watch misses an event",
        history(*THREE, watches=[watch("w", 0, delivered(6, 1, **FIRST), delivered(7, 3, **THIRD))]),
        Anomaly.WATCH_GAP,
        search=UNSEEN,
    ),
    bad(
        "a watch misses its first event",
        history(*THREE, watches=[watch("w", 0, delivered(7, 2, **SECOND))]),
        Anomaly.WATCH_GAP,
        search=UNSEEN,
    ),
    bad(
        "a watch says that it is complete, and is not",
        history(*THREE, watches=[watch("w", 0, delivered(6, 1, **FIRST), delivered(7, 3), prefix="k/")]),
        Anomaly.WATCH_GAP,
        search=UNSEEN,
    ),
    bad(
        "a watch shows an event twice",
        history(*THREE, watches=[watch("w", 0, delivered(6, 1, **FIRST), delivered(7, 1, **FIRST), prefix="k/")]),
        Anomaly.WATCH_DUPLICATE,
        search=UNSEEN,
    ),
    bad(
        "a watch shows events in the wrong order",
        history(*THREE, watches=[watch("w", 0, delivered(6, 3, **THIRD), delivered(7, 1, **FIRST), prefix="k/")]),
        Anomaly.WATCH_REORDERED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows an event after it said that there was none",
        history(*THREE, watches=[watch("w", 6, delivered(7, 3), delivered(8, 3, **THIRD), start=3)]),
        Anomaly.WATCH_REORDERED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows another value than the record",
        history(*THREE, watches=[watch("w", 0, delivered(6, 1, **{"k/x": "9"}))]),
        Anomaly.WATCH_DIVERGED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows a revision that is not in the record",
        history(*THREE, watches=[watch("w", 6, delivered(7, 4, **FIRST), start=4)]),
        Anomaly.WATCH_DIVERGED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows a key that it did not ask for",
        history(*THREE, watches=[watch("w", 6, delivered(7, 2, **SECOND), start=2, prefix="k/")]),
        Anomaly.WATCH_DIVERGED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows half of a transaction",
        history(
            txn("a", (0, 1), [], [Put("x", "1"), Put("y", "1")], at=1, responses=[Written(1), Written(1)]),
            watches=[watch("w", 0, delivered(2, 1, x="1"))],
        ),
        Anomaly.WATCH_DIVERGED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows what was before its start",
        history(*THREE, watches=[watch("w", 6, delivered(7, 1, **FIRST), delivered(8, 3, **THIRD), start=3)]),
        Anomaly.WATCH_UNASKED,
        search=UNSEEN,
    ),
    bad(
        "a resumed watch leaves an event out",
        history(
            *THREE,
            watches=[
                watch("w", 0, delivered(1, 1, **FIRST)),
                watch("w", 6, delivered(7, 3, **THIRD), start=3, connection=2),
            ],
        ),
        Anomaly.WATCH_GAP,
        search=UNSEEN,
    ),
    bad(
        "a resumed watch shows an event again",
        history(
            *THREE,
            watches=[
                watch("w", 0, delivered(4, 1, **FIRST), delivered(5, 2, **SECOND)),
                watch("w", 6, delivered(7, 2, **SECOND), start=2, connection=2),
            ],
        ),
        Anomaly.WATCH_DUPLICATE,
        search=UNSEEN,
    ),
    bad(
        "a watch is refused as compacted though history goes back far enough",
        history(*THREE, watches=[watch("w", 6, start=3, compacted=3)]),
        Anomaly.COMPACTED_UNJUSTIFIED,
        search=UNSEEN,
    ),
    bad(
        "a watch shows a write before it begins",
        history(*THREE, watches=[watch("w", 0, delivered(1, 1, **FIRST), delivered(1.5, 2, **SECOND))]),
        Anomaly.WRITE_IN_THE_PAST,
        search=UNSEEN,
    ),
    bad(
        "a read is older than what a watch has shown",
        history(
            put("a", (0, 1), "x", "1", 1),
            put("a", (2, 9), "x", "2", 2),
            get("b", (5, 6), "x", "1", 1),
            watches=[watch("w", 0, delivered(1, 1, x="1"), delivered(4, 2, x="2"))],
        ),
        Anomaly.STALE_READ,
        search=UNSEEN,
    ),
)
