"""Keys: revisions, put, delete, delete by range, limits, reads at a revision, pages, compaction."""

from __future__ import annotations

import pytest

from coterie.consensus.store import (
    KEEP_LEASE,
    Acquire,
    AcquireDone,
    BadTokenError,
    Compact,
    CompactedRevisionError,
    Delete,
    DeleteDone,
    DeleteRange,
    Done,
    FutureRevisionError,
    LeaseBind,
    Put,
    PutDone,
    QueueKind,
    Record,
    RefusalCode,
    prefix_end,
)
from tests.consensus.store.helpers import Driver


def test_each_write_takes_the_next_revision_and_a_key_counts_its_versions() -> None:
    driver = Driver()
    assert driver.put(b"a", b"1") == 1
    assert driver.put(b"b", b"1") == 2
    assert driver.put(b"a", b"2") == 3
    assert driver.state.get(b"a") == Record(b"a", b"2", 1, 3, 2, 0)
    driver.do(Delete(b"a"))
    assert driver.put(b"a", b"3") == 5
    assert driver.state.get(b"a") == Record(b"a", b"3", 5, 5, 1, 0)


def test_put_and_delete_answer_with_the_replaced_record_when_asked() -> None:
    driver = Driver()
    assert driver.do(Put(b"a", b"1", prev=True)) == PutDone(1, None)
    old = driver.record(b"a")
    assert driver.do(Put(b"a", b"2", prev=True)) == PutDone(2, old)
    assert driver.do(Put(b"a", b"2")) == PutDone(3, None)
    old = driver.record(b"a")
    assert driver.do(Delete(b"a", prev=True)) == DeleteDone(4, 1, (old,))


def test_put_without_a_value_keeps_the_value_and_needs_the_key() -> None:
    driver = Driver()
    assert driver.refused(RefusalCode.KEY_NOT_FOUND, Put(b"a", None)) == 0
    driver.do(LeaseBind("n", 1, 0))
    driver.put(b"a", b"1")
    driver.do(Put(b"a", None, lease=1))
    assert driver.record(b"a") == Record(b"a", b"1", 1, 2, 2, 1)


def test_put_detaches_from_the_lease_unless_it_is_kept() -> None:
    driver = Driver()
    driver.do(LeaseBind("n", 1, 0))
    driver.put(b"a", b"1", lease=1)
    driver.put(b"a", b"2", lease=KEEP_LEASE)
    assert driver.record(b"a").lease == 1
    assert driver.state.lease_keys(1) == [b"a"]
    driver.put(b"a", b"3")
    assert driver.record(b"a").lease == 0
    assert driver.state.lease_keys(1) == []


def test_an_expected_revision_decides_and_the_conflict_names_the_one_found() -> None:
    driver = Driver()
    assert driver.refused(RefusalCode.CONFLICT, Put(b"a", b"1", expect=7)) == 0
    assert driver.refused(RefusalCode.CONFLICT, Delete(b"a", expect=7)) == 0
    assert driver.do(Put(b"a", b"1", expect=0)) == PutDone(1)
    assert driver.refused(RefusalCode.CONFLICT, Put(b"a", b"2", expect=0)) == 1
    assert driver.do(Put(b"a", b"2", expect=1)) == PutDone(2)
    assert driver.refused(RefusalCode.CONFLICT, Delete(b"a", expect=1)) == 2
    assert driver.do(Delete(b"a", expect=2)) == DeleteDone(3, 1)


def test_deleting_nothing_takes_no_revision() -> None:
    driver = Driver()
    driver.put(b"a")
    assert driver.do(Delete(b"b")) == DeleteDone(1, 0)
    assert driver.do(DeleteRange(b"b", None)) == DeleteDone(1, 0)
    assert driver.revision == 1


def test_delete_range_takes_its_keys_at_one_revision_and_spares_reserved_ones() -> None:
    driver = Driver()
    for key in (b"a", b"b/1", b"b/2", b"c"):
        driver.put(key)
    records = (driver.record(b"b/1"), driver.record(b"b/2"))
    assert driver.do(DeleteRange(b"b/", prefix_end(b"b/"), prev=True)) == DeleteDone(5, 2, records)
    assert driver.keys() == [b"a", b"c"]
    driver.do(LeaseBind("n", 1, 0))
    place = driver.expect(AcquireDone, Acquire(QueueKind.LOCK, b"x", 1)).key
    driver.put(b"coterie/other")
    assert driver.do(DeleteRange(b"", None)) == DeleteDone(8, 2)
    assert driver.keys() == [place, b"coterie/other"]


@pytest.mark.parametrize(
    ("code", "operation", "detail"),
    [
        (RefusalCode.KEY_INVALID, Put(b"", b""), 64),
        (RefusalCode.KEY_INVALID, Put(b"k" * 65, b""), 64),
        (RefusalCode.VALUE_TOO_LARGE, Put(b"k", b"v" * 65), 64),
        (RefusalCode.TOO_MANY_KEYS, Put(b"k", b"v"), 3),
        (RefusalCode.NO_SPACE, Put(b"a", b"v" * 64), 70),
        (RefusalCode.LEASE_NOT_FOUND, Put(b"a", b"v", lease=9), 0),
        (RefusalCode.KEY_RESERVED, Put(b"coterie/locks/x@1", b"v"), 0),
        (RefusalCode.KEY_RESERVED, Delete(b"coterie/semaphores/x@1"), 0),
        (RefusalCode.DELETE_TOO_LARGE, DeleteRange(b"a", None), 2),
    ],
)
def test_a_limit_refuses_with_its_figure(code: RefusalCode, operation: Put | Delete | DeleteRange, detail: int) -> None:
    driver = Driver(max_key_bytes=64, max_value_bytes=64, max_keys=3, max_data_bytes=70, max_delete_keys=2)
    for key in (b"a", b"b", b"c"):
        driver.put(key, b"value")
    assert driver.refused(code, operation) == detail


def test_a_lease_takes_only_so_many_keys() -> None:
    driver = Driver(max_lease_keys=1)
    driver.do(LeaseBind("n", 1, 0))
    driver.put(b"a", lease=1)
    assert driver.refused(RefusalCode.LEASE_FULL, Put(b"b", b"", lease=1)) == 1
    driver.put(b"a", b"again", lease=1)


def test_reads_at_a_revision_see_what_was_there() -> None:
    driver = Driver()
    for number in range(1, 4):
        driver.put(b"a", b"%d" % number)
    driver.do(Delete(b"a"))
    assert [record and record.value for record in (driver.state.get(b"a", at) for at in range(5))] == [
        None,
        b"1",
        b"2",
        b"3",
        None,
    ]
    with pytest.raises(FutureRevisionError) as ahead:
        driver.state.get(b"a", 5)
    assert (ahead.value.requested, ahead.value.current) == (5, 4)


def test_reads_at_a_revision_are_right_across_many_slabs_of_history() -> None:
    driver = Driver()
    for number in range(5_000):
        driver.put(b"k%d" % (number % 7), b"%d" % number)
    for revision in (1, 6, 7, 1_023, 1_024, 1_025, 2_500, 4_999):
        for key in range(7):
            last = revision - 1 - (revision - 1 - key) % 7  # the last write of this key up to the revision
            record = driver.state.get(b"k%d" % key, revision)
            assert (record.value if record else None) == (b"%d" % last if last >= 0 else None)
        values = [int(record.value) for record in driver.state.range(b"", None, revision=revision).records]
        assert sorted(values) == list(range(max(0, revision - 7), revision))


def test_pages_show_one_revision_whatever_is_written_between_them() -> None:
    driver = Driver()
    for number in range(10):
        driver.put(b"k/%d" % number, b"old")
    page = driver.state.range(b"k/", prefix_end(b"k/"), limit=4)
    found = [*page.records]
    revision = page.revision
    while page.next is not None:
        driver.do(DeleteRange(b"k/7", b"k/9"))
        driver.put(b"k/9", b"new")
        driver.put(b"k/55", b"new")
        page = driver.state.next_page(page.next, limit=4)
        assert page.revision == revision
        found += page.records
    assert [(record.key, record.value) for record in found] == [(b"k/%d" % number, b"old") for number in range(10)]


def test_a_page_is_cut_where_an_answer_would_grow_too_large_but_never_to_nothing() -> None:
    driver = Driver(max_result_bytes=400)
    for number in range(5):
        driver.put(b"k%d" % number, b"v" * 100)
    page = driver.state.range(b"", None)
    assert len(page.records) == 2
    assert page.next is not None
    driver.put(b"k2", b"v" * 1_000)
    assert [it.key for it in driver.state.range(b"k2", None).records] == [b"k2"]
    assert [it.key for it in driver.state.next_page(page.next).records] == [b"k2", b"k3"]


def test_a_range_without_keys_is_empty() -> None:
    driver = Driver()
    driver.put(b"b")
    assert driver.state.range(b"b", b"a").records == []
    assert driver.state.range(b"c", b"a").records == []
    assert driver.state.range(b"c", None).records == []
    driver.put(b"b")
    assert driver.state.range(b"b", b"a", revision=1).records == []


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "lAEBoWLA", "." * 300])
def test_a_page_token_from_elsewhere_is_refused(token: str) -> None:
    driver = Driver()
    driver.put(b"a")
    with pytest.raises(BadTokenError):
        driver.state.next_page(token)


def test_compaction_keeps_the_current_records_and_forgets_what_was_before() -> None:
    driver = Driver()
    for number in range(1, 6):
        driver.put(b"a", b"%d" % number)
    page = driver.state.range(b"", None, revision=2)
    driver.put(b"b", b"1")
    assert page.next is None
    assert driver.do(Compact(3)) == Done(6)
    with pytest.raises(CompactedRevisionError) as gone:
        driver.state.get(b"a", 2)
    assert (gone.value.requested, gone.value.compacted) == (2, 3)
    record = driver.state.get(b"a", 3)
    assert record is not None
    assert record.value == b"3"
    assert driver.refused(RefusalCode.COMPACTED, Compact(3)) == 3
    assert driver.refused(RefusalCode.FUTURE_REVISION, Compact(7)) == 6
    assert driver.do(Compact(6)) == Done(6)
    assert driver.keys() == [b"a", b"b"]


def test_a_page_token_whose_revision_was_compacted_says_so() -> None:
    driver = Driver()
    for key in (b"a", b"b", b"c"):
        driver.put(key)
    token = driver.state.range(b"", None, limit=1).next
    assert token is not None
    driver.put(b"a")
    driver.do(Compact(4))
    with pytest.raises(CompactedRevisionError):
        driver.state.next_page(token)


def test_history_keeps_to_its_count_and_its_size() -> None:
    by_count = Driver(max_history_events=100)
    by_size = Driver(max_history_bytes=100_000)
    for number in range(3_000):
        by_count.put(b"%d" % (number % 10), b"v" * 100)
        by_size.put(b"%d" % (number % 10), b"v" * 100)
        assert by_count.state.sizes().history_events <= 100
        assert by_size.state.sizes().history_bytes <= 100_000
    assert by_count.state.sizes().history_events >= 99
    assert by_size.state.sizes().history_bytes >= 99_000
    assert by_count.state.sizes().compacted == 3_000 - by_count.state.sizes().history_events


def test_history_is_cut_between_revisions_never_within_one() -> None:
    driver = Driver(max_history_events=10)
    for number in range(8):
        driver.put(b"%d" % number)
    driver.do(DeleteRange(b"", None))  # 8 events at revision 9, 16 in all
    assert driver.state.sizes().compacted == 7
    assert driver.state.sizes().history_events == 9
    driver.put(b"x")
    assert driver.state.sizes().history_events == 10
    driver.put(b"x")  # the one event of revision 8 is not enough, and the 8 of revision 9 go together
    assert driver.state.sizes().compacted == 9
    assert driver.state.sizes().history_events == 2
