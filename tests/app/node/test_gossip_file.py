"""The file of kept keys: read as it was written, or refused; whole, wherever the process or the power ends."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.node.storage import gossip_file
from coterie.app.node.storage.gossip_file import DamagedError, NewerFormatError, SavedGossip, SavedKey, decode, encode
from coterie.consensus.journal import DiskFiles
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles, PowerCut

DIRECTORY = Path("/data")

OLD = SavedGossip(
    written_at=1.5,
    cluster_id="testing",
    max_version=9,
    configured=("zone",),
    peers=(("127.0.0.1", 10_001), ("::1", 10_002)),
    keys=(SavedKey("zone", "a", 1), SavedKey("lease", "", 7, True, 3.25)),
)
NEW = SavedGossip(written_at=2.5, cluster_id="testing", max_version=11, keys=(SavedKey("zone", "b", 11),))

kept_keys = st.lists(
    st.tuples(st.text(max_size=8), st.text(max_size=8), st.booleans(), st.floats(0, 1e6)),
    max_size=2_500,
    unique_by=lambda key: key[0],
)


@given(kept_keys)
def test_what_was_written_is_read(keys: list[tuple[str, str, bool, float]]) -> None:
    kept = SavedGossip(
        written_at=0.0,
        cluster_id="c",
        keys=tuple(SavedKey(k, v, i * 3 + 1, e, a) for i, (k, v, e, a) in enumerate(keys)),
    )
    assert decode(encode(kept)) == kept


def test_all_chunks_are_read() -> None:
    keys = tuple(SavedKey(f"k{i}", "v", i + 1) for i in range(2 * gossip_file.KEYS_PER_CHUNK + 1))
    assert decode(encode(SavedGossip(written_at=0.0, cluster_id="c", keys=keys))).keys == keys


def test_every_flipped_byte_and_every_cut_is_noticed() -> None:
    content = encode(OLD)
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        with pytest.raises(DamagedError):
            decode(bytes(flipped))
        with pytest.raises(DamagedError):
            decode(content[:at])
    with pytest.raises(DamagedError):
        decode(content + b"\0")


def sealed(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


def test_a_later_format_is_refused_as_such_and_not_as_damage() -> None:
    content = bytearray(encode(OLD)[:-4])
    content[8] = 2
    with pytest.raises(NewerFormatError, match="its format is 2, and this release reads format 1"):
        decode(sealed(bytes(content)))


@pytest.mark.parametrize(
    "kept",
    [
        SavedGossip(written_at=0.0, cluster_id="c", keys=(SavedKey("a", "", 2), SavedKey("b", "", 2))),
        SavedGossip(written_at=0.0, cluster_id="c", keys=(SavedKey("a", "", 1), SavedKey("a", "", 2))),
        SavedGossip(written_at=0.0, cluster_id="c", keys=(SavedKey("a", "", 0),)),
        SavedGossip(written_at=0.0, cluster_id="c", peers=(("localhost", 1),)),
        SavedGossip(written_at=0.0, cluster_id="c", peers=(("127.0.0.1", 0),)),
    ],
)
def test_contradictions_behind_a_right_checksum_are_refused(kept: SavedGossip) -> None:
    with pytest.raises(DamagedError):
        decode(encode(kept))


def start(files: MemoryFiles) -> SavedGossip | None:
    gossip_file.remove_draft(files, DIRECTORY)
    return gossip_file.read(files, DIRECTORY)


def test_a_write_that_ends_anywhere_leaves_the_old_content_or_the_new() -> None:
    def run(cut_at: int | None) -> MemoryFiles:
        files = MemoryFiles()
        files.make_directory(DIRECTORY)
        gossip_file.write(files, DIRECTORY, OLD)
        files.cut_at = None if cut_at is None else files.calls + cut_at
        try:
            gossip_file.write(files, DIRECTORY, NEW)
        except PowerCut:
            pass
        else:
            assert cut_at is None
        return files

    calls = len(run(None).trace) - len(run(1).trace) + 1
    assert {call.split()[0] for call in run(None).trace[-calls:]} == {"remove", "create", "write", "sync", "rename"}
    seen: set[float] = set()
    for cut_at in range(1, calls + 1):
        for number in range(20):
            rng = Random(f"{cut_at} {number}")
            cut = run(cut_at)
            after = cut.restarted() if number == 0 else cut.rebooted(rng.choice(list(Fate)), rng)
            found = start(after)
            assert found in (OLD, NEW)
            assert found is not None
            seen.add(found.written_at)
            # What was left of the attempt is in nobody's way.
            gossip_file.write(after, DIRECTORY, NEW)
            assert start(after.rebooted(Fate.DROP, rng)) == NEW
    assert seen == {1.5, 2.5}


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename"])
def test_a_disk_that_refuses_leaves_the_old_content(call: str) -> None:
    files = MemoryFiles()
    files.make_directory(DIRECTORY)
    gossip_file.write(files, DIRECTORY, OLD)
    failed = False

    def fail(words: str) -> int | None:
        nonlocal failed
        if not failed and words.startswith(call):
            failed = True
            return 28
        return None

    files.failing = fail
    with pytest.raises(OSError, match="No space"):
        gossip_file.write(files, DIRECTORY, NEW)
    assert start(files.restarted()) == OLD
    gossip_file.write(files, DIRECTORY, NEW)
    assert start(files.rebooted(Fate.DROP, Random(1))) == NEW


WRITER = """
import sys
from pathlib import Path
from coterie.app.node.storage import gossip_file
from coterie.app.node.storage.gossip_file import SavedGossip, SavedKey
from coterie.consensus.journal import DiskFiles
number = int(sys.argv[2])
while True:
    number += 1
    keys = tuple(SavedKey(f"k{i}", str(number), i + 1) for i in range(200))
    gossip_file.write(DiskFiles(), Path(sys.argv[1]), SavedGossip(written_at=number, cluster_id="c", keys=keys))
    print(number, flush=True)
"""


@pytest.mark.cluster
def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path: Path) -> None:
    written = 0
    for _ in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(written)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
            assert process.stdout is not None
            for _ in range(30):
                written = int(process.stdout.readline())
            process.kill()
            written = max([written, *(int(line) for line in process.stdout if line.endswith("\n"))])
        kept = gossip_file.read(DiskFiles(), tmp_path)
        assert kept is not None
        assert kept.written_at >= written
        assert {key.value for key in kept.keys} == {str(int(kept.written_at))}
