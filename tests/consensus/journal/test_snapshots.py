"""Snapshot files: their format, writing, receiving and replacing (faults 10, 18, 22)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.consensus.journal import (
    JournalConfig,
    MissingFileError,
    SnapshotRefusedError,
    UnknownFormatError,
    open_member_directory,
)
from coterie.consensus.journal.snapshots.draft import SYNC_EVERY_BYTES
from coterie.consensus.journal.snapshots.format import SnapshotDecoder, SnapshotEncoder, SnapshotFormatError
from coterie.consensus.journal.snapshots.reader import snapshot_name
from coterie.consensus.journal.snapshots.store import FileSnapshotStore
from coterie.consensus.raft.ports import SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, SMALL, raw_snapshot

INFO = SnapshotInfo((b"\x00prev", 41, 3), (b"\x02last", 42, 4), ("a", "ä", "c"))
OLDER = SnapshotInfo((b"", 9, 1), (b"", 10, 1), ("a",))


def opened(files: MemoryFiles | None = None) -> tuple[MemoryFiles, FileSnapshotStore]:
    files = files or MemoryFiles()
    return files, open_member_directory(DIRECTORY, config=SMALL, files=files).snapshots


def save(store: FileSnapshotStore, info: SnapshotInfo, state: bytes) -> None:
    draft = store.create(info)
    draft.write(state)
    assert draft.seal() == info
    assert b"".join(draft.state()) == state
    draft.install()


def snapshot_files(files: MemoryFiles) -> list[str]:
    return [name for name in files.names(DIRECTORY) if name.startswith("snapshot")]


def encoded(info: SnapshotInfo, chunks: list[bytes]) -> bytes:
    encoder = SnapshotEncoder()
    return b"".join([encoder.head(info), *map(encoder.chunk, chunks), encoder.end()])


names = st.text(st.characters(codec="utf-8"), max_size=20)
entries = st.tuples(st.binary(max_size=40), st.integers(1, 2**60), st.integers(0, 2**60))


@st.composite
def infos(draw: st.DrawFn) -> SnapshotInfo:
    prev, last = draw(entries), draw(entries)
    return SnapshotInfo(prev, (last[0], prev[1] + 1, last[2]), tuple(draw(st.lists(names, max_size=5))))


@given(infos(), st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 60))
def test_what_is_encoded_is_decoded_in_slices_of_any_size(info: SnapshotInfo, chunks: list[bytes], step: int) -> None:
    data = encoded(info, chunks)
    decoder = SnapshotDecoder()
    found = [chunk for at in range(0, len(data), step) for chunk in decoder.feed(data[at : at + step])]
    assert (decoder.info, found, decoder.complete) == (info, chunks, True)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_snapshot_is_never_complete(data: st.DataObject) -> None:
    chunks = [b"first", b"second", b"third"]
    whole = encoded(INFO, chunks)
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    decoder = SnapshotDecoder()
    try:
        decoder.feed(bytes(changed))
    except SnapshotFormatError:
        return
    assert not decoder.complete or bytes(changed) == whole


@given(st.binary(max_size=300))
def test_random_bytes_are_no_snapshot(data: bytes) -> None:
    decoder = SnapshotDecoder()
    try:
        decoder.feed(data)
    except SnapshotFormatError:
        return
    assert not decoder.complete


def test_parts_out_of_order_or_of_two_snapshots_are_refused() -> None:
    encoder, other = SnapshotEncoder(), SnapshotEncoder()
    head, one, two, end = encoder.head(INFO), encoder.chunk(b"1"), encoder.chunk(b"2"), encoder.end()
    other_parts = [other.head(OLDER), other.chunk(b"1")]
    whole = SnapshotDecoder()
    whole.feed(head + one + two + end)
    assert whole.complete
    for parts in (
        [head, two, one, end],
        [head, one, end],
        [head, other_parts[1], two, end],
        [head, one, two, end, b"x"],
    ):
        with pytest.raises(SnapshotFormatError):
            SnapshotDecoder().feed(b"".join(parts))


def test_a_snapshot_is_read_back_after_a_power_cut() -> None:
    files, store = opened()
    save(store, INFO, b"state" * 100)
    _, store = opened(files.rebooted(Fate.DROP, Random(0)))
    assert store.latest() == INFO
    assert b"".join(store.state()) == b"state" * 100


def test_an_empty_state_is_a_snapshot_too() -> None:
    files, store = opened()
    save(store, INFO, b"")
    _, store = opened(files.rebooted(Fate.DROP, Random(0)))
    assert list(store.state()) == []


def test_the_former_snapshot_stays_until_the_new_one_is_durable() -> None:
    files, store = opened()
    save(store, OLDER, b"old")
    draft = store.create(INFO)
    draft.write(b"new")
    draft.seal()
    assert store.latest() == OLDER
    assert opened(files.rebooted(Fate.KEEP, Random(0)))[1].latest() == OLDER
    draft.install()
    trace = files.trace
    assert (
        trace.index(f"remove {snapshot_name(OLDER)}")
        > len(trace) - 2
        > trace.index(f"rename snapshot-2.tmp {snapshot_name(INFO)}")
    )
    assert trace[-2] == "sync member/"
    assert snapshot_files(files) == [snapshot_name(INFO)]


def test_state_never_goes_back_to_an_older_snapshot() -> None:
    files, store = opened()
    late = store.create(OLDER)
    late.write(b"old")
    late.seal()
    save(store, INFO, b"new")
    late.install()
    assert store.latest() == INFO
    assert snapshot_files(files) == [snapshot_name(INFO)]


def test_a_reader_goes_on_when_its_snapshot_is_replaced() -> None:
    _, store = opened()
    save(store, OLDER, b"old" * 50)
    reader = store.open()
    half = reader.read(0, 30)
    save(store, INFO, b"new")
    assert half + reader.read(30, reader.size) == raw_snapshot(OLDER, b"old" * 50)
    reader.close()


@pytest.mark.parametrize("step", [1, 13, 1_000])
def test_a_snapshot_of_another_member_is_taken_as_it_comes(step: int) -> None:
    raw = raw_snapshot(INFO, b"state" * 60)
    files, store = opened()
    draft = store.receive()
    for at in range(0, len(raw), step):
        draft.write(raw[at : at + step])
    assert draft.seal() == INFO
    assert store.latest() is None
    assert b"".join(draft.state()) == b"state" * 60
    draft.install()
    assert opened(files.rebooted(Fate.DROP, Random(0)))[1].latest() == INFO


def test_a_damaged_snapshot_of_another_member_is_refused_and_leaves_nothing() -> None:
    raw = bytearray(raw_snapshot(INFO, b"state" * 60))
    raw[200] ^= 4
    files, store = opened()
    draft = store.receive()
    with pytest.raises(SnapshotRefusedError, match="damaged"):
        draft.write(bytes(raw))
    draft.abort()
    draft.abort()
    assert snapshot_files(files) == []


def test_a_snapshot_of_another_member_that_ends_early_is_refused() -> None:
    raw = raw_snapshot(INFO, b"state" * 60)
    _, store = opened()
    for cut in range(len(raw)):
        draft = store.receive()
        draft.write(raw[:cut])
        with pytest.raises(SnapshotRefusedError, match="too early"):
            draft.seal()
        draft.abort()


def test_a_snapshot_larger_than_allowed_is_refused_as_it_comes() -> None:
    config = JournalConfig(segment_bytes=4_096, reserve_bytes=256, max_snapshot_bytes=1_000)
    store = open_member_directory(DIRECTORY, config=config, files=MemoryFiles()).snapshots
    draft = store.receive()
    with pytest.raises(SnapshotRefusedError, match="max_snapshot_bytes"):
        draft.write(raw_snapshot(INFO, bytes(2_000)))


def test_a_draft_that_was_not_sealed_is_not_installed() -> None:
    _, store = opened()
    draft = store.create(INFO)
    with pytest.raises(ValueError, match="sealed"):
        draft.install()


def test_a_large_snapshot_is_synced_while_it_is_written() -> None:
    files, store = opened()
    draft = store.create(INFO)
    for _ in range(9):
        draft.write(bytes(1024 * 1024))
    assert files.trace.count("sync snapshot-1.tmp") == 9 * 1024 * 1024 // SYNC_EVERY_BYTES


def test_drafts_of_an_earlier_process_are_removed() -> None:
    files, store = opened()
    store.create(INFO).write(b"half")
    again, _ = opened(files.restarted())
    assert snapshot_files(again) == []


def test_a_former_snapshot_that_a_power_cut_brought_back_is_removed() -> None:
    files, store = opened()
    save(store, OLDER, b"old")
    save(store, INFO, b"new")
    again = files.rebooted(Fate.DROP, Random(0))
    assert snapshot_files(again) == [snapshot_name(OLDER), snapshot_name(INFO)]
    _, store = opened(again)
    assert store.latest() == INFO
    assert snapshot_files(again) == [snapshot_name(INFO)]


def test_opening_where_there_is_no_snapshot_says_so() -> None:
    _, store = opened()
    assert store.latest() is None
    with pytest.raises(MissingFileError, match="there is no snapshot"):
        store.open()


def test_a_newer_format_is_told_apart_from_damage() -> None:
    import struct
    import zlib

    files, store = opened()
    save(store, INFO, b"state")
    content = files.rebooted(Fate.DROP, Random(0))
    data = content.content(DIRECTORY / snapshot_name(INFO))
    (size,) = struct.unpack_from("<I", data, 10)
    struct.pack_into("<H", data, 8, 2)
    struct.pack_into("<I", data, 14 + size, zlib.crc32(data[: 14 + size]))
    with pytest.raises(UnknownFormatError):
        opened(content)
