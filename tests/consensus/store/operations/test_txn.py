"""Transactions: comparisons, both branches, one revision, all or nothing."""

from __future__ import annotations

from typing import Literal

import pytest

from coterie.consensus.store import (
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    Get,
    GetDone,
    LeaseBind,
    Put,
    PutDone,
    Range,
    RangeDone,
    Record,
    RefusalCode,
    Target,
    Txn,
    TxnDone,
)
from tests.consensus.store.helpers import Driver


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.do(LeaseBind("n", 1, 0))
    driver.put(b"other")
    driver.put(b"key", b"one")
    driver.put(b"key", b"two", lease=1)  # create_revision 2, mod_revision 3, version 2, lease 1
    return driver


@pytest.mark.parametrize(
    ("key", "target", "op", "operand", "holds"),
    [
        (b"key", Target.EXISTS, "=", 1, True),
        (b"key", Target.EXISTS, "=", 0, False),
        (b"none", Target.EXISTS, "=", 0, True),
        (b"key", Target.VERSION, "=", 2, True),
        (b"key", Target.VERSION, "<", 2, False),
        (b"key", Target.VERSION, ">", 1, True),
        (b"none", Target.VERSION, "=", 0, True),
        (b"key", Target.CREATE_REVISION, "=", 2, True),
        (b"key", Target.CREATE_REVISION, "!=", 2, False),
        (b"key", Target.MOD_REVISION, "=", 3, True),
        (b"key", Target.MOD_REVISION, "<", 4, True),
        (b"none", Target.MOD_REVISION, ">", 0, False),
        (b"key", Target.LEASE, "=", 1, True),
        (b"other", Target.LEASE, "=", 0, True),
        (b"key", Target.VALUE, "=", b"two", True),
        (b"key", Target.VALUE, "!=", b"two", False),
        (b"key", Target.VALUE, ">", b"on", True),
        (b"key", Target.VALUE, "<", b"two\x00", True),
        (b"none", Target.VALUE, "=", b"", False),
        (b"none", Target.VALUE, "!=", b"x", False),
    ],
)
def test_a_comparison_holds_or_not(
    driver: Driver, key: bytes, target: Target, op: Literal["=", "!=", "<", ">"], operand: int | bytes, holds: bool
) -> None:
    result = driver.expect(TxnDone, Txn((Compare(key, target, op, operand),), (Get(b"key"),), (Get(b"none"),)))
    assert result.succeeded is holds
    assert result.results == (GetDone(driver.record(b"key") if holds else None),)
    assert result.revision == 3


@pytest.mark.parametrize("compare", [Compare(b"key", Target.VALUE, "=", 1), Compare(b"key", Target.VERSION, "=", b"1")])
def test_a_comparison_of_a_number_with_bytes_is_refused_wherever_it_stands(driver: Driver, compare: Compare) -> None:
    failing = Compare(b"none", Target.EXISTS, "=", 1)
    driver.refused(RefusalCode.MALFORMED, Txn((failing, compare)))
    driver.refused(RefusalCode.MALFORMED, Txn((compare, failing)))


def test_all_comparisons_must_hold(driver: Driver) -> None:
    yes, no = Compare(b"key", Target.EXISTS, "=", 1), Compare(b"key", Target.EXISTS, "=", 0)
    for compares, succeeded in (((), True), ((yes, yes), True), ((yes, no), False), ((no, yes), False)):
        assert driver.expect(TxnDone, Txn(compares)).succeeded is succeeded


def test_a_branch_is_done_at_one_revision_and_reads_see_the_writes_before_them(driver: Driver) -> None:
    result = driver.do(
        Txn(
            then=(
                Range(b"k", None, 10),
                Put(b"new", b"1"),
                Delete(b"key"),
                Get(b"new"),
                Get(b"key"),
                Range(b"k", None, 1),
                Put(b"zz", b"2"),
                Range(b"a", None, 2),
            )
        )
    )
    new, zz = Record(b"new", b"1", 4, 4, 1, 0), Record(b"zz", b"2", 4, 4, 1, 0)
    other = driver.record(b"other")
    assert result == TxnDone(
        4,
        True,
        (
            RangeDone((Record(b"key", b"two", 2, 3, 2, 1), other), False),
            PutDone(4),
            DeleteDone(4, 1),
            GetDone(new),
            GetDone(None),
            RangeDone((new,), True),
            PutDone(4),
            RangeDone((new, other), True),
        ),
    )
    assert [driver.state.get(key) for key in (b"new", b"zz", b"key")] == [new, zz, None]


def test_a_range_goes_on_behind_what_the_transaction_deletes() -> None:
    driver = Driver()
    for key in (b"a", b"b", b"c", b"d"):
        driver.put(key)
    c, d = driver.record(b"c"), driver.record(b"d")
    ops = (Delete(b"a"), Delete(b"b"), Range(b"a", None, 1), Range(b"a", None, 2))
    result = driver.expect(TxnDone, Txn(then=ops))
    assert result.results[2:] == (RangeDone((c,), True), RangeDone((c, d), False))


def test_a_transaction_that_writes_nothing_takes_no_revision(driver: Driver) -> None:
    assert driver.do(Txn(then=(Get(b"key"), Delete(b"none")))) == TxnDone(
        3, True, (GetDone(driver.record(b"key")), DeleteDone(3, 0))
    )


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (RefusalCode.DUPLICATE_KEY, (Put(b"a", b""), Put(b"a", b""))),
        (RefusalCode.DUPLICATE_KEY, (Delete(b"key"), Put(b"key", b""))),
        (RefusalCode.DUPLICATE_KEY, (Put(b"a", b""), DeleteRange(b"", b"b"))),
        (RefusalCode.DUPLICATE_KEY, (DeleteRange(b"", None), Delete(b"key"))),
        (RefusalCode.CONFLICT, (Put(b"a", b""), Put(b"key", b"", expect=1))),
        (RefusalCode.CONFLICT, (Put(b"a", b""), Delete(b"key", expect=1))),
        (RefusalCode.LEASE_NOT_FOUND, (Put(b"a", b""), Put(b"b", b"", lease=8))),
        (RefusalCode.KEY_NOT_FOUND, (Put(b"a", b""), Put(b"none", None))),
        (RefusalCode.KEY_INVALID, (Put(b"a", b""), Put(b"", b""))),
        (RefusalCode.KEY_RESERVED, (Put(b"a", b""), Delete(b"coterie/locks/x@1"))),
    ],
)
def test_one_refused_part_refuses_the_whole(
    driver: Driver, code: RefusalCode, then: tuple[Put | Delete | DeleteRange, ...]
) -> None:
    driver.refused(code, Txn(then=then))


def test_limits_hold_for_the_sum_of_a_transaction() -> None:
    driver = Driver(max_keys=2, max_data_bytes=100, max_txn_ops=3, max_delete_keys=2, max_lease_keys=1)
    driver.do(LeaseBind("n", 1, 0))
    puts = tuple(Put(b"%d" % number, b"", lease=0) for number in range(4))
    assert driver.refused(RefusalCode.TOO_MANY_OPS, Txn(then=puts)) == 3
    assert driver.refused(RefusalCode.TOO_MANY_OPS, Txn(otherwise=puts)) == 3
    compare = Compare(b"k", Target.EXISTS, "=", 0)
    assert driver.refused(RefusalCode.TOO_MANY_OPS, Txn((compare,) * 4)) == 3
    assert driver.refused(RefusalCode.TOO_MANY_KEYS, Txn(then=puts[:3])) == 2
    assert driver.refused(RefusalCode.NO_SPACE, Txn(then=(Put(b"a", b"v" * 60), Put(b"b", b"v" * 60)))) == 100
    assert driver.refused(RefusalCode.LEASE_FULL, Txn(then=(Put(b"a", b"", lease=1), Put(b"b", b"", lease=1)))) == 1
    driver.put(b"a", b"v" * 90)
    swap = Txn(then=(Delete(b"a"), Put(b"b", b"v" * 90), Put(b"c", b"")))  # what a deletion frees may be used
    assert isinstance(driver.do(swap), TxnDone)
    assert driver.keys() == [b"b", b"c"]


def test_range_deletions_of_a_transaction_are_counted_together() -> None:
    driver = Driver(max_delete_keys=3)
    for number in range(4):
        driver.put(b"%d" % number)
    assert (
        driver.refused(RefusalCode.DELETE_TOO_LARGE, Txn(then=(DeleteRange(b"0", b"2"), DeleteRange(b"2", None)))) == 3
    )
    assert isinstance(driver.do(Txn(then=(DeleteRange(b"0", b"2"), DeleteRange(b"2", b"3")))), TxnDone)


def test_an_answer_that_would_grow_too_large_refuses_the_transaction_before_it_writes() -> None:
    driver = Driver(max_result_bytes=300)
    driver.put(b"a", b"v" * 100)
    reads = (Put(b"b", b""), Get(b"a"), Get(b"a"))
    assert driver.refused(RefusalCode.RESULT_TOO_LARGE, Txn(then=reads)) == 300
    assert isinstance(driver.do(Txn(then=reads[:2])), TxnDone)
    driver.put(b"c", b"v" * 300)
    assert driver.refused(RefusalCode.RESULT_TOO_LARGE, DeleteRange(b"c", None, prev=True)) == 300
