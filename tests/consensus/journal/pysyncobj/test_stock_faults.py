"""The faults of stock PySyncObj 0.3.17 that concern files (raft spec 2), shown on it and absent here.

Fault 4's death on a full disk (a SIGBUS in a memory map) needs a full file system of its own, and faults 19 and 26 are
about what the engine does with the files: here `test_disk_errors.py` tests ours alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coterie.consensus.journal import CorruptFileError, JournalConfig, open_member_directory
from coterie.consensus.raft.errors import CorruptSnapshotError
from coterie.consensus.raft.ports import Entry, SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles, PowerCut
from tests.consensus.journal.member import DIRECTORY, SMALL, Member
from tests.consensus.journal.pysyncobj.stock import StockNode, stock_journal, stock_serializer

ENTRIES: list[Entry] = [(b"\x00%d" % index, index, 1) for index in range(1, 201)]
INFO = SnapshotInfo(ENTRIES[98], ENTRIES[99], ("a",))


class Killed(Exception):  # noqa: N818 - stands for a process that is gone
    pass


@contextmanager
def stock(directory: Path, name: str = "stock") -> Iterator[Any]:
    """Stock's journal, with 200 entries where it is new."""
    journal = stock_journal.FileJournal(str(directory / name))
    try:
        if not len(journal):
            for entry in ENTRIES:
                journal.add(*entry)
        yield journal
    finally:
        journal._destroy()


def ours_with_snapshot(directory: Path) -> None:
    """200 entries, a snapshot of the first 100, and a process that ended before it cut the log."""
    store = open_member_directory(directory)
    for entry in ENTRIES:
        store.journal.add(*entry)
    store.journal.sync()
    draft = store.snapshots.create(INFO)
    draft.write(b"state")
    draft.seal()
    draft.install()
    store.close()


# -- 4 ---------------------------------------------------------------------------------------------------------------


def test_4_stock_never_syncs_and_ours_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[object] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    monkeypatch.setattr(stock_journal.ResizableFile, "flush", syncs.append)
    with stock(tmp_path) as journal:
        journal.setCurrentTerm(5, "a")
        journal.onOneSecondTimer()
    assert syncs == []

    ours = open_member_directory(tmp_path / "ours").journal
    syncs.clear()
    ours.add(*ENTRIES[0])
    ours.sync()
    assert len(syncs) == 1
    ours.store_vote(5, "a")
    assert len(syncs) == 3  # one for each copy of the vote


def test_4_a_kill_inside_compaction_loses_the_log_of_stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stock(tmp_path) as journal:
        rewritten = iter(range(4))
        add = journal.add

        def add_until_killed(*entry: Any) -> None:
            if next(rewritten, None) is None:
                raise Killed
            add(*entry)

        monkeypatch.setattr(journal, "add", add_until_killed)
        with pytest.raises(Killed):
            journal.deleteEntriesTo(100)
    with stock(tmp_path) as journal:
        assert len(journal) == 4


def test_4_a_power_cut_inside_compaction_loses_nothing_of_ours() -> None:
    before = Member(MemoryFiles())
    before.open()
    for _ in range(60):
        before.add(bytes(150))
        before.sync()

    def compact(cut_at: int | None) -> Member:
        member = before.crashed(None, Random(0))
        member.open()
        member.files.cut_at = cut_at
        with suppress(PowerCut):
            member.snapshot(5, b"state" * 20)
            member.tick()
        return member

    opening, end = before.crashed(None, Random(0)), compact(None).files.calls
    opening.open()
    assert end > opening.files.calls + 5
    for cut_at in range(opening.files.calls + 1, end + 1):
        for fate in Fate:
            compact(cut_at).crashed(fate, Random(cut_at)).open()


def test_4_stock_takes_changed_bytes_for_entries_and_ours_stops(tmp_path: Path) -> None:
    with stock(tmp_path):
        path = tmp_path / "stock"
    data = bytearray(path.read_bytes())
    data[data.index(b"\x0077")] ^= 0xFF
    path.write_bytes(data)
    with stock(tmp_path) as journal:
        assert journal[76][0] == b"\xff77"

    ours_with_snapshot(tmp_path / "ours")
    (segment,) = (tmp_path / "ours").glob("journal-*")
    data = bytearray(segment.read_bytes())
    data[data.index(b"\x0077")] ^= 0xFF
    segment.write_bytes(data)
    with pytest.raises(CorruptFileError):
        open_member_directory(tmp_path / "ours")


def test_4_a_dump_newer_than_the_journals_head_clears_the_journal_of_stock_and_not_ours(tmp_path: Path) -> None:
    """What a kill leaves between the dump and the compaction."""
    dump = tmp_path / "dump"
    dump.touch()

    def load(_file: str) -> tuple[Any, ...]:
        return INFO.last, INFO.prev, []

    with stock(tmp_path) as journal:
        StockNode(journal=journal, dump_file=dump, load=load).doTick()
        assert journal[:] == [INFO.prev, INFO.last]  # the hundred entries after it are gone

    ours_with_snapshot(tmp_path / "ours")
    store = open_member_directory(tmp_path / "ours")
    StockNode(journal=store.journal, dump_file=dump, load=load).doTick()
    assert store.journal[:] == ENTRIES[98:]
    store.close()


# -- 10, 18, 27, 29 --------------------------------------------------------------------------------------------------


def test_10_stock_starts_empty_from_a_corrupt_dump_and_ours_refuses(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(b"damaged")
    node = StockNode(dump_file=dump)
    node.tick_until(node._isLeader)  # it lost everything, and leads

    ours_with_snapshot(tmp_path / "ours")
    (snapshot,) = (tmp_path / "ours").glob("snapshot-*")
    snapshot.write_bytes(b"damaged")
    with pytest.raises(CorruptSnapshotError, match="snapshot-0"):
        open_member_directory(tmp_path / "ours")


def test_18_an_older_snapshot_that_comes_late_replaces_the_dump_of_stock_and_not_ours(tmp_path: Path) -> None:
    serializer = stock_serializer.Serializer(str(tmp_path / "dump"), 100, False, None, None, None)
    for data in (b"newer", b"older"):
        serializer.setTransmissionData((data, True, False))
        assert serializer.setTransmissionData((b"", False, True))
    assert (tmp_path / "dump").read_bytes() == b"older"

    store = open_member_directory(DIRECTORY, config=SMALL, files=MemoryFiles())
    older = SnapshotInfo(ENTRIES[48], ENTRIES[49], ("a",))
    drafts = [store.snapshots.create(info) for info in (INFO, older)]
    for draft in drafts:
        draft.seal()
        draft.install()
    assert store.snapshots.latest() == INFO


def test_27_a_codec_that_yields_lists_empties_the_journal_of_stock_and_ours_yields_tuples(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.touch()
    with stock(tmp_path) as journal:
        journal.deleteEntriesTo(98)
        StockNode(journal=journal, dump_file=dump, load=lambda _file: (list(INFO.last), list(INFO.prev), [])).doTick()
        assert len(journal) == 2

    ours_with_snapshot(tmp_path / "ours")
    store = open_member_directory(tmp_path / "ours")
    info = store.snapshots.latest()
    assert info == INFO
    StockNode(journal=store.journal, dump_file=dump, load=lambda _file: (info.last, info.prev, [])).doTick()
    assert store.journal[:] == ENTRIES[98:]
    store.close()


def test_29_a_crash_between_truncation_and_rewriting_loses_entries_of_stock_and_not_ours(tmp_path: Path) -> None:
    with stock(tmp_path) as journal:
        journal.deleteEntriesFrom(100)  # killed here: the same hundred was to be written again
    with stock(tmp_path) as journal:
        assert len(journal) == 100

    ours = open_member_directory(tmp_path / "ours", config=JournalConfig(segment_bytes=65_536, reserve_bytes=256))
    for entry in ENTRIES:
        ours.journal.add(*entry)
    ours.journal.sync()
    ours.journal.truncate_from(100)  # buffered, to be written with what replaces it
    shutil.copytree(tmp_path / "ours", tmp_path / "killed ours")
    assert open_member_directory(tmp_path / "killed ours").journal[:] == ENTRIES
