"""What no command may stumble over: bytes that are no text, numbers that are none, streams that are closed or full."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from coterie.app.cli.terminal.exits import Exit
from tests import ROOT
from tests.app.cli.conftest import Say
from tests.app.processes import COMMAND, environment
from tests.cluster.processes import Node

NO_TEXT = os.fsdecode(b"\xff\xfe")

NOT_TEXT = [
    ("meta", "get", NO_TEXT),
    ("meta", "put", NO_TEXT, "x"),
    ("meta", "del", NO_TEXT),
    ("meta", "ls", NO_TEXT),
    ("meta", "watch", NO_TEXT),
    ("meta", "history", NO_TEXT),
    ("kv", "get", NO_TEXT),
    ("kv", "get", "load", "--node", NO_TEXT),
    ("kv", "ls", NO_TEXT),
    ("kv", "watch", NO_TEXT),
    ("events", "--prefix", NO_TEXT),
    ("lock", NO_TEXT, "--", "true"),
    ("elect", NO_TEXT, "--who"),
    ("locks", NO_TEXT),
    ("raft", "transfer", NO_TEXT),
    ("token", "create", "--rule", "gossip:read", "--description", NO_TEXT),
    ("token", "create", "--rule", "gossip:read", "--rule", f"gossip:read:{NO_TEXT}"),
    ("bench", "--prefix", NO_TEXT),
]

NO_NUMBERS = [
    ("lock", "x", "--ttl", "nan", "--", "true"),
    ("lock", "x", "--ttl", "inf", "--", "true"),
    ("lock", "x", "--wait", "nan", "--", "true"),
    ("lock", "x", "--grace", "nan", "--", "true"),
    ("lock", "x", "--grace", "inf", "--", "true"),
    ("lease", "grant", "nan"),
    ("lease", "grant", "inf"),
    ("lease", "grant", "--node", "x", "--hold", "nan"),
    ("status", "--watch", "--every", "0"),
    ("status", "--watch", "--every", "9" * 400),
    ("token", "create", "--rule", "gossip:read", "--expires", "9" * 400),  # would be without end
    ("bench", "--seconds", "nan"),
    ("bench", "--value_bytes", "1" + "0" * 30),
    ("meta", "put", "x", "y", "--lease", "-1"),
]

ADDRESSES = ["a\x01b", "a b", "a\nb", "h:0", "xn--\u2028", "\uff11.0.0.1:1"]


@pytest.mark.parametrize("typed", NOT_TEXT, ids=" ".join)
def test_what_is_no_text_is_wrong_usage(typed: tuple[str, ...], say: Say) -> None:
    said = say(*typed, at="127.0.0.1:1")
    assert (said.code, said.out) == (Exit.WRONG_USAGE, "")
    assert said.err.startswith("coterie: ")
    assert "must be UTF-8 text" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("typed", NO_NUMBERS, ids=lambda typed: " ".join(typed)[:40])
def test_what_no_clock_counts_to_is_wrong_usage(typed: tuple[str, ...], say: Say) -> None:
    said = say(*typed, at="127.0.0.1:1")
    assert (said.code, said.out) == (Exit.WRONG_USAGE, "")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_named(address: str, say: Say) -> None:
    said = say("status", "--address", address)
    assert (said.code, said.out) == (Exit.WRONG_USAGE, "")
    assert said.err.startswith("coterie: --address: must be http://host:port")


def test_a_password_in_an_address_is_not_repeated(say: Say) -> None:
    said = say("status", "--address", "http://me:hidden@127.0.0.1:1")
    assert said.code == Exit.WRONG_USAGE
    assert "hidden" not in said.err


def test_values_may_be_any_bytes(node: Node, say: Say) -> None:
    assert say("meta", "put", "any bytes", NO_TEXT, at=node).code == Exit.DONE
    assert '"//4="' in say("meta", "get", "any bytes", "--json").out


def test_no_device_is_replaced_by_a_backup(node: Node, say: Say, tmp_path: Path) -> None:
    device = tmp_path / "device"
    os.mkfifo(device)
    said = say("backup", "--output", str(device), at=node)
    assert (said.code, said.err) == (
        Exit.FAILED,
        f"coterie: --output {device}: is no file that could be replaced; nothing was saved\n",
    )
    assert stat.S_ISFIFO(device.stat().st_mode)
    for nowhere in (".", "/", ""):
        assert say("raft", "snapshot", nowhere).code == Exit.FAILED


def test_a_backup_goes_to_where_a_link_leads(node: Node, say: Say, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "real")
    assert say("backup", "--output", str(link), at=node).code == Exit.DONE
    assert link.is_symlink()
    assert (tmp_path / "real").stat().st_size > 0


SHELL = [
    # Nobody reads, nobody writes: the exit code says it.
    ("$C token new >&- 2>&-", Exit.DONE),
    ("$C meta get missing 2>&-", Exit.UNAVAILABLE),
    ("$C meta get missing 2>/dev/full", Exit.UNAVAILABLE),
    ("$C meta put key - <&-", Exit.UNAVAILABLE),
    ("$C members forget node9 <&-", Exit.WRONG_USAGE),
    ("$C token new >/dev/full", Exit.FAILED),
    ("$C schema status >/dev/full", Exit.FAILED),
    ("$C lock --help >/dev/full", Exit.FAILED),
    ("$C status --token_file '~nobody-of-this-name/token'", Exit.WRONG_USAGE),
    ("COTERIE_CLIENT_FILE='~nobody-of-this-name/x' $C status", Exit.WRONG_USAGE),
    ("PYTHONIOENCODING=ascii $C help nö", Exit.WRONG_USAGE),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_streams_that_are_closed_or_full() -> None:
    """All at once, for each is a process of its own."""
    running = [
        subprocess.Popen(
            ["bash", "-c", line.replace("$C", '"$@"'), "bash", *COMMAND],
            env=environment({"CLIENT_ADDRESS": "127.0.0.1:1"}),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line, _ in SHELL
    ]
    for (line, code), each in zip(SHELL, running, strict=True):
        _, errors = each.communicate()
        assert each.returncode == code, (line, errors)
        assert "Traceback" not in errors, line
        assert errors == "" or errors.startswith("coterie: "), (line, errors)


def test_where_there_is_no_home_there_is_no_client_file(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert say("status", "--timeout", "1", at="127.0.0.1:1").code == Exit.UNAVAILABLE
