"""Flipped bits, cut files, lost and exchanged files: found, or harmless, never obeyed (raft spec 1, promise 5)."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterator
from random import Random
from uuid import UUID

import pytest

from coterie.consensus.journal import (
    CorruptFileError,
    DiskFailedError,
    LogGapError,
    UnknownFormatError,
    WrongMemberError,
)
from coterie.consensus.journal.log.frames import ENTRY_HEAD, FRAME_HEAD_BYTES
from coterie.consensus.journal.log.segment import SEGMENT_HEAD_BYTES, read_segment, segment_name
from coterie.consensus.raft.errors import CorruptSnapshotError, CorruptStateError
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, Member

REFUSALS = (CorruptFileError, UnknownFormatError)


def settled() -> Member:
    """A member with three segments, a snapshot, a vote and a cluster, whose watermark is up to date; power is gone."""
    member = filled()
    member.sync()
    member.tick()
    return member.crashed(Fate.DROP, Random(1))


def unsettled() -> Member:
    """The same with two frames more, synced, that the watermark does not know of yet."""
    member = filled()
    member.sync()
    member.tick()
    member.add(b"a frame above the watermark")
    member.sync()
    member.add(b"the last entry")
    member.add(b"and one more in its frame")
    member.sync()
    return member.crashed(Fate.DROP, Random(1))


def filled() -> Member:
    member = Member(MemoryFiles())
    member.open()
    member.join("cluster")
    member.vote(3, "a")
    for number in range(60):
        member.add(bytes([number]) * 150)
        if number % 3 == 0:
            member.sync()
        if number == 40:
            member.truncate(30)
    member.sync()
    member.snapshot(30, b"state" * 40)
    return member


def names(member: Member) -> list[str]:
    return [name for name in member.files.names(DIRECTORY) if not name.endswith((".tmp", "lock", "new"))]


def refused_or_right(member: Member) -> bool:
    """Open; True where that is refused. What opens must be right, which `check` in it asserts."""
    try:
        member.open()
    except REFUSALS:
        return True
    return False


def places(member: Member, name: str, rng: Random) -> list[int]:
    """Every byte of a file that is not zero, and some others."""
    content = member.files.content(DIRECTORY / name)
    return [place for place, byte in enumerate(content) if byte] + [rng.randrange(len(content)) for _ in range(50)]


@pytest.mark.parametrize("name", ["identity", "vote", "watermark", "journal-1", "journal-2", "journal-3", "snapshot"])
def test_a_flipped_bit_anywhere_is_found_or_harmless(name: str) -> None:
    whole = settled()
    (name,) = [n for n in names(whole) if n.replace("journal-00000000000", "journal-").startswith(name)]
    rng = Random(2)
    content = bytes(whole.files.content(DIRECTORY / name))
    for place in places(whole, name, rng):
        member = whole.crashed(None, rng)
        member.files.content(DIRECTORY / name)[place] ^= 1 << rng.randrange(8)
        refused = refused_or_right(member)
        if name.startswith(("journal", "snapshot")):
            assert refused or not content[place], f"byte {place}"
        else:
            assert not refused, "there is another copy"


def boundaries(member: Member, name: str) -> Iterator[int]:
    """Where frames and entries of a segment begin and end."""
    path = DIRECTORY / name
    segment = read_segment(member.files.open(path), path, member_bytes(member))
    yield SEGMENT_HEAD_BYTES
    for frame in segment.frames:
        offset = frame.offset + FRAME_HEAD_BYTES
        yield offset
        for record in frame.records:
            if isinstance(record, tuple):
                yield offset + ENTRY_HEAD.size
                offset += ENTRY_HEAD.size + len(record[0])
                yield offset
    assert segment.end > SEGMENT_HEAD_BYTES


def member_bytes(member: Member) -> bytes:
    (text,) = member.member_ids
    return UUID(text).bytes


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_segment_that_is_cut_anywhere_is_refused(number: int) -> None:
    whole = settled()
    rng = Random(3)
    name = segment_name(number)
    length = len(whole.files.content(DIRECTORY / name))
    for cut in sorted({*boundaries(whole, name), *(rng.randrange(length) for _ in range(100))}):
        member = whole.crashed(None, rng)
        del member.files.content(DIRECTORY / name)[cut:]
        with pytest.raises(CorruptFileError):
            member.open()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_segment_whose_end_turned_to_zeros_is_refused(number: int) -> None:
    whole = settled()
    rng = Random(4)
    name = segment_name(number)
    content = whole.files.content(DIRECTORY / name)
    end = len(content.rstrip(b"\0"))
    for cut in sorted({*boundaries(whole, name), *(rng.randrange(end) for _ in range(100))}):
        if cut >= end:
            continue
        member = whole.crashed(None, rng)
        damaged = member.files.content(DIRECTORY / name)
        damaged[cut:] = bytes(len(damaged) - cut)
        with pytest.raises(CorruptFileError):
            member.open()


def test_damage_before_the_last_frame_is_refused_whatever_the_watermark_says() -> None:
    whole = unsettled()
    name = segment_name(3)
    rng = Random(5)
    path = DIRECTORY / name
    frames = read_segment(whole.files.open(path), path, member_bytes(whole)).frames
    for place in [*range(SEGMENT_HEAD_BYTES, frames[-2].offset, 7), *range(frames[-2].offset, frames[-1].offset)]:
        member = whole.crashed(None, rng)
        member.files.content(path)[place] ^= 1 << rng.randrange(8)
        with pytest.raises(CorruptFileError):
            member.open()


def test_damage_to_a_last_frame_that_the_watermark_does_not_know_looks_like_an_unfinished_write() -> None:
    """The one place where damage cannot be told from a power cut; the watermark closes it within a second."""
    whole = unsettled()
    path = DIRECTORY / segment_name(3)
    rng = Random(6)
    last = read_segment(whole.files.open(path), path, member_bytes(whole)).frames[-1]
    for place in range(last.offset, len(whole.files.content(path).rstrip(b"\0"))):
        member = whole.crashed(None, rng)
        member.logs.append(member.logs[0][:-2])
        member.files.content(path)[place] ^= 1 << rng.randrange(8)
        member.open()
        assert len(member.log) == len(whole.log) - 2


def test_damage_to_the_snapshot_names_it_and_stops_the_node() -> None:
    member = settled()
    (name,) = [n for n in names(member) if n.startswith("snapshot")]
    member.files.content(DIRECTORY / name)[-1] ^= 1
    with pytest.raises(CorruptSnapshotError, match="snapshot-0"):
        member.open()


def test_a_snapshot_that_is_cut_anywhere_is_refused() -> None:
    whole = settled()
    (name,) = [n for n in names(whole) if n.startswith("snapshot")]
    for cut in range(len(whole.files.content(DIRECTORY / name))):
        member = whole.crashed(None, Random(7))
        del member.files.content(DIRECTORY / name)[cut:]
        with pytest.raises(CorruptSnapshotError):
            member.open()


@pytest.mark.parametrize("name", ["identity", "vote", "watermark", segment_name(2), segment_name(3)])
def test_a_lost_file_is_noticed(name: str) -> None:
    member = settled()
    member.files.remove(DIRECTORY / name)
    with pytest.raises(CorruptStateError):
        member.open()


def test_a_lost_snapshot_is_noticed_once_the_log_was_cut_for_it() -> None:
    member = filled()
    member.snapshot(10, b"newer")
    member.tick()
    assert segment_name(1) not in names(member)
    member = member.crashed(Fate.KEEP, Random(1))
    (name,) = [n for n in names(member) if n.startswith("snapshot")]
    member.files.remove(DIRECTORY / name)
    with pytest.raises(LogGapError, match="no snapshot"):
        member.open()


def test_losing_the_first_segment_is_noticed_where_it_is_needed() -> None:
    member = settled()
    member.files.remove(DIRECTORY / segment_name(1))
    with pytest.raises(LogGapError):
        member.open()


def test_losing_all_segments_never_starts_an_empty_log() -> None:
    member = settled()
    for name in names(member):
        if name.startswith("journal"):
            member.files.remove(DIRECTORY / name)
    with pytest.raises(CorruptStateError, match="every other segment"):
        member.open()


@pytest.mark.parametrize("name", ["vote", "watermark", segment_name(3)])
def test_a_file_of_another_member_is_refused(name: str) -> None:
    member = settled()
    stranger = Member(MemoryFiles(), seed=99)
    stranger.open()
    stranger.close()
    taken = stranger.files.content(DIRECTORY / (name if not name.startswith("journal") else segment_name(1)))
    member.files.content(DIRECTORY / name)[:] = taken
    with pytest.raises(WrongMemberError):
        member.open()


def test_a_segment_under_another_name_is_refused() -> None:
    member = settled()
    member.files.rename(DIRECTORY / segment_name(3), DIRECTORY / segment_name(4))
    with pytest.raises(CorruptFileError, match="renamed or exchanged"):
        member.open()


def test_a_frame_inside_a_value_is_never_taken_for_one() -> None:
    """Another member's frames, in a value of a frame that a power cut tore: they do not make it look like damage."""
    source = Member(MemoryFiles(), seed=1)
    source.open()
    for number in range(3):
        source.add(bytes([number]) * 40)
        source.sync()
    frames = bytes(source.files.content(DIRECTORY / segment_name(1)))[SEGMENT_HEAD_BYTES:].rstrip(b"\0")
    victim = Member(MemoryFiles(), seed=2)
    victim.open()
    victim.add(b"torn here" + frames)
    victim.files.failing = lambda call: errno.EIO if call.startswith("sync journal") else None
    with pytest.raises(DiskFailedError):
        victim.sync()
    shown = victim.files.directories[DIRECTORY].shown[segment_name(1)].shown
    shown[shown.index(b"torn here")] ^= 1
    victim.crashed(None, Random(0)).open()


def test_a_newer_format_is_told_apart_from_damage() -> None:
    member = settled()
    content = member.files.content(DIRECTORY / segment_name(3))
    head_bytes = struct.calcsize("<8sHHI16sQQQQI")
    struct.pack_into("<H", content, 8, 2)
    struct.pack_into("<I", content, head_bytes, zlib.crc32(content[:head_bytes]))
    with pytest.raises(UnknownFormatError, match="run the newer one"):
        member.open()
