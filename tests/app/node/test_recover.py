"""`coterie recover`: refusals, a dry run, a survivor and a backup."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coterie.app.main import main
from coterie.app.node.storage.data_dir import DataDir, DataDirError
from coterie.app.node.storage.recover import check_no_draft, recover
from coterie.consensus.journal import JournalConfig, open_member_directory
from coterie.consensus.restore import found_from, read_survivor
from coterie.consensus.store import Put, State, apply, encode, write_snapshot


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    state = State()
    apply(state, encode(Put(b"k", b"v")), 1)
    found_from(state, tmp_path / "raft")
    return tmp_path


def cluster_of(directory: Path) -> str | None:
    store = open_member_directory(directory)
    try:
        return store.identity.cluster_id
    finally:
        store.close()


def test_without_yes_nothing_is_done(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "--data_dir", str(data_dir)]) == 0
    assert "would be made" in capsys.readouterr().out
    assert sorted(path.name for path in data_dir.iterdir()) == ["raft"]


def test_a_survivor_becomes_a_new_cluster(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = cluster_of(data_dir / "raft")
    assert main(["recover", "--data_dir", str(data_dir), "--yes"]) == 0
    assert "NEW cluster" in capsys.readouterr().out
    state, after = read_survivor(data_dir / "raft")
    assert after not in {before, None}
    assert state.get(b"k") is not None
    assert cluster_of(data_dir / "raft.set-aside-1") == before


def test_a_backup_is_restored(data_dir: Path, tmp_path: Path) -> None:
    state, _ = read_survivor(data_dir / "raft")
    (tmp_path / "backup").write_bytes(b"".join(write_snapshot(state)))
    other = tmp_path / "other"
    other.mkdir()
    assert main(["recover", "--data_dir", str(other), "--backup", str(tmp_path / "backup"), "--yes"]) == 0
    assert read_survivor(other / "raft")[0].get(b"k") is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data_dir"),
        (["--data_dir", "/nowhere/at/all"], "no such directory"),
        (["--data_dir", "."], "no member to recover from"),
        (["--data_dir", ".", "--backup", "missing", "--yes"], "missing"),
    ],
)
def test_refusals_are_a_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["recover", *arguments]) != 0
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_damaged_backup_changes_nothing(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "backup").write_bytes(b"no backup at all, but long enough for a head")
    before = cluster_of(data_dir / "raft")
    assert main(["recover", "--data_dir", str(data_dir), "--backup", str(tmp_path / "backup"), "--yes"]) == 1
    assert "not a snapshot" in capsys.readouterr().err
    assert cluster_of(data_dir / "raft") == before


def test_a_running_node_is_left_alone(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = DataDir(data_dir)
    try:
        assert main(["recover", "--data_dir", str(data_dir), "--yes"]) == 1
    finally:
        lock.close()
    assert "another node uses it" in capsys.readouterr().err


SMALL = JournalConfig(segment_bytes=65_536, reserve_bytes=256)

CALLS = ("mkdir", "rename", "unlink", "pwrite", "fsync", "fdatasync", "posix_fallocate")
"""Of `os`: what changes a disk."""


class KilledError(BaseException):
    """Nobody catches it."""


class Killer:
    """Ends a run at one of its calls to the disk; no later one happens either. Its locks end with it.

    Syncs are counted and left out: they take long, and the machine goes on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        self.calls: list[tuple[str, Any]] = []
        self._locks: list[int] = []
        self._running = False
        self._flock = fcntl.flock

        def locking(fd: int, operation: int) -> None:
            self._flock(fd, operation)
            if self._running:
                self._locks.append(os.dup(fd))

        monkeypatch.setattr(fcntl, "flock", locking)
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counting(name, getattr(os, name)))

    def _counting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left <= 0:
                raise KilledError
            self.calls.append((name, args[0]))
            return None if name in {"fsync", "fdatasync"} else call(*args, **options)

        return counted

    def kill(self, at: int, run: Callable[[], object]) -> bool:
        """Whether it was killed: it makes as many calls as `at`."""
        self.calls, self.left, self._running = [], at, True
        try:
            run()
        except KilledError:
            return True
        finally:
            self.left, self._running = 10**9, False
            for fd in self._locks:
                self._flock(fd, fcntl.LOCK_UN)
                os.close(fd)
            self._locks.clear()
        return False


def may_start(data_dir: Path) -> bool:
    try:
        check_no_draft(data_dir)
    except DataDirError:
        return False
    return True


def holds_the_key(directory: Path) -> bool:
    return directory.exists() and read_survivor(directory)[0].get(b"k") is not None


@pytest.mark.parametrize("source", ["survivor", "backup", "backup into nothing"])
def test_a_run_killed_anywhere_is_finished_by_the_next(
    source: str, data_dir: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = tmp_path_factory.mktemp("kills")
    backup = None if source == "survivor" else space / "backup"
    old = read_survivor(data_dir / "raft")[0]
    if backup is not None:
        backup.write_bytes(b"".join(write_snapshot(old)))
    cluster = None
    into_nothing = source == "backup into nothing"
    killer = Killer(monkeypatch)
    for at in range(1, 1_000):
        tree = space / str(at)
        tree.mkdir()
        if not into_nothing:
            found_from(old, tree / "raft", config=SMALL)
            cluster = cluster_of(tree / "raft")
        run = partial(recover, tree, backup, config=SMALL)
        if not killer.kill(at, run):
            break
        if may_start(tree):
            assert into_nothing or holds_the_key(tree / "raft")
        if killer.kill(at, run):  # once more at the same call, then not at all
            run()
        assert may_start(tree)
        assert holds_the_key(tree / "raft")
        assert cluster_of(tree / "raft") != cluster
        assert into_nothing or cluster in map(cluster_of, tree.glob("raft.set-aside-*"))
        shutil.rmtree(tree)
    assert at > 20


def test_each_rename_is_durable_before_the_next_step(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = Killer(monkeypatch)
    assert not killer.kill(10**9, lambda: recover(data_dir, None))
    names = [name for name, about in killer.calls if name != "rename" or Path(about).parent == data_dir]
    assert names[-4:] == ["rename", "fsync", "rename", "fsync"]


def test_a_draft_from_which_a_node_went_on_is_kept(data_dir: Path) -> None:
    state = State()
    apply(state, encode(Put(b"other", b"v")), 1)
    found_from(state, data_dir / "raft.recovering")
    with pytest.raises(DataDirError, match=r"recover --data_dir .* --yes.*move the draft away"):
        check_no_draft(data_dir)
    recover(data_dir, None)
    assert holds_the_key(data_dir / "raft")
    kept = [read_survivor(path)[0] for path in data_dir.glob("raft.set-aside-*")]
    assert any(state.get(b"other") is not None for state in kept)
