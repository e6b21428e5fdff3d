"""Locks, elections and semaphores: order, tokens, guards, and what others can see of them."""

from __future__ import annotations

import json

import pytest

from coterie.consensus.store import (
    Acquire,
    AcquireDone,
    Done,
    Guard,
    Idempotent,
    LeaseBind,
    LeaseEnded,
    LeaseGrant,
    LeaseRevoke,
    Proclaim,
    Put,
    QueueKind,
    RefusalCode,
    Release,
    Txn,
    TxnDone,
    WatchHub,
    as_queue_entry,
    prefix_end,
    queue_prefix,
)
from tests.consensus.store.helpers import Driver

LOCK, ELECTION, SEMAPHORE = QueueKind


@pytest.fixture
def driver() -> Driver:
    """With leases 1 to 5."""
    driver = Driver()
    for _ in range(5):
        driver.do(LeaseBind("n", 1, 0))
    return driver


def lock(lease: int, name: bytes = b"jobs/nightly", *, wait: bool = True) -> Acquire:
    return Acquire(LOCK, name, lease, b"owner %d" % lease, wait=wait)


def tokens(driver: Driver, kind: QueueKind = LOCK, name: bytes = b"jobs/nightly") -> list[tuple[int, int]]:
    return [(place.lease, place.token) for place in driver.state.queue_entries(kind, name)]


def guarded(driver: Driver, token: int, kind: QueueKind = LOCK, name: bytes = b"jobs/nightly") -> bool:
    done = driver.expect(TxnDone, Txn((Guard(kind, name, token),), (Put(b"guarded", b"%d" % token),)))
    return done.succeeded


def test_a_free_lock_is_granted_at_once_and_its_token_is_the_revision(driver: Driver) -> None:
    driver.put(b"a")
    key = b"coterie/locks/jobs/nightly@00000000000000000002"
    assert driver.do(lock(1)) == AcquireDone(2, key, token=2, ahead=0)
    assert tokens(driver) == [(1, 2)]


def test_a_lock_goes_from_hand_to_hand_in_the_order_of_asking_with_rising_tokens(driver: Driver) -> None:
    ahead = [driver.expect(AcquireDone, lock(lease)).ahead for lease in (3, 1, 2, 5)]
    assert ahead == [0, 0, 1, 2]
    assert tokens(driver) == [(3, 1), (1, 0), (2, 0), (5, 0)]
    assert driver.do(Release(LOCK, b"jobs/nightly", 3)) == Done(5)
    assert tokens(driver) == [(1, 5), (2, 0), (5, 0)]
    assert driver.do(Release(LOCK, b"jobs/nightly", 2)) == Done(6)  # stops waiting
    assert tokens(driver) == [(1, 5), (5, 0)]
    assert driver.do(LeaseRevoke(1)) == LeaseEnded(7, 1)
    assert tokens(driver) == [(5, 7)]
    driver.do(Release(LOCK, b"jobs/nightly", 5))
    assert driver.state.queue_names(LOCK) == []
    assert driver.keys() == []


def test_asking_again_answers_with_the_place_there_is(driver: Driver) -> None:
    first = driver.expect(AcquireDone, lock(1))
    second = driver.expect(AcquireDone, lock(2))
    third = driver.expect(AcquireDone, lock(3))
    assert driver.do(lock(1)) == AcquireDone(3, first.key, first.token, 0)
    assert driver.do(lock(2, wait=False)) == AcquireDone(3, second.key, 0, 0)
    assert driver.do(lock(3)) == AcquireDone(3, third.key, 0, 1)
    assert driver.revision == 3


def test_who_left_may_ask_again_and_stands_at_the_end(driver: Driver) -> None:
    for lease in (1, 2, 3):
        driver.do(lock(lease))
    for lease in (2, 1):
        driver.do(Release(LOCK, b"jobs/nightly", lease))
        driver.do(lock(lease))
    assert tokens(driver) == [(3, 6), (2, 0), (1, 0)]


@pytest.mark.parametrize("first", [1, 2], ids=["it held", "it waited"])
@pytest.mark.parametrize("end", [Release(LOCK, b"jobs/nightly", 1), LeaseRevoke(1)], ids=["given back", "lease ended"])
def test_a_request_that_comes_again_is_told_when_what_it_got_has_ended(
    driver: Driver, first: int, end: Release | LeaseRevoke
) -> None:
    if first == 2:
        driver.do(lock(2))
    once = Idempotent(b"id", 0, lock(1))
    done = driver.do(once)
    driver.put(b"a")
    assert driver.do(once) == done  # it is still there
    driver.do(end)
    revision = driver.revision
    driver.refused(RefusalCode.GRANT_ENDED, once)
    if isinstance(end, Release):
        driver.do(lock(1))  # another place of the same lease is not the one that was lost
    driver.refused(RefusalCode.GRANT_ENDED, once)
    driver.refused(RefusalCode.GRANT_ENDED, once)
    assert driver.revision == revision + isinstance(end, Release)
    assert driver.do(Idempotent(b"other", 0, lock(3))) is not None


def test_who_would_not_wait_is_refused_and_leaves_no_trace(driver: Driver) -> None:
    driver.do(lock(1, wait=False))
    driver.refused(RefusalCode.BUSY, lock(2, wait=False))
    assert tokens(driver) == [(1, 1)]


def test_the_waiter_sees_its_grant_and_its_loss_as_events_of_its_own_key(driver: Driver) -> None:
    driver.do(lock(1))
    place = driver.expect(AcquireDone, lock(2))
    hub = WatchHub(driver.state.keyspace)
    watch = hub.watch(place.key, place.key + b"\0")
    driver.put(b"other")
    driver.do(Release(LOCK, b"jobs/nightly", 1))
    driver.do(LeaseRevoke(2))
    hub.feed()
    granted, lost = hub.take(watch).events
    assert granted.record is not None
    assert as_queue_entry(granted.record).token == granted.revision == 4
    assert as_queue_entry(granted.record).lease == 2
    assert lost.record is None


def test_a_place_is_readable_as_json(driver: Driver) -> None:
    driver.do(lock(1))
    (record,) = driver.state.range(b"coterie/", prefix_end(b"coterie/")).records
    assert json.loads(record.value) == {"token": 1, "permits": 1, "value": "b3duZXIgMQ=="}
    assert record.lease == 1


def test_a_guard_holds_while_the_grant_lasts(driver: Driver) -> None:
    token = driver.expect(AcquireDone, lock(1)).token
    driver.do(lock(2))
    assert guarded(driver, token)
    assert not guarded(driver, token + 1)
    assert not guarded(driver, 0)
    assert not guarded(driver, token, ELECTION)
    assert not guarded(driver, token, LOCK, b"another")
    driver.do(LeaseRevoke(1))
    assert not guarded(driver, token)
    ((_, token),) = tokens(driver)
    assert guarded(driver, token)


def test_a_semaphore_has_as_many_holders_as_permits(driver: Driver) -> None:
    def ask(lease: int, permits: int = 2) -> Acquire:
        return Acquire(SEMAPHORE, b"gpu", lease, permits=permits)

    for lease in (1, 2, 3, 4):
        driver.do(ask(lease))
    assert tokens(driver, SEMAPHORE, b"gpu") == [(1, 1), (2, 2), (3, 0), (4, 0)]
    assert driver.refused(RefusalCode.PERMITS_DIFFER, ask(5, permits=3)) == 2
    driver.do(Release(SEMAPHORE, b"gpu", 2))
    assert tokens(driver, SEMAPHORE, b"gpu") == [(1, 1), (3, 5), (4, 0)]
    driver.do(Release(SEMAPHORE, b"gpu", 4))
    driver.do(Release(SEMAPHORE, b"gpu", 1))
    assert tokens(driver, SEMAPHORE, b"gpu") == [(3, 5)]
    driver.do(ask(5))
    assert tokens(driver, SEMAPHORE, b"gpu") == [(3, 5), (5, 8)]
    for lease in (3, 5):
        driver.do(Release(SEMAPHORE, b"gpu", lease))
    assert isinstance(driver.do(ask(1, permits=3)), AcquireDone)  # nobody uses it: it may change


def test_no_two_grants_of_a_queue_share_a_token_whatever_ends_together(driver: Driver) -> None:
    for name in (b"x", b"y"):
        for lease in (1, 2, 3, 4):
            driver.do(Acquire(SEMAPHORE, name, lease, permits=2))
    seen: dict[bytes, list[int]] = {b"x": [], b"y": []}
    for lease in (1, 2, 3, 4):
        for name, found in seen.items():
            found += [token for _, token in tokens(driver, SEMAPHORE, name) if token and token not in found]
        driver.do(LeaseRevoke(lease))
    for found in seen.values():
        assert len(found) == 4
        assert found == sorted(set(found))


def test_an_election_has_a_leader_whose_value_all_can_see_and_it_alone_can_change(driver: Driver) -> None:
    def campaign(lease: int) -> AcquireDone:
        return driver.expect(AcquireDone, Acquire(ELECTION, b"e", lease, b"candidate %d" % lease))

    token = campaign(1).token
    campaign(2)
    hub = WatchHub(driver.state.keyspace)
    prefix = queue_prefix(ELECTION, b"e")
    watch = hub.watch(prefix, prefix_end(prefix))
    assert driver.do(Proclaim(ELECTION, b"e", token, b"ready")) == Done(3)
    leader, waiter = driver.state.queue_entries(ELECTION, b"e")
    assert (leader.lease, leader.token, leader.value) == (1, token, b"ready")
    assert (waiter.lease, waiter.token, waiter.value) == (2, 0, b"candidate 2")
    driver.refused(RefusalCode.NOT_HELD, Proclaim(ELECTION, b"e", 0, b"no"))
    driver.refused(RefusalCode.NOT_HELD, Proclaim(ELECTION, b"e", token + 1, b"no"))
    driver.do(Release(ELECTION, b"e", 1))  # resigns
    driver.refused(RefusalCode.NOT_HELD, Proclaim(ELECTION, b"e", token, b"no"))
    (leader,) = driver.state.queue_entries(ELECTION, b"e")
    assert (leader.lease, leader.token, leader.value) == (2, 4, b"candidate 2")
    hub.feed()
    assert [event.revision for event in hub.take(watch).events] == [3, 4, 4]


def test_kinds_and_names_do_not_meet(driver: Driver) -> None:
    for kind in QueueKind:
        for name in (b"x", b"x/y", b"x/", b"\x00", b"\xff"):
            assert driver.expect(AcquireDone, Acquire(kind, name, 1)).token
    assert driver.state.queue_names(ELECTION) == [b"\x00", b"x", b"x/", b"x/y", b"\xff"]
    assert len(driver.state.queue_entries(LOCK, b"x")) == 1


@pytest.mark.parametrize("name", [b"", b"a@b", b"n" * 257])
def test_a_name_has_its_limits(driver: Driver, name: bytes) -> None:
    assert driver.refused(RefusalCode.NAME_INVALID, lock(1, name)) == 256


@pytest.mark.parametrize(
    ("code", "operation"),
    [
        (RefusalCode.LEASE_NOT_FOUND, lock(9)),
        (RefusalCode.MALFORMED, Acquire(LOCK, b"x", 1, permits=2)),
        (RefusalCode.MALFORMED, Acquire(SEMAPHORE, b"x", 1, permits=0)),
        (RefusalCode.NOT_HELD, Release(LOCK, b"x", 1)),
        (RefusalCode.NOT_HELD, Proclaim(LOCK, b"x", 1, b"")),
    ],
)
def test_what_makes_no_sense_is_refused(
    driver: Driver, code: RefusalCode, operation: Acquire | Release | Proclaim
) -> None:
    driver.refused(code, operation)


def test_queues_keep_to_the_limits() -> None:
    driver = Driver(max_queue_entries=2, max_value_bytes=64, max_lease_keys=2)
    for _ in range(3):
        driver.do(LeaseGrant(1_000))
    assert driver.refused(RefusalCode.VALUE_TOO_LARGE, Acquire(LOCK, b"x", 1, b"v" * 65)) == 64
    token = driver.expect(AcquireDone, lock(1)).token
    driver.do(lock(2))
    assert driver.refused(RefusalCode.QUEUE_FULL, lock(3)) == 2
    assert driver.refused(RefusalCode.VALUE_TOO_LARGE, Proclaim(LOCK, b"jobs/nightly", token, b"v" * 65)) == 64
    driver.do(lock(1, b"second"))
    assert driver.refused(RefusalCode.LEASE_FULL, lock(1, b"third")) == 2
