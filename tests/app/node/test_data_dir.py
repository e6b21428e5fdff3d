"""What outlives a restart: the name, and generations that only rise."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.app.node.storage.data_dir import DataDir, DataDirError, NodeIdentity, next_generation

NOW = 1_700_000_000.9


@contextmanager
def opened(path: Path) -> Iterator[DataDir]:
    data_dir = DataDir(path)
    try:
        yield data_dir
    finally:
        data_dir.close()


def start(path: Path, now: float = NOW, node_id: str | None = None, generated: str = "generated") -> NodeIdentity:
    """One start and end of a node."""
    with opened(path) as data_dir:
        return data_dir.next_identity(node_id, lambda: generated, now)


def test_the_first_start_generates_a_name_and_takes_the_time(tmp_path: Path) -> None:
    assert start(tmp_path / "a" / "b") == NodeIdentity("generated", 1_700_000_000)


def test_a_generated_name_is_kept(tmp_path: Path) -> None:
    start(tmp_path, generated="first")
    assert start(tmp_path, generated="second").node_id == "first"


def test_a_configured_name_wins_and_generations_go_on(tmp_path: Path) -> None:
    start(tmp_path, generated="first")
    assert start(tmp_path, node_id="mine") == NodeIdentity("mine", 1_700_000_001)
    assert start(tmp_path) == NodeIdentity("mine", 1_700_000_002)


@given(st.integers(0, 2**63 - 2), st.floats(-1e18, 1e18))
def test_the_next_generation_is_higher_and_never_behind_the_clock(last: int, now: float) -> None:
    generation = next_generation(now, last)
    assert generation > last
    assert generation >= int(now)
    assert generation in (int(now), last + 1)


@settings(max_examples=40)
@given(st.lists(st.floats(-1e10, 1e10), min_size=2, max_size=6))
def test_generations_rise_under_any_clock(clock: list[float]) -> None:
    with tempfile.TemporaryDirectory() as path:
        generations = [start(Path(path), now).generation for now in clock]
    assert generations == sorted(set(generations))
    assert generations[0] >= 0


def test_a_generation_is_on_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    identity = start(tmp_path)
    assert synced == ["file", "directory"]
    content = json.loads((tmp_path / "identity.json").read_text())
    assert content == {"format": 1, "node_id": identity.node_id, "generation": identity.generation}


def test_a_start_that_cannot_write_does_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DataDirError, match=r"identity.json cannot be written: No space left on device"):
            start(tmp_path)
    assert start(tmp_path).generation == before.generation + 1


def test_a_crash_while_writing_leaves_the_last_identity(tmp_path: Path) -> None:
    before = start(tmp_path)
    (tmp_path / "identity.tmp").write_text('{"format": 1, "node_')
    assert start(tmp_path) == NodeIdentity(before.node_id, before.generation + 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("\x00\x00", "Expecting value"),
        ("[]", "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "a"}', "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "", "generation": 1}', "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "a", "generation": -1}', "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "a", "generation": 1e30}', "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "a", "generation": true}', "it does not hold a node_id and a generation"),
        ('{"format": 1, "node_id": "a", "generation": 9223372036854775808}', "it does not hold a node_id"),
        ('{"format": 1, "node_id": "\\ud800", "generation": 1}', "surrogates not allowed"),
        ('{"format": 2, "node_id": "a", "generation": 1}', "its format is 2, and this release reads format 1"),
    ],
)
def test_a_damaged_file_stops_the_start_and_says_what_to_do(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text(content)
    with pytest.raises(DataDirError, match=re.escape(why)) as raised:
        start(tmp_path)
    assert str(raised.value).startswith(f"data_dir {tmp_path}: identity.json is damaged (")
    assert "restore it from a copy or, to go on as a new node, move it away" in str(raised.value)
    assert (tmp_path / "identity.json").read_text() == content


def test_only_one_process_holds_a_directory(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DataDirError) as raised:
        DataDir(tmp_path)
    assert str(raised.value) == (
        f"data_dir {tmp_path}: another node uses it (process {os.getpid()}); "
        "stop that one, or give this node a directory of its own"
    )
    with opened(tmp_path):
        pass


def test_a_directory_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match=r"cannot be opened: (File exists|Not a directory); choose another one"):
        DataDir(tmp_path / "file")
