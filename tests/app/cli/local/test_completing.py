"""What shells offer while somebody types, by the real script in a real bash; nothing where nothing can be known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from coterie.app.cli.framework import suggest
from coterie.app.cli.framework.completing import script
from coterie.app.main import main
from coterie.app.wire.names import COMPLETION
from tests import ROOT
from tests.app.processes import environment
from tests.cluster.processes import Node
from tests.waiting import PATIENCE_SECONDS


def ran(shell: Sequence[str], tmp_path: Path, **settings: str) -> str:
    """What a shell says that finds `coterie`."""
    command = tmp_path / "coterie"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m coterie "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        shell,
        env=environment(settings)
        | {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def offered(tmp_path: Path, line: str, **settings: str) -> list[str]:
    """What bash would put in the place of the word at the end of the line, as it cuts words."""
    asking = (
        'eval "$(coterie completion bash)"\n'
        "COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9\n"
        '_coterie_completion coterie "" ""\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    return ran(["bash", "--noprofile", "--norc", "-c", asking, "bash", line], tmp_path, **settings).split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("coterie mem", ["members"]),
        ("coterie --li", ["--listen_addr"]),
        ("coterie kv ", ["get", "put", "del", "ls", "watch"]),
        ("coterie kv put --t", ["--ttl", "--token_file", "--timeout"]),
        ("coterie members --jso", ["--json"]),
        ("coterie completion ", ["bash", "zsh", "fish"]),
        ("coterie events --kinds members,ra", ["members,raft"]),
        ("coterie events --kinds=ra", ["raft"]),
        ("coterie schema tok", ["token"]),
        ("coterie weather ", []),
    ],
)
def test_what_needs_no_node(line: str, found: list[str], tmp_path: Path) -> None:
    assert offered(tmp_path, line) == found


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("coterie members get ser", ["plain,server:one"]),
        # Bash cuts words at colons: it wants what comes behind the last.
        ("coterie members get server:o", ["plain,one"]),
        ("coterie kv get deep", ["part,deep/", "plain,deeper"]),
        ("coterie kv get deep/", ["plain,deep/one", "plain,deep/two"]),
        ("coterie kv ls --node server:", ["plain,one"]),
        ("coterie kv ls --node=server:", ["plain,one"]),
        ("coterie raft remove s", ["plain,server:one"]),
        # Bash puts it into the line as it is: nothing of it is to be run.
        ("coterie kv get odd", ["plain,odd\\$\\(touch\\", "x\\)"]),
    ],
)
def test_what_is_in_the_cluster(
    node: Node, line: str, found: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the script asks; here with all the time that a busy machine needs."""
    for key in ("deep/one", "deep/two", "deeper", "odd$(touch x)", "odd\nline"):
        node.set(key, "x")
    monkeypatch.setattr(suggest, "SECONDS", PATIENCE_SECONDS)
    for name, value in (("LINE", line), ("POINT", str(len(line))), ("WORDBREAKS", " \t\n:=")):
        monkeypatch.setenv(f"COMP_{name}", value)
    monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", node.address)
    monkeypatch.setenv(COMPLETION, "bash_complete")
    assert main([]) == 0
    assert capsys.readouterr().out.split() == found


TOLD = {
    "zsh": ["plain\n--kinds=raft\n_\n", "part\ndeep/\n_\nplain\ndeeper\n_\n", "plain\nserver\\:one\nlive\n"],
    "fish": ["plain,--kinds=raft\n", "part,deep/\nplain,deeper\n", "plain,server:one\tlive\n"],
}
"""Of the lines below: a value that is typed in one word with its option, keys, a name with a colon."""


@pytest.mark.cluster
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_what_other_shells_are_told(
    node: Node, shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("deep/one", "deeper"):
        node.set(key, "x")
    monkeypatch.setattr(suggest, "SECONDS", PATIENCE_SECONDS)
    monkeypatch.setenv("COTERIE_CLIENT_ADDRESS", node.address)
    monkeypatch.setenv(COMPLETION, f"{shell}_complete")
    lines = ("coterie events --kinds=ra", "coterie kv get deep", "coterie members get ser")
    for line, told in zip(lines, TOLD[shell], strict=True):
        words = line.split()
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1) if shell == "zsh" else words[-1])
        assert main([]) == 0
        assert capsys.readouterr().out == told


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_what_a_real_fish_offers(tmp_path: Path) -> None:
    asking = "coterie completion fish | source; complete -C $argv[1]"
    for line, found in (
        ("coterie mem", "members\tThe nodes of the cluster\n"),
        ("coterie events --kinds members,ra", "members,raft\n"),
        ("coterie events --kinds=ra", "--kinds=raft\n"),
        ("coterie leas", "lease\tLeases: list, make, renew, end\n"),
    ):
        assert ran(["fish", "--no-config", "-c", asking, line], tmp_path) == found


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_can_read_its_script(tmp_path: Path) -> None:
    assert ran(["zsh", "-f", "-n", "-c", script("zsh")], tmp_path) == ""


def test_silence_where_no_node_answers(tmp_path: Path) -> None:
    assert offered(tmp_path, "coterie members get ", CLIENT_ADDRESS="127.0.0.1:1") == []
    assert offered(tmp_path, "coterie members get ", CLIENT_NONSENSE="x") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert said == script(shell)
    assert f"_COTERIE_COMPLETE={shell}_complete" in said
