"""Commands that ask no node: what they print, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from coterie.app.cli.terminal.output import harmless
from coterie.app.main import main
from coterie.app.wire.tokens import hash_of
from tests.app.cli.shapes import check_json

HIDDEN = "a secret that nobody may see"


def test_a_new_token_comes_with_the_lines_for_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "new", "--id", "backup-job"]) == 0
    said = capsys.readouterr().out
    made = re.search(r"coterie_backup-job_[0-9a-f]{64}", said)
    assert made is not None
    assert f'[[auth.tokens]]\nid = "backup-job"\nhash = "{hash_of(made[0])}"\n' in said


def test_a_new_token_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "new", "--json"]) == 0
    told = check_json("token new", capsys.readouterr().out)
    assert (told["id"], told["hash"]) == ("admin", hash_of(told["token"]))


def test_checked_settings_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COTERIE_RAFT__SECRET", HIDDEN)
    assert main(["check-config", "--interval_ms", "200", "--json"]) == 0
    out = capsys.readouterr().out
    assert HIDDEN not in out
    told = {each["name"]: (each["value"], each["source"]) for each in check_json("check-config", out)["settings"]}
    assert told["interval_ms"] == (200, "--interval_ms")
    assert told["raft.secret"] == ("(secret)", "COTERIE_RAFT__SECRET")
    assert told["node_id"] == (None, "default")


def test_what_recover_would_do_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raft").mkdir()
    assert main(["recover", "--data_dir", str(tmp_path), "--json"]) == 0
    assert check_json("recover", capsys.readouterr().out) == {"source": str(tmp_path / "raft"), "done": None}


def test_json_moves_no_cursor_of_a_terminal() -> None:
    value = {"a\x9b31m": "\u202e\x7f ü€😀\u2028\U000e0001"}
    shown = harmless(msgspec.json.format(msgspec.json.encode(value)))
    assert json.loads(shown) == value
    assert shown.decode().replace("\n", "").isprintable()
    assert "ü€😀" in shown.decode()
