"""Locks with two holders, tokens that go back, releases by nobody."""

from __future__ import annotations

from tests.verify.linearizability.histories.history import Commit, LockGranted, LockReleased
from tests.verify.linearizability.histories.script import acquire, history, release
from tests.verify.linearizability.known.table import NOT_ITS_KIND, UNSEEN, Known, bad
from tests.verify.linearizability.rendering.findings import Anomaly

BAD_LOCKS: tuple[Known, ...] = (
    bad(
        "a lock is granted twice",
        history(acquire("a", (0, 1), "l", 1), acquire("b", (2, 3), "l", 2)),
        Anomaly.LOCK_GRANTED_TWICE,
    ),
    bad(
        "a semaphore is granted once too often",
        history(
            acquire("a", (0, 1), "s", 1),
            acquire("b", (2, 3), "s", 2),
            acquire("c", (4, 5), "s", 3),
            capacities={"s": 2},
        ),
        Anomaly.LOCK_GRANTED_TWICE,
    ),
    bad(
        "a fencing token goes back",
        history(acquire("a", (0, 1), "l", 7, 1), release("a", (2, 3), "l", 7, 2), acquire("b", (4, 5), "l", 3, 3)),
        Anomaly.TOKEN_REGRESSION,
    ),
    bad(
        "a fencing token is given twice",
        history(acquire("a", (0, 1), "l", 7, 1), release("a", (2, 3), "l", 7, 2), acquire("b", (4, 5), "l", 7, 3)),
        Anomaly.TOKEN_REGRESSION,
    ),
    bad(
        "an acknowledged grant is not in the record",
        history(acquire("a", (0, 1), "l", 1), commits=[]),
        Anomaly.LOST_WRITE,
        search=UNSEEN,
    ),
    bad(
        "a lock is granted to nobody who asked",
        history(acquire("a", (0, 1), "l", at=1), also=[Commit(1, (LockGranted("l", "z", 1),))]),
        Anomaly.GRANT_FROM_NOWHERE,
    ),
    bad(
        "a refused acquisition holds the lock",
        history(acquire("a", (0, 1), "l"), commits=[Commit(1, (LockGranted("l", "a1", 1),))]),
        Anomaly.FAILED_WRITE_APPLIED,
        search=NOT_ITS_KIND,
    ),
    bad(
        "a lock is released by nobody",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", 3),
            also=[Commit(2, (LockReleased("l", 1),))],
        ),
        Anomaly.RELEASE_FROM_NOWHERE,
    ),
    bad(
        "an acknowledged release is not the one in the record: the lease had ended before",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (4, 5), "l", 1, 3),
            commits=[Commit(1, (LockGranted("l", "a1", 1),)), Commit(2, (LockReleased("l", 1),)), Commit(3)],
            leases_expire=True,
        ),
        Anomaly.LOST_WRITE,
        search=UNSEEN,
    ),
    bad(
        "a refused release takes effect",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (2, 3), "l", 1),
            acquire("b", (4, 5), "l", 3),
            also=[Commit(2, (LockReleased("l", 1),))],
        ),
        Anomaly.FAILED_WRITE_APPLIED,
    ),
    bad(
        "a release of unknown outcome takes effect before it begins",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", 3),
            release("a", (4, None), "l", 1),
            also=[Commit(2, (LockReleased("l", 1),))],
        ),
        Anomaly.WRITE_IN_THE_PAST,
    ),
    bad(
        "an acquisition is granted twice",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (2, 3), "l", 1, 2),
            acquire("b", (0, None), "l"),
            also=[
                Commit(3, (LockGranted("l", "b1", 3),)),
                Commit(4, (LockReleased("l", 3), LockGranted("l", "b1", 4))),
            ],
            leases_expire=True,
        ),
        Anomaly.DUPLICATE_APPLY,
        search=UNSEEN,
    ),
    bad(
        "a token releases a lock that another holds",
        history(
            acquire("a", (0, 1), "l", 1),
            release("a", (2, 3), "l", 1, 2),
            acquire("b", (4, 5), "l", 3),
            release("c", (6, 7), "l", 1, 4),
        ),
        Anomaly.RELEASE_OF_UNHELD,
    ),
    bad(
        "a free lock is said to be busy",
        history(acquire("a", (0, 1), "l", 1), release("a", (2, 3), "l", 1, 2), acquire("b", (4, 5), "l", at=2)),
        Anomaly.WRONG_ANSWER,
    ),
    bad(
        "the holder is told that it does not hold the lock",
        history(acquire("a", (0, 1), "l", 1), release("a", (2, 3), "l", 1, 1, released=False)),
        Anomaly.WRONG_ANSWER,
    ),
    bad(
        "a waiter is granted the lock before the release begins",
        history(
            acquire("a", (0, 1), "l", 1),
            acquire("b", (2, 3), "l", 3),
            release("a", (4, 5), "l", 1, 2),
        ),
        Anomaly.WRITE_IN_THE_PAST,
    ),
)
