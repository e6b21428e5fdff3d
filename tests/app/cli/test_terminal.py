"""On a terminal: colour, questions, and text of others that can do no harm."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from tests import ROOT
from tests.app.processes import COMMAND, environment
from tests.cluster.processes import Node
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.cluster


def on_terminal(*arguments: str, typed: str = "", **more: str) -> tuple[int, str]:
    """Exit code, and all that was shown."""
    ours, theirs = pty.openpty()
    env = environment({}) | {"COLUMNS": "120", "LINES": "40", "TERM": "xterm-256color", **more}
    process = subprocess.Popen([*COMMAND, *arguments], env=env, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # EIO: the other side is closed
        pass
    finally:
        os.close(ours)
    return process.wait(PATIENCE_SECONDS), shown.decode()


def test_colour_unless_it_is_not_wanted(node: Node) -> None:
    code, shown = on_terminal("members", "--address", node.address)
    assert code == 0
    assert "\x1b[32mlive" in shown
    for quiet in (
        on_terminal("members", "--address", node.address, "--no_color"),
        on_terminal("members", "--address", node.address, NO_COLOR="1"),
    ):
        assert quiet[0] == 0
        assert "live" in quiet[1]
        assert "\x1b[3" not in quiet[1]


def test_text_of_others_moves_no_cursor(node: Node) -> None:
    node.set("evil", "\x1b[2Jgone\r\nnew line")
    _, shown = on_terminal("kv", "ls", "evil", "--address", node.address)
    assert "\x1b[2J" not in shown
    assert r"\x1b[2Jgone\r\nnew line" in shown
    _, shown = on_terminal("kv", "get", "evil", "--address", node.address)
    assert r"\x1b[2Jgone\r" in shown


def test_what_is_dangerous_is_asked_for(node: Node) -> None:
    code, shown = on_terminal("leave", "--address", node.address, typed="n\n")
    assert code == 1
    assert "will leave its cluster and give up its place in the Raft layer, and STOP." in shown
    assert "Do it? [y/N]" in shown
    assert "coterie: nothing was done" in shown
    assert node.client.get("/livez").status_code == 200
    code, shown = on_terminal("members", "forget", "server:one", "--address", node.address, typed="y\n")
    assert code == 1
    assert "is alive: stop it first" in shown
