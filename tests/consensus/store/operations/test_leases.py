"""Leases: by time and by node, renewal, and what goes with them."""

from __future__ import annotations

import pytest

from coterie.consensus.store import (
    KNOWN_LEVEL,
    MAX_LEASE_ID,
    Batch,
    Event,
    LeaseBind,
    LeaseDone,
    LeaseEnded,
    LeaseExpire,
    LeaseGrant,
    LeaseGrantAs,
    LeaseKeepAlive,
    LeaseNodeLost,
    LeaseRevoke,
    Put,
    RefusalCode,
    Refused,
    SetFeatureLevel,
)
from tests.consensus.store.helpers import Driver, content, restored, snapshot


def test_cluster_time_moves_with_batches_and_never_back() -> None:
    driver = Driver()
    driver.at_time(5_000)
    assert driver.state.time_ms == 5_000
    driver.at_time(4_000)
    assert driver.state.time_ms == 5_000
    driver.put(b"a")
    assert driver.state.time_ms == 5_000


def test_a_lease_is_due_after_its_time_and_not_before() -> None:
    driver = Driver()
    driver.at_time(10_000)
    assert driver.do(LeaseGrant(2_000)) == LeaseDone(1, 0, 12_000)
    assert driver.state.due_leases(11_999) == []
    assert driver.refused(RefusalCode.NOT_DUE, LeaseExpire(1, 0)) == 2_000
    driver.do(Batch(12_000))
    assert [lease.id for lease in driver.state.due_leases(12_000)] == [1]
    assert [lease.id for lease in driver.state.due_leases(12_000)] == [1]  # until the operation has come
    assert driver.do(LeaseExpire(1, 0)) == LeaseEnded(0, 0)
    assert driver.state.due_leases(12_000) == []
    assert driver.state.lease(1) is None


def test_an_expiry_is_void_if_the_lease_was_renewed_since() -> None:
    driver = Driver()
    driver.do(LeaseGrant(2_000))
    driver.do(Batch(2_500))
    (due,) = driver.state.due_leases(2_500)
    assert driver.do(LeaseKeepAlive(1)) == LeaseDone(1, 1, 4_500)
    assert driver.refused(RefusalCode.RENEWED, LeaseExpire(due.id, due.renewal)) == 1
    assert driver.state.due_leases(4_499) == []
    driver.do(Batch(4_500))
    (due,) = driver.state.due_leases(4_500)
    assert driver.do(LeaseExpire(due.id, due.renewal)) == LeaseEnded(0, 0)


def test_due_leases_come_earliest_first_however_often_they_were_renewed() -> None:
    driver = Driver()
    for ttl in (5_000, 3_000, 4_000):
        driver.do(LeaseGrant(ttl))
    for time_ms in range(100, 2_000, 1):
        driver.at_time(time_ms, LeaseKeepAlive(1 + time_ms % 3))
    assert [lease.id for lease in driver.state.due_leases(10_000)] == [2, 3, 1]
    assert driver.state.leases.next_deadline_ms() is not None


def test_the_end_of_a_lease_takes_its_keys_in_order_at_one_revision_with_events() -> None:
    driver = Driver()
    driver.do(LeaseGrant(2_000))
    for key in (b"c", b"a", b"b", b"kept"):
        driver.put(key, lease=1)
    driver.put(b"kept")
    old = {key: driver.record(key) for key in (b"a", b"b", b"c")}
    assert driver.state.lease_keys(1) == [b"a", b"b", b"c"]
    assert driver.do(LeaseRevoke(1)) == LeaseEnded(6, 3)
    assert driver.keys() == [b"kept"]
    assert list(driver.state.keyspace.history.after(5)) == [Event(6, key, None, record) for key, record in old.items()]
    assert driver.refused(RefusalCode.LEASE_NOT_FOUND, LeaseRevoke(1)) == 0
    assert driver.refused(RefusalCode.LEASE_NOT_FOUND, Put(b"a", b"", lease=1)) == 0


def test_a_node_bound_lease_needs_no_renewal_and_ends_when_its_node_was_dead_for_the_hold() -> None:
    driver = Driver()
    assert driver.do(LeaseBind("n1", 7, 3_000)) == LeaseDone(1, 0, 0)
    driver.put(b"a", lease=1)
    driver.do(Batch(10**12))
    assert driver.state.due_leases(10**12) == []
    assert [lease.id for lease in driver.state.leases_of_node("n1")] == [1]
    assert driver.state.leased_nodes() == ["n1"]
    assert driver.refused(RefusalCode.NOT_DUE, LeaseNodeLost(1, 0, 7, 2_999)) == 3_000
    assert driver.do(LeaseNodeLost(1, 0, 7, 3_000)) == LeaseEnded(2, 1)
    assert driver.state.leases_of_node("n1") == []
    assert driver.state.leased_nodes() == []


def test_a_node_bound_lease_ends_with_a_newer_generation_and_ignores_an_older_one() -> None:
    driver = Driver()
    driver.do(LeaseBind("n1", 7, 3_000))
    driver.refused(RefusalCode.NOT_DUE, LeaseNodeLost(1, 0, 6, 10_000))
    assert driver.do(LeaseNodeLost(1, 0, 8, 0)) == LeaseEnded(0, 0)


def test_a_node_that_affirms_its_lease_voids_an_end_that_was_on_its_way() -> None:
    driver = Driver()
    driver.do(LeaseBind("n1", 7, 3_000))
    assert driver.do(LeaseKeepAlive(1)) == LeaseDone(1, 1, 0)
    assert driver.refused(RefusalCode.RENEWED, LeaseNodeLost(1, 0, 7, 3_000)) == 1


def test_a_lease_ends_only_in_the_way_of_its_kind() -> None:
    driver = Driver()
    driver.do(LeaseGrant(1_000))
    driver.do(LeaseBind("n1", 7, 0))
    driver.do(Batch(5_000))
    driver.refused(RefusalCode.WRONG_LEASE_KIND, LeaseNodeLost(1, 0, 9, 9_000))
    driver.refused(RefusalCode.WRONG_LEASE_KIND, LeaseExpire(2, 0))


def test_lease_ids_are_never_used_again() -> None:
    driver = Driver()
    for number in range(1, 4):
        assert driver.expect(LeaseDone, LeaseGrant(1_000)).lease == number
        driver.do(LeaseRevoke(number))


@pytest.mark.parametrize(
    ("code", "operation", "detail"),
    [
        (RefusalCode.TTL_OUT_OF_RANGE, LeaseGrant(999), 1_000),
        (RefusalCode.TTL_OUT_OF_RANGE, LeaseGrant(60_001), 60_000),
        (RefusalCode.TTL_OUT_OF_RANGE, LeaseBind("n", 1, 60_001), 60_000),
    ],
)
def test_times_have_bounds(code: RefusalCode, operation: LeaseGrant | LeaseBind, detail: int) -> None:
    driver = Driver(max_ttl_ms=60_000)
    assert driver.refused(code, operation) == detail


def test_there_are_only_so_many_leases() -> None:
    driver = Driver(max_leases=2)
    driver.do(LeaseGrant(1_000))
    driver.do(LeaseBind("n", 1, 0))
    assert driver.refused(RefusalCode.TOO_MANY_LEASES, LeaseGrant(1_000)) == 2
    assert driver.refused(RefusalCode.TOO_MANY_LEASES, LeaseBind("n", 1, 0)) == 2
    driver.do(LeaseRevoke(1))
    assert isinstance(driver.do(LeaseGrant(1_000)), LeaseDone)


def test_a_generation_may_take_all_of_64_bits() -> None:
    driver = Driver()
    driver.do(LeaseBind("n", 2**64 - 2, 1_000))
    driver.refused(RefusalCode.NOT_DUE, LeaseNodeLost(1, 0, 2**64 - 2, 0))
    assert driver.do(LeaseNodeLost(1, 0, 2**64 - 1, 0)) == LeaseEnded(0, 0)


def test_a_client_may_choose_an_id_that_no_lease_has() -> None:
    driver = Driver()
    driver.do(SetFeatureLevel(KNOWN_LEVEL))
    assert driver.do(LeaseGrantAs(2, 2_000)) == LeaseDone(2, 0, 2_000)
    driver.refused(RefusalCode.LEASE_EXISTS, LeaseGrantAs(2, 2_000))
    driver.refused(RefusalCode.TTL_OUT_OF_RANGE, LeaseGrantAs(9, 1))
    assert [driver.expect(LeaseDone, LeaseGrant(2_000)).lease for _ in range(2)] == [1, 3]
    driver.do(LeaseRevoke(2))
    assert driver.expect(LeaseDone, LeaseGrantAs(2, 2_000)).lease == 2


def test_a_chosen_id_may_take_63_bits_and_needs_the_level_that_has_it() -> None:
    driver = Driver()
    driver.do(SetFeatureLevel(KNOWN_LEVEL))
    driver.do(LeaseGrantAs(MAX_LEASE_ID, 2_000))
    driver.put(b"k", lease=MAX_LEASE_ID)
    assert content(restored(snapshot(driver.state))) == content(driver.state)
    assert driver.expect(LeaseDone, LeaseKeepAlive(MAX_LEASE_ID)).renewal == 1
    assert driver.do(LeaseRevoke(MAX_LEASE_ID)) == LeaseEnded(2, 1)
    before = Driver()
    before.do(SetFeatureLevel(KNOWN_LEVEL - 1))
    assert before.do(LeaseRevoke(MAX_LEASE_ID)) == Refused(RefusalCode.UNSUPPORTED, KNOWN_LEVEL - 1)
