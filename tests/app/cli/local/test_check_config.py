"""`coterie check-config`: what the settings come to, from where, without secrets; and what is wrong with them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from coterie.app.main import main

HIDDEN = "a secret that nobody may see"
KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_each_setting_is_told_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(
        f'interval_ms = 100\ncluster_id = "mine"\ndata_dir = "/srv/data"\n[raft]\nsecret = "{HIDDEN}"\nzone = "ä"\n'
        f'[key_values]\nrole = "x"\n[keyring]\nkeys = ["{KEY}"]\n'
    )
    monkeypatch.setenv("COTERIE_INTERVAL_MS", "200")
    monkeypatch.setenv("COTERIE_GOSSIP__PHI_THRESHOLD", "9")
    assert main(["check-config", "--config", str(file), "--listen_addr", "127.0.0.1:7000"]) == 0
    out = capsys.readouterr().out
    assert HIDDEN not in out
    assert KEY not in out
    told = {line.split(" = ")[0]: line.split("  # ")[-1] for line in out.splitlines() if " = " in line}
    assert told["listen_addr"] == "--listen_addr"
    assert told["interval_ms"] == "COTERIE_INTERVAL_MS"
    assert told["phi_threshold"] == "COTERIE_GOSSIP__PHI_THRESHOLD"
    assert told["cluster_id"] == told["data_dir"] == told["secret"] == told["key_values"] == str(file)
    assert told["backlog"] == "default"
    values = tomllib.loads(out)
    assert (values["interval_ms"], values["gossip"]["phi_threshold"], values["data_dir"]) == (200, 9.0, "/srv/data")
    assert (values["raft"]["secret"], values["keyring"]["keys"]) == ("(secret)", ["(secret)"])
    assert (values["raft"]["zone"], values["key_values"]) == ("ä", {"role": "x"})
    assert "# node_id is not set" in out


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--quiet", "--interval_ms", "7"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["check-config", "--quiet", "--interval_ms", "0"]) == 2


def test_what_is_wrong_is_told_as_at_a_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.toml"
    file.write_text("interval = 100\n")
    assert main(["check-config", "--config", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"coterie: interval in {file}: unknown setting; did you mean interval_ms?\n"
    assert main(["check-config", "--no_such_option"]) == 2


def test_it_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--help"]) == 0
    assert "coterie check-config [OPTIONS]" in capsys.readouterr().out
