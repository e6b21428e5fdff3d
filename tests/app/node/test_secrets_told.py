"""A node warns of secrets that others on its machine can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.processes import running


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_readable_configuration_with_secrets_is_warned_of(mode: int, told: bool, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('[raft]\nsecret = "at least sixteen characters"\n')
    config.chmod(mode)
    with running(CONFIG=str(config)) as node:
        assert node.end() == 0
    warnings = [entry["event"] for entry in node.entries if entry["level"] == "warning"]
    assert any("raft.secret" in warning and "chmod 600" in warning for warning in warnings) is told


def test_one_without_secrets_is_not(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('[log]\nlevel = "info"\n')
    config.chmod(0o644)
    with running(CONFIG=str(config)) as node:
        assert node.end() == 0
    assert "chmod" not in node.log
