"""What an opened log looks like beside a snapshot: dropped, kept, replaced, or a gap (raft spec 2b)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from coterie.consensus.journal import CorruptFileError, LogGapError
from coterie.consensus.journal.log.frames import Record
from coterie.consensus.journal.log.recovery import newest_run, reconcile, replay
from coterie.consensus.journal.log.segment import Frame, Segment, SegmentHead
from coterie.consensus.raft.ports import Entry, SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import Member


def entries(first: int, last: int, term: int = 1) -> list[Entry]:
    return [(b"%d" % index, index, term) for index in range(first, last + 1)]


def snapshot(index: int, term: int = 1) -> SnapshotInfo:
    prev, last = entries(index - 1, index, term)
    return SnapshotInfo(prev, last, ("a",))


def segment(number: int, *frames: tuple[Record, ...]) -> Segment:
    head = SegmentHead(bytes(16), number, 4_096, 1, 0, 0, 0)
    return Segment(Path(f"segment {number}"), head, tuple(Frame(at, 0, f) for at, f in enumerate(frames, 1)), 0, 0)


def test_without_a_snapshot_the_log_begins_with_entry_1() -> None:
    assert reconcile([], None, segment(1)) == ([], False)
    assert reconcile(entries(1, 3), None, segment(1)) == (entries(1, 3), False)
    with pytest.raises(LogGapError, match="begins with entry 2, and there is no snapshot"):
        reconcile(entries(2, 3), None, segment(1))


@pytest.mark.parametrize("first", [1, 8, 9, 10])
def test_entries_before_the_snapshots_last_but_one_are_dropped(first: int) -> None:
    assert reconcile(entries(first, 15), snapshot(10), segment(1)) == (entries(9, 15), False)


@pytest.mark.parametrize("log", [[], entries(1, 3), entries(1, 9)])
def test_a_log_that_ends_before_the_snapshot_is_replaced_by_it(log: list[Entry]) -> None:
    assert reconcile(log, snapshot(10), segment(1)) == (entries(9, 10), True)


def test_a_log_that_contradicts_the_snapshot_is_replaced_by_it() -> None:
    assert reconcile(entries(1, 15), snapshot(10, term=2), segment(1)) == (entries(9, 10, 2), True)


@pytest.mark.parametrize("first", [11, 12])
def test_a_log_that_begins_after_the_snapshot_has_a_gap(first: int) -> None:
    with pytest.raises(LogGapError, match=f"begins with entry {first}, and the snapshot ends with entry 10"):
        reconcile(entries(first, 15), snapshot(10), segment(1))


@pytest.mark.parametrize("place", [8, 9])
def test_two_different_entries_under_one_index_and_term_stop_the_node(place: int) -> None:
    log = entries(1, 15)
    log[place] = (b"other", *log[place][1:])
    with pytest.raises(CorruptFileError, match="differs from the snapshot's"):
        reconcile(log, snapshot(10), segment(1))


def test_replay_follows_truncations_and_resets() -> None:
    assert replay([segment(1, (*entries(1, 5),), (3, *entries(3, 4, 2)))]) == entries(1, 2) + entries(3, 4, 2)
    assert replay([segment(1, (*entries(1, 5),), (1, *entries(1, 2, 2)))]) == entries(1, 2, 2)
    assert replay([segment(1, (*entries(1, 5),), (None, *entries(50, 51)))]) == entries(50, 51)
    assert replay([segment(1, (*entries(7, 9),), (4, *entries(4, 5, 2)))]) == entries(4, 5, 2)


@pytest.mark.parametrize("records", [(*entries(1, 2), *entries(4, 5)), (*entries(1, 5), 3, *entries(4, 5))])
def test_a_gap_inside_the_log_stops_the_node(records: tuple[Record, ...]) -> None:
    with pytest.raises(LogGapError, match="holds entry 4 where 3 must follow"):
        replay([segment(1, records)])


def test_the_newest_run_begins_after_the_last_hole() -> None:
    assert newest_run([segment(n) for n in (1, 2, 3)]) == 0
    assert newest_run([segment(n) for n in (1, 3, 4, 7, 8, 9)]) == 3
    assert newest_run([segment(9)]) == 0


def test_a_crash_between_another_members_snapshot_and_the_cut_of_a_log_that_contradicts_it() -> None:
    member = Member(MemoryFiles())
    member.open()
    for _ in range(20):
        member.add(b"old")
    member.sync()
    member.truncate(5)
    member.receive(0, b"state")  # up to an index that the log on disk holds with another term
    for fate in (Fate.DROP, Fate.KEEP):
        after = member.crashed(fate, Random(0))
        after.open()
        assert [entry[0] for entry in after.log] == [b"before", b"last"]
        after.reopen()
