"""On a real file system: the file layer, a process that is killed, a lock between processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coterie.consensus.journal import DiskFiles, JournalConfig, open_member_directory
from coterie.consensus.raft.ports import SnapshotInfo

WRITER = """
import sys
from pathlib import Path
from coterie.consensus.journal import DiskFiles, JournalConfig, open_member_directory
from coterie.consensus.raft.ports import SnapshotInfo
from tests.consensus.journal.disks.holding_files import HoldingFiles
files = HoldingFiles() if sys.argv[2] == "power" else DiskFiles()
config = JournalConfig(segment_bytes=65536, reserve_bytes=256)
store = open_member_directory(Path(sys.argv[1]), config=config, files=files)
journal = store.journal
index = journal[-1][1] if len(journal) else 0
while True:
    for _ in range(7):
        index += 1
        journal.add(b"%d" % index, index, 1)
    journal.sync()
    journal.store_vote(index, "me")
    print(index, flush=True)
    if index % 140 == 0:
        draft = store.snapshots.create(SnapshotInfo(journal[-2], journal[-1], ("me",)))
        draft.write(b"%d" % index)
        draft.seal()
        draft.install()
        journal.drop_before(len(journal) - 2)
        journal.upkeep()
"""


@pytest.mark.parametrize("loses", ["nothing", "power"])
def test_a_process_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path: Path, loses: str) -> None:
    acknowledged = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), loses], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        ) as process:
            assert process.stdout is not None
            for _ in range(25):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *(int(line) for line in process.stdout if line.endswith("\n"))])
        store = open_member_directory(tmp_path, config=JournalConfig(segment_bytes=65_536, reserve_bytes=256))
        snapshot = store.snapshots.latest()
        first = 1 if snapshot is None else snapshot.prev[1]
        found = store.journal[:]
        assert found == [(b"%d" % index, index, 1) for index in range(first, first + len(found))]
        assert found[-1][1] >= acknowledged
        assert snapshot is None or b"".join(store.snapshots.state()) == b"%d" % snapshot.index
        assert store.journal.term >= acknowledged
        store.close()


HOLDER = """
import sys
from pathlib import Path
from coterie.consensus.journal import open_member_directory
store = open_member_directory(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_two_processes_cannot_open_one_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        second = subprocess.run(command, input="", capture_output=True, text=True, cwd=Path.cwd(), check=False)
        assert "DirectoryInUseError" in second.stderr
        holder.kill()
    open_member_directory(tmp_path).close()  # the lock ended with its holder


def test_a_run_over_segments_and_snapshots_is_found_again(tmp_path: Path) -> None:
    config = JournalConfig(segment_bytes=65_536, reserve_bytes=256)
    store = open_member_directory(tmp_path, config=config)
    for index in range(1, 2_001):
        store.journal.add(bytes(150), index, 1)
        if index % 50 == 0:
            store.journal.sync()
    draft = store.snapshots.create(SnapshotInfo(store.journal[1_497], store.journal[1_498], ("a",)))
    draft.write(bytes(1_000_000))
    draft.seal()
    draft.install()
    store.journal.drop_before(1_497)
    store.close()
    assert len(list(tmp_path.glob("journal-*"))) == 2
    store = open_member_directory(tmp_path, config=config)
    assert [entry[1] for entry in store.journal[:]] == list(range(1_498, 2_001))
    assert sum(map(len, store.snapshots.state())) == 1_000_000
    store.close()


def test_a_segment_has_its_space_before_anything_is_written_to_it(tmp_path: Path) -> None:
    config = JournalConfig(segment_bytes=1 << 20)
    store = open_member_directory(tmp_path, config=config)
    for name in ("journal-000000000001.seg", "spare.tmp"):
        stat = (tmp_path / name).stat()
        assert stat.st_size == 1 << 20
        assert stat.st_blocks * 512 >= 1 << 20
    store.close()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "member"
    open_member_directory(directory).close()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in directory.iterdir())


def test_writes_that_the_system_takes_in_parts_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real_write(fd, bytes(data)[:3], offset))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real_read(fd, min(size, 3), offset))
    file = DiskFiles().create(tmp_path / "file")
    file.write(b"0123456789", 5)
    assert file.read(100, 0) == bytes(5) + b"0123456789"
    file.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="has no posix_fallocate")
def test_where_space_cannot_be_allocated_zeros_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _offset: int, _size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    file = DiskFiles().create(tmp_path / "file")
    file.preallocate(3_000_000)
    assert (tmp_path / "file").read_bytes() == bytes(3_000_000)
    file.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="has no posix_fallocate")
def test_no_space_for_a_segment_is_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _offset: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = open_member_directory(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    store.journal.add(bytes(9 << 20), 1, 1)
    store.journal.sync()
    store.journal.add(bytes(9 << 20), 2, 1)
    store.journal.sync()  # in the spare; there is no other
    assert store.journal.disk_full
    assert store.journal.shortage(9 << 20) is not None
    store.close()
