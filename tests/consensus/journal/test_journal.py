"""The journal's face to PySyncObj, group commit, and the rules that it holds the node to (raft spec 2b)."""

from __future__ import annotations

from random import Random

import pytest

from coterie.consensus.journal import MisuseError, open_member_directory
from coterie.consensus.journal.log.frames import decode_records, encode_frame, find_later_frame
from coterie.consensus.journal.log.segment import read_segment, segment_name
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, SMALL, Member


def opened() -> Member:
    member = Member(MemoryFiles())
    member.open()
    return member


def test_entries_come_back_as_tuples_of_bytes_int_int() -> None:
    """Fault 27: lists instead of tuples made the engine drop the log."""
    member = opened()
    member.store.journal.add(bytearray(b"\x00x"), 1, 0)  # type: ignore[arg-type] # what a careless codec gives
    member.store.journal.sync()
    again = member.crashed(Fate.DROP, Random(0))
    store = open_member_directory(DIRECTORY, config=SMALL, files=again.files)
    assert store.journal[0] == (b"\x00x", 1, 0)
    assert type(store.journal[0]) is tuple
    assert type(store.journal[0][0]) is bytes
    assert store.journal[0:1] == [(b"\x00x", 1, 0)]


def test_adding_and_deleting_touch_no_disk() -> None:
    member = opened()
    calls = member.files.calls
    journal = member.store.journal
    for index in range(1, 50):
        journal.add(b"x", index, 1)
    journal.truncate_from(40)
    journal.drop_before(10)
    journal.clear()
    assert member.files.calls == calls


def test_one_sync_makes_everything_buffered_durable() -> None:
    member = opened()
    for _ in range(20):
        member.add(b"x")
    before = len(member.files.trace)
    member.sync()
    assert member.files.trace[before:] == [f"write {segment_name(1)}", f"sync {segment_name(1)}"]
    member.crashed(Fate.DROP, Random(0)).open()


def test_a_truncation_and_its_replacement_are_in_one_frame() -> None:
    """Fault 29: with a crash in between, acknowledged entries would be gone and nothing in their place."""
    member = opened()
    for _ in range(5):
        member.add(b"x")
    member.sync()
    member.truncate(2)
    member.sync()
    path = DIRECTORY / segment_name(1)
    segment = read_segment(member.files.open(path), path, member.store.identity.member_id.bytes)
    assert segment.frames[-1].records == (4, (b"instead", 4, 1))


def test_a_batch_that_was_not_synced_whole_is_not_there_at_all() -> None:
    member = opened()
    member.add(b"kept")
    member.sync()
    for _ in range(30):
        member.add(bytes(60))
    job = member.store.journal.begin_sync()
    member.files.failing = lambda call: 5 if call.startswith("sync") else None
    with pytest.raises(OSError, match="Input/output"):
        job()
    member.files.directories[DIRECTORY].shown[segment_name(1)].shown[800] ^= 1
    again = member.crashed(None, Random(0))
    again.open()
    assert [entry[0] for entry in again.log] == [b"kept"]


def test_the_job_of_a_sync_leaves_what_is_added_meanwhile_for_the_next() -> None:
    member = opened()
    member.add(b"first")
    first = list(member.log)
    job = member.store.journal.begin_sync()
    member.add(b"second")
    job()
    member.logs = [first]
    member.crashed(Fate.DROP, Random(0)).open()
    member.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_a_second_sync_in_flight_is_refused() -> None:
    journal = opened().store.journal
    job = journal.begin_sync()
    with pytest.raises(MisuseError):
        journal.begin_sync()
    job()
    journal.sync()


def test_a_gap_is_refused_before_anything_of_it_is_written() -> None:
    member = opened()
    member.add(b"x")
    member.sync()
    calls = member.files.calls
    member.store.journal.add(b"y", 3, 1)
    with pytest.raises(MisuseError, match="entry 3 was added where 2 must follow"):
        member.store.journal.sync()
    assert member.files.calls == calls


@pytest.mark.parametrize(("term", "voted_for"), [(2, "b"), (2, None), (1, None), (1, "a")])
def test_a_second_vote_in_a_term_and_an_older_term_are_refused(term: int, voted_for: str | None) -> None:
    member = opened()
    member.vote(2, None)
    member.vote(2, "a")
    with pytest.raises(MisuseError):
        member.store.journal.store_vote(term, voted_for)


def test_storing_the_same_vote_again_costs_nothing() -> None:
    member = opened()
    member.vote(2, "a")
    calls = member.files.calls
    member.vote(2, "a")
    assert member.files.calls == calls


def test_a_vote_is_durable_when_the_call_returns() -> None:
    member = opened()
    member.vote(7, "a")
    again = member.crashed(Fate.DROP, Random(0))
    again.open()
    assert again.votes == [(7, "a")]


def test_old_segments_go_only_when_a_durable_snapshot_covers_them() -> None:
    member = opened()
    for _ in range(60):
        member.add(bytes(150))
        member.sync()
    member.store.journal.drop_before(50)
    member.tick()
    assert segment_name(1) in member.files.names(DIRECTORY)
    again = member.crashed(Fate.DROP, Random(0))
    again.open()
    again.snapshot(5, b"state")
    again.tick()
    assert segment_name(1) not in again.files.names(DIRECTORY)
    assert len([name for name in again.files.names(DIRECTORY) if name.startswith("journal-")]) <= 2
    again.crashed(Fate.DROP, Random(0)).open()
    again.crashed(Fate.KEEP, Random(0)).open()


def test_any_of_several_old_segments_may_survive_a_power_cut() -> None:
    member = opened()
    for _ in range(150):
        member.add(bytes(150))
        member.sync()
    member.snapshot(5, b"state")
    before = len(member.files.trace)
    member.tick()
    assert len([call for call in member.files.trace[before:] if call.startswith("remove journal")]) > 4
    for seed in range(20):
        after = member.crashed(Fate.TEAR, Random(seed))
        after.open()
        assert len([name for name in after.files.names(DIRECTORY) if name.startswith("journal-")]) <= 7
        after.reopen()


def test_positions_beyond_either_end_delete_nothing() -> None:
    member = opened()
    for _ in range(5):
        member.add(b"x")
    journal = member.store.journal
    journal.drop_before(-3)
    journal.drop_before(0)
    journal.truncate_from(5)
    assert len(journal) == 5


def test_after_dropping_everything_the_next_index_is_still_the_next() -> None:
    member = opened()
    for _ in range(5):
        member.add(b"x")
    journal = member.store.journal
    journal.truncate_from(0)
    assert len(journal) == 0
    journal.add(b"y", 1, 1)
    journal.sync()
    assert journal[-1] == (b"y", 1, 1)


def test_upkeep_waits_for_the_next_sync_where_something_is_buffered() -> None:
    member = opened()
    member.add(b"x")
    member.sync()
    member.add(b"y")
    calls = member.files.calls
    member.tick()
    assert member.files.calls == calls
    before = len(member.files.trace)
    member.sync()
    assert "write watermark" in member.files.trace[before:]


def test_an_idle_member_makes_no_disk_calls() -> None:
    member = opened()
    member.add(b"x")
    member.sync()
    member.tick()
    calls = member.files.calls
    for _ in range(10):
        member.tick()
    assert member.files.calls == calls


def test_closing_twice_is_safe_and_a_closed_journal_refuses() -> None:
    member = opened()
    member.add(b"x")
    member.close()
    member.store.close()
    member.store.journal.close()
    with pytest.raises(OSError, match="closed"):
        member.store.journal.sync()
    member.open()


def test_destroying_while_a_sync_is_in_flight_closes_after_it() -> None:
    member = opened()
    member.add(b"x")
    job = member.store.journal.begin_sync()
    member.store.journal.close()
    job()
    member.logs = [list(member.log)]
    with pytest.raises(OSError, match="closed"):
        member.store.journal.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_frames_of_another_salt_are_not_found() -> None:
    first, chain = encode_frame(b"\x03", 1, 0, 7)
    second, _ = encode_frame(b"\x03", 2, chain, 7)
    data = first + b"\0\0" + second
    assert find_later_frame(data, 0, 1, 7) == len(first) + 2
    assert find_later_frame(data, 0, 2, 7) is None
    assert find_later_frame(data, 0, 1, 8) is None
    assert list(decode_records(b"\x03")) == [None]


def test_upkeep_touches_the_disk_only_where_its_job_is_run() -> None:
    member = opened()
    member.store.journal.add(b"x", 1, 1)
    member.store.journal.sync()
    calls = member.files.calls
    job = member.store.journal.begin_upkeep()  # the watermark lags behind the frame
    assert member.files.calls == calls
    assert job is not None
    job()
    assert member.files.calls > calls
    assert member.store.journal.begin_upkeep() is None


def test_upkeep_is_left_to_the_next_sync_where_something_waits_for_one() -> None:
    member = opened()
    member.store.journal.add(b"x", 1, 1)
    assert member.store.journal.begin_upkeep() is None
    member.store.journal.sync()
    assert member.store.journal.begin_upkeep() is None
