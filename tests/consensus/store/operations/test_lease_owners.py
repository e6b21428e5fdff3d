"""A lease belongs to the caller that made it: others can neither use nor end it."""

from __future__ import annotations

import pytest

from coterie.consensus.store import (
    KNOWN_LEVEL,
    Acquire,
    LeaseBind,
    LeaseExpire,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    QueueKind,
    RefusalCode,
    Release,
    SetFeatureLevel,
    Txn,
    read_snapshot,
    write_snapshot,
)
from coterie.consensus.store.schema.operations import InNameOf, LeaseUse
from tests.consensus.store.helpers import Driver

LOCK = QueueKind.LOCK


def of(owner: str, operation: LeaseUse, *, any_lease: bool = False) -> InNameOf:
    return InNameOf(owner, any_lease, operation)


@pytest.fixture
def driver() -> Driver:
    driver = Driver(max_owner_leases=2)
    driver.do(SetFeatureLevel(KNOWN_LEVEL))
    driver.do(of("one", LeaseGrant(2_000)))
    driver.do(of("one", Acquire(LOCK, b"held", 1)))
    return driver


USES: list[LeaseUse] = [
    LeaseKeepAlive(1),
    Put(b"k", b"", 1),
    Txn(then=(Put(b"k", b"", 1),)),
    Acquire(LOCK, b"other", 1),
    Acquire(LOCK, b"held", 1),
    Release(LOCK, b"held", 1),
    LeaseRevoke(1),
]


@pytest.mark.parametrize("use", USES)
def test_another_caller_is_refused(driver: Driver, use: LeaseUse) -> None:
    driver.refused(RefusalCode.NOT_OWNER, of("two", use))
    driver.refused(RefusalCode.NOT_OWNER, of("", use))


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("caller", [("one", False), ("two", True), ("", True)])
def test_the_owner_may_and_so_may_who_may_everything(driver: Driver, use: LeaseUse, caller: tuple[str, bool]) -> None:
    result = driver.do(of(caller[0], use, any_lease=caller[1]))
    assert "Refused" not in type(result).__name__


@pytest.mark.parametrize("use", USES)
def test_what_comes_in_nobodys_name_may(driver: Driver, use: LeaseUse) -> None:
    """A program that has the member in it, and the nodes themselves."""
    assert "Refused" not in type(driver.do(use)).__name__


def test_a_lease_that_nobody_owns_is_everybodys(driver: Driver) -> None:
    driver.do(LeaseGrant(2_000))
    driver.do(of("", LeaseGrant(2_000), any_lease=True))
    for lease in (2, 3):
        assert driver.state.leases.table[lease].owner == ""
        driver.put(b"k", lease=lease)
        assert "Refused" not in type(driver.do(of("two", LeaseRevoke(lease)))).__name__


def test_an_owner_has_so_many_and_others_have_theirs(driver: Driver) -> None:
    driver.do(of("one", LeaseBind("node", 1, 0)))
    assert driver.state.leases.table[2].owner == "one"
    assert driver.refused(RefusalCode.TOO_MANY_LEASES, of("one", LeaseGrant(2_000))) == 2
    assert driver.refused(RefusalCode.TOO_MANY_LEASES, of("one", LeaseBind("node", 1, 0))) == 2
    for operation in (of("two", LeaseGrant(2_000)), of("one", LeaseGrant(2_000), any_lease=True)):
        assert "Refused" not in type(driver.do(operation)).__name__
    driver.do(LeaseRevoke(1))
    driver.do(LeaseRevoke(2))
    assert "Refused" not in type(driver.do(of("one", LeaseGrant(2_000)))).__name__


def test_time_ends_a_lease_whoever_owns_it(driver: Driver) -> None:
    driver.at_time(10_000)
    driver.do(LeaseExpire(1, 0))
    assert driver.state.leases.table == {}
    assert driver.state.leases.owned_by("one") == 0


def test_a_snapshot_keeps_owners_and_counts(driver: Driver) -> None:
    driver.do(of("one", LeaseKeepAlive(1)))
    driver.state = read_snapshot(write_snapshot(driver.state))
    assert driver.state.leases.table[1].owner == "one"
    assert driver.state.leases.owned_by("one") == 1
    driver.refused(RefusalCode.NOT_OWNER, of("two", LeaseRevoke(1)))
