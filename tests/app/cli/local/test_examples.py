"""Every example of the help, and so of docs/cli.md, that can sensibly be run is run, with what it goes on with."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from coterie.app.cli.framework.command import Command, all_commands
from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Say
from tests.cluster.processes import Node

pytestmark = pytest.mark.cluster

NOT_RUN = re.compile(
    r"coterie (leave|bench|recover|raft leave|backup .*https:)"  # too much for a node that others need, or too long
    r"|--watch|coterie (kv|meta) watch|coterie events|--observe|keepalive 17$"  # without end: test_following.py
    r"|example\.org"
)

ENDINGS = {
    "coterie members forget node4": Exit.WRONG_USAGE,  # nobody can be asked
    "coterie members forget node4 --yes": Exit.NOT_FOUND,
    "coterie elect scheduler --who": Exit.NOT_FOUND,
    "coterie lease revoke 17": Exit.WRONG_USAGE,
    "coterie raft transfer": Exit.FAILED,  # there is no other
    "coterie raft remove node4": Exit.NOT_FOUND,
    "coterie raft remove 0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b --yes": Exit.NOT_FOUND,
    "coterie token revoke worker": Exit.WRONG_USAGE,
}

BEFORE = {
    "kv get load": "kv put load 0.7",
    "meta get config/color": "meta put config/color red",
    "meta get blobs/1": "meta put blobs/1 data",
    "meta put config/color": "meta put config/color red",
    "meta put jobs/7": "meta del jobs/7",
    "meta ls config/": "meta put config/color red",
    "meta del config/color": "meta put config/color red",
    "meta history config/color": "meta put config/color red",
    "meta txn": "meta del jobs/7",
    "token create --id worker": "token revoke worker --yes",
    "token create --id dashboard": "token revoke dashboard --yes",
}
"""What is to be there, or not to be there, for examples that begin so."""

EXAMPLES = [line for _, each in all_commands() if isinstance(each, Command) for line in each.examples]

_BEHIND = re.compile(r" \| (?=(jq|wc) )| \|\| ")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("transaction.json").write_text('{"then": [{"put": {"key": "jobs/7", "value": "ready"}}]}')
    Path("node.toml").write_text('cluster_id = "mine"\n')
    Path("motd").write_text("Welcome\n")
    for name in ("nightly.sh", "deploy.sh", "scheduler"):
        Path(name).write_text("#!/bin/sh\nexit 0\n")
        Path(name).chmod(0o755)


def number_of(say: Say, line: str) -> str:
    """What stands where the example has 17."""
    if "lease " in line:
        return say("lease", "grant", "60").out.strip()
    return str(json.loads(say("meta", "get", "config/color", "--json").out)["mod_revision"])


def test_examples_run(node: Node, say: Say) -> None:
    ran = 0
    said = say("status", at=node)
    for line in EXAMPLES:
        if NOT_RUN.search(line):
            continue
        for beginning, before in BEFORE.items():
            if f"coterie {beginning}" in line:
                say(*before.split())
        given = re.sub(r"\bnode[12]\b", "server:one", line).replace("/etc/motd", "motd").replace('eval "$(', "")
        given = re.sub(r" --address \S+", "", given).replace(')"', "")
        if re.search(r"\b17\b", shlex_part(given)):
            given = re.sub(r"\b17\b", number_of(say, given), given)
        first, _, own = (
            given.rpartition("coterie ") if given.startswith(("uptime", "date", "printf")) else ("", "", given[8:])
        )
        own, *behind = _BEHIND.split(own, maxsplit=1)
        typed, stdin, aim = read_line(own)
        if first:
            stdin = subprocess.check_output(["bash", "-c", first.rstrip(" |")])
        said = say(*typed, stdin=stdin)
        assert said.code == ENDINGS.get(line, Exit.DONE), (line, typed, said)
        assert "Traceback" not in said.err
        if aim is not None:
            aim.write_text(said.out)
        if behind and behind[0] and shutil.which(behind[0]):
            subprocess.run(["bash", "-c", behind[-1]], input=said.out, text=True, check=True, capture_output=True)
        ran += 1
    assert ran > len(EXAMPLES) / 2


def shlex_part(line: str) -> str:
    """Without comments."""
    return line.partition(" # ")[0]


def read_line(own: str) -> tuple[list[str], bytes, Path | None]:
    """The arguments, what standard input holds, and the file that standard output goes to."""
    words = shlex.split(own, comments=True)
    stdin, aim = b"", None
    if "<" in words:
        at = words.index("<")
        stdin = Path(words[at + 1]).read_bytes()
        del words[at : at + 2]
    if ">" in words:
        at = words.index(">")
        aim = Path(words[at + 1].replace("~/.config/fish/completions/", ""))
        del words[at : at + 2]
    return words, stdin, aim
