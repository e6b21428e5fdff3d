"""`coterie recover`: refusals, a dry run, a survivor and a backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.app.main import main
from coterie.app.node.storage.data_dir import DataDir
from coterie.consensus.journal import open_member_directory
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
