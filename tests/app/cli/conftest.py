"""A node of its own Raft cluster, in a process, and a way to say commands to it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coterie.app.main import main
from tests.cluster.processes import Node, nodes
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(autouse=True)
def no_client_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no config"))


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """It leads a Raft cluster of one."""
    directory = tmp_path_factory.mktemp("node")
    with nodes(RAFT__ENABLED="true", RAFT__BOOTSTRAP_EXPECT="1", INTERVAL_MS="100") as started:
        found = started.start("server:one", DATA_DIR=str(directory))
        wait_until(lambda: found.client.get("/v1/meta?limit=1").status_code == 200)
        yield found


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Say = Callable[..., Said]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command in this process: `say("kv", "get", "x", at=node)`; `stdin`: what it may read."""

    def run(*arguments: str, at: Node | str | None = None, stdin: bytes = b"") -> Said:
        monkeypatch.setenv("COTERIE_CLIENT_TIMEOUT", str(PATIENCE_SECONDS))
        if at is not None:
            monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", at if isinstance(at, str) else at.address)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
