"""The cluster's own operations, log indexes, and what happens when an operation meets a defect."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.consensus.store import (
    KNOWN_LEVEL,
    Ban,
    Batch,
    BatchDone,
    Done,
    FoundCluster,
    Idempotent,
    Limits,
    Put,
    PutDone,
    RefusalCode,
    Refused,
    SetFeatureLevel,
    SetLimits,
    SnapshotError,
    apply,
    encode,
    read_snapshot,
    state_digest,
    write_snapshot,
)
from coterie.consensus.store.apply import HANDLERS
from coterie.consensus.store.schema.records import BanRecord
from tests.consensus.store.helpers import Driver, restored, snapshot

NEXT = KNOWN_LEVEL + 1


def test_a_cluster_gets_its_id_once() -> None:
    driver = Driver()
    assert driver.do(FoundCluster("one")) == Done(0)
    assert driver.do(FoundCluster("one")) == Done(0)
    driver.refused(RefusalCode.CLUSTER_ID_SET, FoundCluster("two"))
    assert driver.state.cluster_id == "one"


def test_a_barred_member_stays_barred_with_the_first_reason() -> None:
    driver = Driver(max_bans=1)
    driver.at_time(5, Ban("m1", "wiped"))
    assert driver.do(Ban("m1", "again")) == Done(0)
    assert driver.refused(RefusalCode.TOO_MANY_BANS, Ban("m2")) == 1
    assert restored(snapshot(driver.state)).bans == {"m1": BanRecord("m1", "wiped", 5)}


def test_limits_are_part_of_the_state_and_take_effect_at_once() -> None:
    driver = Driver()
    for _ in range(100):
        driver.put(b"a")
    limits = Limits(max_history_events=10, max_key_bytes=64)
    assert driver.do(SetLimits(limits)) == Done(100)
    assert driver.state.sizes().history_events <= 10
    driver.state = restored(snapshot(driver.state))
    assert driver.state.limits == limits
    driver.refused(RefusalCode.KEY_INVALID, Put(b"k" * 65, b""))


def test_the_configuration_is_kept_as_of_the_last_applied_index() -> None:
    driver = Driver()
    driver.state.configure(b"three voters", 4)
    driver.state.configure(b"four voters", 6)
    assert (driver.state.config, driver.state.membership_epoch, driver.state.applied_index) == (b"four voters", 2, 6)
    fresh = restored(snapshot(driver.state))
    assert (fresh.config, fresh.membership_epoch, fresh.applied_index) == (b"four voters", 2, 6)


def test_an_entry_below_the_last_applied_index_is_not_applied() -> None:
    driver = Driver()
    driver.state.skip(7)
    put = encode(Put(b"a", b""))
    assert apply(driver.state, put, 6) == Refused(RefusalCode.STALE_INDEX, 7)
    assert apply(driver.state, put, 7) == PutDone(1)  # members of one entry may come one by one
    assert apply(driver.state, put, 9) == PutDone(2)
    assert driver.state.applied_index == 9
    driver.state.skip(8)
    assert driver.state.applied_index == 9


def test_a_level_that_this_node_does_not_know_halts_it_before_it_can_part_from_the_others() -> None:
    driver = Driver()
    assert driver.do(SetFeatureLevel(1)) == Done(0)
    driver.put(b"a")
    before = snapshot(driver.state)
    entry = encode(Batch(9, (encode(Put(b"b", b"")), encode(SetFeatureLevel(NEXT)), encode(Put(b"c", b"")))))
    result = driver.raw(entry)
    assert isinstance(result, BatchDone)
    assert result.results[1:] == (Refused(RefusalCode.HALTED, NEXT), Refused(RefusalCode.HALTED, NEXT))
    assert driver.state.halted == NEXT
    assert driver.do(Put(b"d", b"")) == Refused(RefusalCode.HALTED, NEXT)
    with pytest.raises(SnapshotError):
        write_snapshot(driver.state)
    # The entry counts as not applied: newer software replays it from the last snapshot.
    assert driver.state.applied_index == 2
    driver.state = read_snapshot([before])
    assert driver.state.halted == 0
    assert driver.keys() == [b"a"]


def test_a_defect_is_a_result_and_its_half_made_changes_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()

    def defective(state: Any, op: Put) -> None:
        state.keyspace.put(op.key, b"half", 0)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, Put, defective)
        assert driver.do(Put(b"a", b"")) == Refused(RefusalCode.INTERNAL)
        assert driver.do(Idempotent(b"i", 0, Put(b"b", b""))) == Refused(RefusalCode.INTERNAL)
    assert driver.put(b"a", b"whole") == 3
    assert [event.revision for event in driver.state.keyspace.history.after(0)] == [1, 2, 3]
    assert state_digest(restored(snapshot(driver.state))) == state_digest(driver.state)


def test_running_out_of_memory_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()

    def exhausted(state: Any, op: Put) -> None:
        raise MemoryError

    monkeypatch.setitem(HANDLERS, Put, exhausted)
    with pytest.raises(MemoryError):
        driver.do(Put(b"a", b""))
