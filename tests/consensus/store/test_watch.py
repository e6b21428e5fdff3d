"""Watches: ordered, without gaps, by whole revisions, resumable; slow ones cost no memory and get a definite answer."""

from __future__ import annotations

import pytest

from coterie.consensus.store import (
    Compact,
    CompactedRevisionError,
    Delete,
    DeleteRange,
    EventKind,
    Put,
    State,
    Txn,
    Watcher,
    WatchHub,
    prefix_end,
    read_snapshot,
)
from coterie.consensus.store.watch import MAX_PENDING_EVENTS, MAX_READ_EVENTS
from tests.consensus.store.helpers import Driver, snapshot


def taken(hub: WatchHub, watch: Watcher, size: int = 1_000) -> list[tuple[int, bytes]]:
    found = []
    more = True
    while more:
        batch = hub.take(watch, size)
        found += [(event.revision, event.key) for event in batch.events]
        more = batch.more
    return found


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def hub(driver: Driver) -> WatchHub:
    return WatchHub(driver.state.keyspace)


def test_a_watch_sees_what_comes_after_it_in_its_range(driver: Driver, hub: WatchHub) -> None:
    driver.put(b"a/1")
    prefix = hub.watch(b"a/", prefix_end(b"a/"))
    one = hub.watch(b"a/1", b"a/1\0")
    span = hub.watch(b"a/2", b"c")
    every = hub.watch(b"", None)
    for key in (b"a/1", b"a/2", b"b", b"d"):
        driver.put(key)
    assert set(hub.feed()) == {prefix, one, span, every}
    assert taken(hub, prefix) == [(2, b"a/1"), (3, b"a/2")]
    assert taken(hub, one) == [(2, b"a/1")]
    assert taken(hub, span) == [(3, b"a/2"), (4, b"b")]
    assert taken(hub, every) == [(2, b"a/1"), (3, b"a/2"), (4, b"b"), (5, b"d")]
    driver.put(b"d")
    assert hub.feed() == [every]


def test_events_tell_the_record_and_the_one_before(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"a", b"b")
    driver.put(b"a", b"1")
    driver.put(b"a", b"2")
    driver.do(Delete(b"a"))
    hub.feed()
    values = [
        (event.record and event.record.value, event.prev and event.prev.value) for event in hub.take(watch).events
    ]
    assert values == [(b"1", None), (b"2", b"1"), (None, b"2")]


def test_a_watch_may_be_for_puts_or_deletions_alone(driver: Driver, hub: WatchHub) -> None:
    puts = hub.watch(b"", None, kind=EventKind.PUT)
    deletions = hub.watch(b"", None, kind=EventKind.DELETE)
    driver.put(b"a")
    driver.do(Delete(b"a"))
    hub.feed()
    assert taken(hub, puts) == [(1, b"a")]
    assert taken(hub, deletions) == [(2, b"a")]


def test_a_watch_resumes_after_the_revision_of_its_last_batch(driver: Driver, hub: WatchHub) -> None:
    for number in range(20):
        driver.put(b"%d" % number)
        driver.do(Txn(then=(Put(b"x", b""), Put(b"y", b""), Put(b"z", b""))))
    hub.feed()
    found = []
    position = 1
    while position <= driver.revision:
        watch = hub.watch(b"", None, from_revision=position)
        batch = hub.take(watch, 5)
        hub.close(watch)
        found += [(event.revision, event.key) for event in batch.events]
        position = batch.revision + 1
    assert found == [(event.revision, event.key) for event in driver.state.keyspace.history.after(0)]


@pytest.mark.parametrize("late", [False, True])
def test_a_batch_never_ends_within_a_revision(driver: Driver, hub: WatchHub, late: bool) -> None:
    watch = hub.watch(b"", None)
    for number in range(5):
        driver.do(Txn(then=tuple(Put(b"%d" % key, b"%d" % number) for key in range(4))))
    if late:
        watch = hub.watch(b"", None, from_revision=1)
    hub.feed()
    sizes = []
    more = True
    while more:
        batch = hub.take(watch, 3)
        assert batch.events[-1].revision == batch.revision
        sizes.append(len(batch.events))
        more = batch.more
    assert sizes == [4] * 5


def test_a_watch_without_events_still_tells_its_progress(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"a", b"b")
    assert hub.take(watch).revision == 0
    for _ in range(3):
        driver.put(b"x")
    assert hub.feed() == []
    batch = hub.take(watch)
    assert (batch.events, batch.revision, batch.more) == ([], 3, False)
    driver.do(Compact(3))
    assert hub.take(watch).revision == 3  # progress, not a position lost to compaction
    driver.put(b"a")
    hub.feed()
    assert taken(hub, watch) == [(4, b"a")]


def test_a_watch_from_a_revision_to_come_waits_for_it(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"", None, from_revision=3)
    for _ in range(4):
        driver.put(b"a")
        hub.feed()
    assert taken(hub, watch) == [(3, b"a"), (4, b"a")]


def test_a_watch_that_begins_between_applying_and_feeding_neither_misses_nor_repeats(
    driver: Driver, hub: WatchHub
) -> None:
    for _ in range(3):
        driver.put(b"a")
    hub.feed()
    for _ in range(3):
        driver.put(b"a")
    old, new = hub.watch(b"", None, from_revision=2), hub.watch(b"", None)
    assert taken(hub, old) == [(2, b"a"), (3, b"a")]
    driver.put(b"a")
    hub.feed()
    assert taken(hub, old) == [(4, b"a"), (5, b"a"), (6, b"a"), (7, b"a")]
    assert taken(hub, new) == [(7, b"a")]


def test_a_slow_watch_holds_a_bounded_number_of_events_and_then_reads_history(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"", None)
    count = 3 * MAX_READ_EVENTS
    for number in range(count):
        driver.put(b"%d" % (number % 5))
        hub.feed()
        assert len(watch.pending) <= MAX_PENDING_EVENTS
    assert len(hub.take(watch, 10**9).events) <= MAX_READ_EVENTS
    watch = hub.watch(b"", None, from_revision=1)
    assert [revision for revision, _ in taken(hub, watch, 100)] == list(range(1, count + 1))


def test_a_watch_that_fell_behind_history_is_told(driver: Driver, hub: WatchHub) -> None:
    slow = hub.watch(b"", None)
    quick = hub.watch(b"", None)
    driver.put(b"a")
    hub.feed()
    assert taken(hub, quick) == [(1, b"a")]
    for _ in range(MAX_PENDING_EVENTS):
        driver.put(b"a")
        hub.feed()
        taken(hub, quick)
    driver.do(Compact(1))
    with pytest.raises(CompactedRevisionError) as gone:
        hub.take(slow)
    assert (gone.value.requested, gone.value.compacted) == (1, 1)
    hub.feed()
    assert taken(hub, quick) == []


def test_a_watch_from_a_compacted_revision_is_refused(driver: Driver, hub: WatchHub) -> None:
    for _ in range(5):
        driver.put(b"a")
    driver.do(Compact(3))
    hub.feed()
    with pytest.raises(CompactedRevisionError) as gone:
        hub.watch(b"", None, from_revision=3)
    assert gone.value.compacted == 3
    assert taken(hub, hub.watch(b"", None, from_revision=4)) == [(4, b"a"), (5, b"a")]


def test_what_was_compacted_before_it_was_routed_is_not_passed_over_in_silence(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"", None)
    driver.put(b"a")
    driver.put(b"a")
    driver.do(Compact(1))
    assert hub.feed() == [watch]
    with pytest.raises(CompactedRevisionError):
        hub.take(watch)


def test_watches_go_on_where_they_were_when_a_snapshot_is_installed(driver: Driver, hub: WatchHub) -> None:
    behind, ahead = hub.watch(b"", None), hub.watch(b"", None)
    driver.put(b"a")
    hub.feed()
    assert taken(hub, ahead) == [(1, b"a")]
    other = Driver()
    for _ in range(4):
        other.put(b"a")
    driver.state = read_snapshot([snapshot(other.state)])
    hub.follow(driver.state.keyspace)
    assert set(hub.feed()) == {behind, ahead}
    assert taken(hub, behind) == [(revision, b"a") for revision in (1, 2, 3, 4)]
    assert taken(hub, ahead) == [(revision, b"a") for revision in (2, 3, 4)]
    other.do(Compact(4))
    other.put(b"a")
    driver.state = read_snapshot([snapshot(other.state)])
    hub.follow(driver.state.keyspace)
    hub.feed()
    assert taken(hub, ahead) == [(5, b"a")]


def test_a_watch_from_a_revision_to_come_waits_for_it_through_a_snapshot_too(driver: Driver, hub: WatchHub) -> None:
    watch = hub.watch(b"", None, from_revision=4)
    driver.put(b"a")
    hub.feed()
    driver.state = read_snapshot([snapshot(driver.state)])
    hub.follow(driver.state.keyspace)
    hub.feed()
    assert taken(hub, watch) == []
    for _ in range(4):
        driver.put(b"a")
        hub.feed()
    assert taken(hub, watch) == [(4, b"a"), (5, b"a")]


def test_a_closed_watch_leaves_nothing_behind() -> None:
    hub = WatchHub(State().keyspace)
    watches = [
        hub.watch(b"a", b"a\0"),
        hub.watch(b"a", b"b"),
        hub.watch(b"a", b"x"),
        hub.watch(b"", None),
        hub.watch(b"a", b"a\0"),
    ]
    assert len(hub) == 5
    for watch in watches:
        hub.close(watch)
        hub.close(watch)
    assert len(hub) == 0
    assert not hub._by_key
    assert not hub._by_prefix
    assert not hub._by_range


def test_a_range_deletion_comes_as_one_revision(driver: Driver, hub: WatchHub) -> None:
    for number in range(MAX_PENDING_EVENTS + 10):
        driver.put(b"%04d" % number)
    hub.feed()
    watch = hub.watch(b"", None)
    driver.do(DeleteRange(b"", None))
    assert hub.feed() == [watch]
    batch = hub.take(watch, 7)
    assert len(batch.events) == MAX_PENDING_EVENTS + 10
    assert [event.key for event in batch.events] == sorted(event.key for event in batch.events)
    assert {event.revision for event in batch.events} == {batch.revision}
