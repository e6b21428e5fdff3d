"""Fences and leases: histories known to be good, and ones known to be bad, each in one way."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import orjson

from tests.verify.consistency.judging.raft.fencing import fencing_anomalies, tokens_written
from tests.verify.consistency.judging.raft.leases import KeptLease, LeasesLeft, lease_anomalies
from tests.verify.consistency.judging.raft.places import with_locks
from tests.verify.linearizability import (
    Commit,
    Delivery,
    History,
    KeyDeleted,
    KeyPut,
    LockGranted,
    LockReleased,
    Operation,
    Watch,
)
from tests.verify.linearizability.histories import requests as words
from tests.verify.linearizability.histories.history import Event

# -- fences ------------------------------------------------------------------------------------------------------------


def fenced(*values: str) -> History:
    return History((), tuple([Commit(number, (KeyPut("f/l", value),)) for number, value in enumerate(values, 1)]))


def test_tokens_in_fenced_keys_never_fall() -> None:
    assert not list(fencing_anomalies(fenced("3.a", "3.b", "17.c")))
    assert tokens_written(fenced("3.a", "3.b", "17.c")) == 2
    (anomaly,) = fencing_anomalies(fenced("3.a", "17.c", "3.b"))
    assert anomaly.kind == "two holders wrote"
    assert "revision 3" in anomaly.explanation


# -- places ------------------------------------------------------------------------------------------------------------


def place(token: int, owner: str) -> KeyPut:
    value = orjson.dumps({"token": token, "permits": 1, "value": b64encode(owner.encode()).decode()}).decode()
    return KeyPut("coterie/locks/l@00000000000000000001", value, "9")


def test_a_place_is_a_grant_once_it_has_a_token_and_a_release_when_it_goes() -> None:
    waits, granted, proclaimed = place(0, "me"), place(2, "me"), place(2, "me again")
    gone = KeyDeleted(waits.key)
    events: list[Event] = [waits, granted, proclaimed, gone]
    raw = History((), tuple([Commit(number, (event,)) for number, event in enumerate(events, 1)]))
    assert [commit.events for commit in with_locks(raw).commits] == [
        (),
        (LockGranted("l", "me", 2),),
        (),
        (LockReleased("l", 2),),
    ]
    never_granted = History((), (Commit(1, (waits,)), Commit(2, (gone,))))
    assert [commit.events for commit in with_locks(never_granted).commits] == [(), ()]


def test_clients_keys_stay_and_the_clusters_own_go() -> None:
    mine, own = KeyPut("k", "1"), KeyPut("coterie/decisions/1", "x")
    raw = History((), (Commit(1, (mine, own)),), (Watch("w.1", "w", "", 1, 0.0, (Delivery(1.0, 1, (mine, own)),)),))
    mapped = with_locks(raw)
    assert mapped.commits[0].events == (mine,)
    assert mapped.watches[0].deliveries == (Delivery(1.0, 1, (mine,)),)


# -- leases ------------------------------------------------------------------------------------------------------------

LEASE = KeptLease(9, ttl=2.0, node="", generation=0, renewals=((0.0, 0.1), (5.0, 5.1)), revoked=None)
BOUND = replace(LEASE, ttl=None, node="n1", generation=4)


def ended(seen: float) -> History:
    """The lease's key goes at revision 2, which is heard of at `seen`."""
    commits = (Commit(1, (KeyPut("l/k", "1", "9"),)), Commit(2, (KeyDeleted("l/k"),)))
    watch = Watch("w.1", "w", "", 1, 0.0, (Delivery(0.2, 1, commits[0].events), Delivery(seen, 2, commits[1].events)))  # type: ignore[arg-type]
    put = Operation("o", "k", words.Put("l/k", "1", "9"), 0.1, 0.2, words.Written(1))
    return History((put,), commits, (watch,))


def kinds(
    history: History, lease: KeptLease = LEASE, left: LeasesLeft | None = None, *faults: tuple[float, float]
) -> list[str]:
    return [anomaly.kind for anomaly in lease_anomalies(history, [lease], left, faults)]


def test_a_lease_lasts_from_its_last_renewal() -> None:
    assert not kinds(ended(7.0))
    assert not kinds(ended(30.0))
    assert kinds(ended(6.9)) == ["lease ended early"]


def test_whoever_asks_for_the_end_gets_it_at_once() -> None:
    assert not kinds(ended(6.0), replace(LEASE, revoked=5.5))
    assert kinds(ended(5.2), replace(LEASE, revoked=5.5)) == ["lease ended early"]


def test_a_lease_that_ended_is_not_renewed() -> None:
    assert kinds(ended(4.0)) == ["lease renewed after its end"]


def test_a_bound_lease_ends_with_its_node_alone() -> None:
    assert kinds(ended(20.0), BOUND) == ["bound lease ended by itself"]
    assert not kinds(ended(20.0), BOUND, None, (15.0, 16.0))
    assert not kinds(ended(20.0), replace(BOUND, revoked=19.0))


def left(**changes: object) -> LeasesLeft:
    usual = LeasesLeft(50.0, frozenset({9}), frozenset(), {9: ("n1", 4)}, {"n1": 4})
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_in_the_end_only_what_is_bound_to_a_running_process_is_left() -> None:
    living = History((), (Commit(1, (KeyPut("l/k", "1", "9"),)),))
    assert not kinds(living, BOUND, left())
    assert kinds(living, BOUND, left(generations={"n1": 5})) == ["lease did not end"]
    assert kinds(living, BOUND, left(generations={})) == ["lease did not end"]
    assert kinds(living, LEASE, left(bound={}, with_ttl=frozenset({9}))) == ["lease did not end"]


def test_no_key_outlives_its_lease() -> None:
    living = History((), (Commit(1, (KeyPut("l/k", "1", "9"),)),))
    assert kinds(living, LEASE, left(ids=frozenset(), bound={})) == ["key outlives its lease"]
    assert not kinds(ended(30.0), LEASE, left(ids=frozenset(), bound={}))
