"""A failing disk, and a full one (fault 26; raft spec 2b, durability)."""

from __future__ import annotations

import errno
from random import Random

import pytest

from coterie.consensus.journal import (
    DiskFailedError,
    DiskFullError,
    JournalConfig,
    SettingError,
    StorageError,
    open_member_directory,
)
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, SMALL, Member, act

STEPS = 40


def opened(seed: int = 0) -> Member:
    member = Member(MemoryFiles(), seed)
    member.open()
    return member


def run(seed: int, errors: dict[int, int]) -> Member:
    """A random run until its end, or until the store stops with one of its own errors."""
    member = Member(MemoryFiles(), seed)
    member.files.errors = errors
    rng = Random(seed)
    try:
        member.open()
        for _ in range(STEPS):
            act(member, rng)
    except StorageError:
        pass
    return member


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("seed", range(2))
def test_nothing_acknowledged_is_lost_whichever_call_fails(seed: int, number: int) -> None:
    """A call fails; the process ends; the next one counts what it finds; then the power goes."""
    for call in range(1, run(seed, {}).files.calls + 1):
        rng = Random(f"{seed} {call}")
        try:
            failed = run(seed, {call: number})
            restarted = failed.crashed(None, rng)
            restarted.open()
            restarted.crashed(Fate.DROP, rng).open()
            failed.crashed(Fate.MIXED, rng).open()
        except Exception as error:
            raise AssertionError(f"seed {seed}, call {call} fails") from error


def test_a_failed_sync_is_never_tried_again() -> None:
    member = opened()
    member.add(b"x")
    member.files.failing = lambda call: errno.EIO if call.startswith("sync journal") else None
    with pytest.raises(DiskFailedError, match="no further part in Raft"):
        member.sync()
    member.files.failing = lambda _call: None
    calls = member.files.calls
    with pytest.raises(DiskFailedError):
        member.sync()
    with pytest.raises(DiskFailedError):
        member.vote(9, "a")
    member.tick()
    member.store.close()
    assert member.files.calls == calls


def test_a_failed_vote_stops_the_journal_too() -> None:
    member = opened()
    member.files.failing = lambda call: errno.EIO if call == "sync vote" else None
    with pytest.raises(DiskFailedError):
        member.vote(1, "a")
    member.files.failing = lambda _call: None
    with pytest.raises(DiskFailedError):
        member.sync()


def test_what_was_begun_before_a_vote_failed_is_not_written_after_it() -> None:
    member = opened()
    member.add(b"of the term that was not stored")
    job = member.store.journal.begin_sync()
    member.files.failing = lambda call: errno.EIO if call == "sync vote" else None
    with pytest.raises(DiskFailedError):
        member.vote(1, "a")
    member.files.failing = lambda _call: None
    calls = member.files.calls
    with pytest.raises(DiskFailedError):
        job()
    assert member.files.calls == calls


def test_what_a_failed_sync_left_in_the_cache_is_not_counted_before_it_is_on_the_disk() -> None:
    """The system shows what it could not write, and calls it clean: only writing it again gives a sync a meaning."""
    member = opened()
    member.add(b"x")
    member.files.failing = lambda call: errno.EIO if call.startswith("sync journal") else None
    with pytest.raises(DiskFailedError):
        member.sync()
    again = member.crashed(None, Random(0))
    again.open()
    assert [entry[0] for entry in again.log] == [b"x"]
    again.crashed(Fate.DROP, Random(0)).open()  # its `check` wants the entry that was counted


# -- a full disk -----------------------------------------------------------------------------------------------------


def fill(member: Member) -> None:
    """Take all that is left of the disk, then add entries until none is admitted."""
    member.files.capacity = member.files.used
    while member.store.journal.shortage(100) is None:
        member.add(bytes(100))
        member.sync()


def test_a_full_disk_refuses_new_entries_before_any_is_taken() -> None:
    member = opened()
    fill(member)
    journal = member.store.journal
    assert journal.disk_full
    assert len(journal) > 40  # the segment and its spare were used up first
    assert journal.shortage(100) is not None


def test_on_a_full_disk_term_vote_and_what_the_node_itself_logs_can_still_be_stored() -> None:
    member = opened()
    fill(member)
    while member.store.journal.shortage(0) is None:
        member.add(b"")
        member.sync()
    for term in range(5, 10):
        member.vote(term, "a")
    member.add(bytes(SMALL.reserve_bytes - 100))  # a change of members; a new leader's no-op is smaller
    member.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_a_member_opens_on_a_full_disk() -> None:
    member = opened()
    fill(member)
    member.reopen()
    assert member.store.journal.shortage(100) is not None
    member.vote(9, "b")


def test_writes_go_on_when_space_returns() -> None:
    member = opened()
    fill(member)
    member.tick()
    assert member.store.journal.shortage(100) is not None
    member.files.capacity = None
    member.tick()
    assert member.store.journal.shortage(100) is None
    assert not member.store.journal.disk_full
    for _ in range(100):
        assert member.store.journal.shortage(100) is None
        member.add(bytes(100))
        member.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_what_was_admitted_can_always_be_written() -> None:
    """With the disk full from some point on, and batches of any size, also while another is under way."""
    for seed in range(200):
        rng = Random(seed)
        member = opened(seed)
        for _ in range(rng.randrange(30)):
            member.add(bytes(100))
            member.sync()
        member.files.capacity = member.files.used
        for _ in range(60):
            job = member.store.journal.begin_sync()
            for _ in range(rng.randrange(1, 5)):
                size = rng.randrange(1_500)
                if member.store.journal.shortage(size) is None:
                    member.add(bytes(size))
            job()
        member.sync()
        member.crashed(Fate.DROP, rng).open()


def test_more_than_was_asked_for_stops_the_node_and_loses_nothing() -> None:
    member = opened()
    fill(member)
    member.add(bytes(3_000))
    with pytest.raises(DiskFullError, match="free some space"):
        member.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_more_than_a_segment_is_refused_and_written_all_the_same() -> None:
    member = opened()
    assert member.store.journal.shortage(SMALL.segment_bytes) is not None
    member.add(bytes(3 * SMALL.segment_bytes))
    member.sync()
    member.add(b"x")
    member.sync()
    member.crashed(Fate.DROP, Random(0)).open()


def test_a_log_that_takes_too_much_memory_refuses_until_it_is_cut() -> None:
    member = Member(MemoryFiles(), 0, JournalConfig(segment_bytes=4_096, reserve_bytes=256, max_log_bytes=10_000))
    member.open()
    while member.store.journal.shortage(100) is None:
        member.add(bytes(100))
        member.sync()
    assert 9_000 < member.store.journal.memory_bytes <= 10_000
    member.snapshot(2, b"state")
    assert member.store.journal.memory_bytes < 1_200
    assert member.store.journal.shortage(100) is None


def test_a_snapshot_on_a_full_disk_is_an_error_that_does_no_harm() -> None:
    member = opened()
    for _ in range(20):
        member.add(bytes(50))
    member.sync()
    member.files.capacity = member.files.used + 100
    with pytest.raises(DiskFullError):
        member.snapshot(2, bytes(5_000))
    del member.snapshots[1:]
    member.files.capacity = None
    member.sync()
    member.snapshot(2, bytes(5_000))
    member.reopen()


def test_a_new_directory_on_a_full_disk_is_refused_and_can_be_made_later() -> None:
    files = MemoryFiles()
    files.capacity = 6_000
    with pytest.raises(DiskFullError):
        open_member_directory(DIRECTORY, config=SMALL, files=files)
    files.capacity = None
    open_member_directory(DIRECTORY, config=SMALL, files=files).close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("segment_bytes", 1), ("reserve_bytes", 0), ("reserve_bytes", 1 << 30), ("snapshot_chunk_bytes", 1 << 30)],
)
def test_a_setting_that_cannot_work_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(SettingError, match=name):
        JournalConfig(**{name: value})
