"""Request ids: at most once, within a horizon that depends on the log alone."""

from __future__ import annotations

import pytest

from coterie.consensus.store import (
    Batch,
    BatchDone,
    Compare,
    Delete,
    DeleteRange,
    Get,
    GetDone,
    Idempotent,
    IdempotentFor,
    LeaseDone,
    LeaseGrant,
    Put,
    PutDone,
    Range,
    RefusalCode,
    Refused,
    SetFeatureLevel,
    Target,
    Txn,
    TxnDone,
    encode,
)
from tests.consensus.store.helpers import Driver, restored, snapshot


def test_a_retry_is_not_applied_again_and_gets_the_first_answer() -> None:
    driver = Driver()
    once = Idempotent(b"id", 0, Put(b"a", b"1", prev=True))
    assert driver.do(once) == PutDone(1, None)
    driver.put(b"a", b"2")
    assert driver.do(once) == PutDone(1, None)
    assert driver.record(b"a").value == b"2"
    assert driver.do(Idempotent(b"other", 0, LeaseGrant(1_000))) == LeaseDone(1, 0, 1_000)
    assert driver.do(Idempotent(b"other", 0, LeaseGrant(1_000))) == LeaseDone(1, 0, 1_000)


def test_a_refusal_is_remembered_too() -> None:
    driver = Driver()
    once = Idempotent(b"id", 0, Put(b"a", b"1", expect=5))
    assert driver.do(once) == Refused(RefusalCode.CONFLICT, 0)
    driver.put(b"a")
    assert driver.do(once) == Refused(RefusalCode.CONFLICT, 0)


def test_a_retry_within_the_same_entry_is_seen() -> None:
    driver = Driver()
    op = encode(Idempotent(b"id", 0, Put(b"a", b"1")))
    assert driver.do(Batch(0, (op, op))) == BatchDone((PutDone(1), PutDone(1)))
    assert driver.revision == 1


def test_an_id_older_than_the_horizon_is_refused_and_not_applied() -> None:
    driver = Driver(request_window_ms=1_000)
    driver.at_time(10_000)
    once = Idempotent(b"id", 10_000, Put(b"a", b"1"))
    driver.do(once)
    driver.at_time(11_000)
    assert driver.do(once) == PutDone(1)  # still remembered
    assert driver.refused(RefusalCode.REQUEST_EXPIRED, Idempotent(b"new", 9_999, Put(b"a", b"2"))) == 10_000
    driver.at_time(11_100)
    assert driver.refused(RefusalCode.REQUEST_EXPIRED, once) == 10_100
    assert driver.state.sizes().requests == 0
    assert driver.do(Idempotent(b"late", 10_100, Put(b"a", b"3"))) == PutDone(2)


def test_an_id_of_a_time_to_come_is_refused() -> None:
    driver = Driver()
    driver.at_time(500)
    assert driver.refused(RefusalCode.REQUEST_AHEAD, Idempotent(b"id", 501, Put(b"a", b"1"))) == 500


def test_beyond_the_count_the_oldest_go_and_the_horizon_follows() -> None:
    driver = Driver(max_requests=3)
    driver.at_time(1_000)
    for time_ms in (250, 100, 199, 300):
        driver.do(Idempotent(b"%d" % time_ms, time_ms, Put(b"a", b"")))
    assert driver.state.sizes().requests == 2
    assert driver.refused(RefusalCode.REQUEST_EXPIRED, Idempotent(b"100", 100, Put(b"a", b""))) == 200
    assert driver.do(Idempotent(b"250", 250, Put(b"a", b""))) == PutDone(1)


def test_beyond_the_bytes_the_oldest_go_and_the_horizon_follows() -> None:
    driver = Driver(max_request_bytes=2_000)
    driver.put(b"a", b"v" * 800)
    driver.at_time(1_000)
    for time_ms in (100, 200):
        driver.do(Idempotent(b"%d" % time_ms, time_ms, Put(b"a", b"v" * 800, prev=True)))
    assert driver.state.sizes().requests == 2
    driver.do(Idempotent(b"300", 300, Delete(b"a", prev=True)))
    assert driver.state.sizes().requests == 2
    driver.refused(RefusalCode.REQUEST_EXPIRED, Idempotent(b"100", 100, Put(b"a", b"")))


def test_the_horizon_never_goes_back() -> None:
    driver = Driver(max_requests=1)
    driver.at_time(1_000)
    driver.do(Idempotent(b"1", 900, Put(b"a", b"")))
    driver.do(Idempotent(b"2", 950, Put(b"a", b"")))
    assert driver.state.requests.horizon_ms == 1_000
    driver.do(Batch(1_000))
    assert driver.state.requests.horizon_ms == 1_000


@pytest.mark.parametrize("operation", [Put(b"a", b"1", prev=True), Txn(then=(Put(b"a", b"1"),)), LeaseGrant(1_000)])
def test_what_was_done_stays_known_through_a_snapshot(operation: Put | Txn | LeaseGrant) -> None:
    driver = Driver()
    driver.put(b"a", b"0")
    once = Idempotent(b"id", 0, operation)
    first = driver.do(once)
    driver.state = restored(snapshot(driver.state))
    assert driver.do(once) == first


def _asked(fingerprint: bytes, operation: Put | Delete, request_id: bytes = b"id") -> IdempotentFor:
    return IdempotentFor(request_id, 0, fingerprint, operation)


def _level_2() -> Driver:
    driver = Driver()
    driver.do(SetFeatureLevel(2))
    return driver


def test_an_id_used_again_for_something_else_is_refused_and_changes_nothing() -> None:
    driver = _level_2()
    first = _asked(b"1", Put(b"a", b"1"))
    assert driver.do(first) == PutDone(1)
    driver.refused(RefusalCode.REQUEST_REUSED, _asked(b"2", Put(b"b", b"2")))
    driver.refused(RefusalCode.REQUEST_REUSED, _asked(b"3", Delete(b"a")))
    assert driver.do(first) == PutDone(1)  # the first one's answer is still remembered
    assert driver.do(_asked(b"2", Put(b"b", b"2"), b"its own")) == PutDone(2)


def test_a_refused_request_is_not_taken_for_another_that_uses_its_id() -> None:
    driver = _level_2()
    assert driver.do(_asked(b"1", Put(b"a", b"1", expect=5))) == Refused(RefusalCode.CONFLICT, 0)
    driver.refused(RefusalCode.REQUEST_REUSED, _asked(b"2", Put(b"a", b"1")))


def test_fingerprints_survive_a_snapshot() -> None:
    driver = _level_2()
    driver.do(_asked(b"1", Put(b"a", b"1")))
    driver.state = restored(snapshot(driver.state))
    driver.refused(RefusalCode.REQUEST_REUSED, _asked(b"2", Put(b"b", b"2")))
    assert driver.do(_asked(b"1", Put(b"a", b"1"))) == PutDone(1)


def test_a_request_of_the_level_before_has_no_fingerprint_and_is_answered_after_the_level_rose() -> None:
    driver = Driver()
    assert driver.do(Idempotent(b"id", 0, Put(b"a", b"1"))) == PutDone(1)
    driver.do(SetFeatureLevel(2))
    assert driver.do(_asked(b"1", Put(b"a", b"1"))) == PutDone(1)
    assert driver.do(Idempotent(b"id", 0, Put(b"a", b"1"))) == PutDone(1)


# what is remembered, from level 2 on


def _reader(number: int) -> Idempotent:
    return Idempotent(b"reader-%d" % number, 1_000, Txn(then=(Range(b"big", b"bih", 100),)))


def _with_large_values(driver: Driver) -> Driver:
    for number in range(4):
        driver.put(b"big%d" % number, bytes(900 * 1024))
    driver.at_time(1_000)
    return driver


def test_large_reads_push_nobodys_id_out() -> None:
    driver = _with_large_values(_level_2())
    victim = Idempotent(b"victim", 1_000, Put(b"victim", b"1"))
    first = driver.do(victim)
    for number in range(8):
        assert isinstance(driver.do(_reader(number)), TxnDone)
    assert driver.do(victim) == first
    assert driver.state.sizes().requests == 1
    assert driver.do(Idempotent(b"new", 1_000, Put(b"other", b"2"))) == PutDone(6)


def test_the_level_before_remembers_reads_as_its_members_do() -> None:
    driver = _with_large_values(Driver())
    for number in range(5):
        driver.do(_reader(number))
    assert driver.refused(RefusalCode.REQUEST_EXPIRED, Idempotent(b"new", 1_000, Put(b"a", b""))) == 1_100


def test_a_transaction_that_only_read_reads_again() -> None:
    driver = _level_2()
    driver.put(b"a", b"1")
    once = Idempotent(b"id", 0, Txn(then=(Get(b"a"),)))
    driver.do(once)
    driver.put(b"a", b"2")
    again = driver.expect(TxnDone, once)
    assert isinstance(again.results[0], GetDone)
    assert again.results[0].record == driver.record(b"a")


@pytest.mark.parametrize(
    "operation",
    [
        Put(b"big0", b"", prev=True),
        Delete(b"big0", prev=True),
        DeleteRange(b"big", b"bih", prev=True),
        Txn(then=(Get(b"big0"), Put(b"a", b"1"))),
    ],
)
def test_a_large_result_is_remembered_as_done(operation: Put | Delete | DeleteRange | Txn) -> None:
    driver = _with_large_values(_level_2())
    once = Idempotent(b"id", 1_000, operation)
    assert not isinstance(driver.do(once), Refused)
    assert driver.revision == 5
    assert driver.refused(RefusalCode.RESULT_NOT_KEPT, once) == 5
    driver.state = restored(snapshot(driver.state))
    assert driver.refused(RefusalCode.RESULT_NOT_KEPT, once) == 5


def test_small_results_are_kept_until_half_of_the_bytes_are_used() -> None:
    driver = Driver(max_request_bytes=20_000)
    driver.do(SetFeatureLevel(2))
    driver.put(b"a", bytes(3_000))
    for number in range(6):
        driver.do(Idempotent(b"%d" % number, 0, Put(b"a", bytes(3_000), prev=True)))
    assert isinstance(driver.do(Idempotent(b"3", 0, Put(b"a", bytes(3_000), prev=True))), PutDone)
    driver.refused(RefusalCode.RESULT_NOT_KEPT, Idempotent(b"4", 0, Put(b"a", bytes(3_000), prev=True)))
    assert driver.state.requests.size < 20_000


def test_no_id_is_forgotten_young_new_requests_are_refused_instead() -> None:
    driver = Driver(max_requests=3)
    driver.do(SetFeatureLevel(2))
    driver.at_time(1_000)
    for number in range(3):
        driver.do(Idempotent(b"%d" % number, 1_000, Put(b"a", b"%d" % number)))
    assert driver.refused(RefusalCode.REQUESTS_FULL, Idempotent(b"3", 1_000, Put(b"a", b"3"))) == 3
    assert driver.do(Idempotent(b"0", 1_000, Put(b"a", b"0"))) == PutDone(1)
    driver.at_time(11_100)
    assert driver.do(Idempotent(b"3", 11_100, Put(b"a", b"3"))) == PutDone(4)
    driver.refused(RefusalCode.REQUEST_EXPIRED, Idempotent(b"0", 1_000, Put(b"a", b"0")))


def test_a_transaction_that_could_write_is_not_decided_again_although_it_only_read() -> None:
    driver = _level_2()
    absent = Compare(b"a", Target.EXISTS, "=", 1)
    once = IdempotentFor(b"id", 0, b"1", Txn((absent,), (Put(b"b", b"written"),), (Get(b"b"),)))
    first = driver.do(once)
    assert first == TxnDone(0, succeeded=False, results=(GetDone(None),))
    driver.put(b"a")
    assert driver.do(once) == first
    assert driver.state.get(b"b") is None
