"""The documented command line."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version

import pytest

from coterie.app.cli.command_line import HELP, UsageError, parse_command_line
from coterie.app.settings.settings import Settings


def test_nothing_given_is_nothing_said() -> None:
    assert parse_command_line([]) == {}


def test_every_documented_option_is_taken() -> None:
    typed = "--listen_addr 127.0.0.1:1 --public_addr 127.0.0.1:2 --node_id n --seed a:1 --interval_ms 5 --config f"
    assert parse_command_line(shlex.split(typed)) == {
        "listen_addr": "127.0.0.1:1",
        "public_addr": "127.0.0.1:2",
        "node_id": "n",
        "seed": ["a:1"],
        "interval_ms": "5",
        "config": "f",
    }


@pytest.mark.parametrize("arguments", ["--seed a b", "--seed a --seed b", "--seed=a --seed b"])
def test_seeds_add_up_in_every_spelling(arguments: str) -> None:
    assert parse_command_line(arguments.split()) == {"seed": ["a", "b"]}


def test_seeds_end_where_the_next_option_begins() -> None:
    assert parse_command_line(shlex.split("--seed a b --node_id n --seed c")) == {
        "seed": ["a", "b", "c"],
        "node_id": "n",
    }


def test_the_options_of_the_command_line_are_settings_of_the_same_name() -> None:
    options = set(re.findall(r"--(\w+) <", HELP))
    assert options == {"listen_addr", "public_addr", "node_id", "seed", "interval_ms", "config"}
    assert options <= set(Settings.model_fields)
    for option in options:
        assert parse_command_line([f"--{option}", "x"])[option] in ("x", ["x"])


def test_the_help_tells_the_defaults_that_hold() -> None:
    defaults = dict(re.findall(r"--(\w+) <.*\[default: (.*)\]", HELP))
    assert defaults == {
        "listen_addr": str(Settings().listen_addr),
        "interval_ms": str(Settings().interval_ms),
    }


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_has_the_documented_shape(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_command_line([flag])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"coterie {version('coterie')}"
    start = lines.index("USAGE:")
    assert lines[start : start + 6] == [
        "USAGE:",
        "    coterie [OPTIONS]",
        "",
        "FLAGS:",
        "    -h, --help       Prints help information",
        "    -V, --version    Prints version information",
    ]
    assert "        --listen_addr <listen_addr>        Socket address to listen on [default: 127.0.0.1:10000]" in lines
    assert "        --seed <seed>...                   Seed node addresses for cluster discovery" in lines


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_command_line([flag])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"coterie {version('coterie')}\n"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ("--lisen_addr x", ["unknown option --lisen_addr; did you mean --listen_addr?"]),
        ("--weather=x y", ["unknown option --weather; see coterie --help", "unexpected argument 'y'"]),
        ("--listen-addr=x", ["unknown option --listen-addr; did you mean --listen_addr?"]),
        ("--listen x", ["unknown option --listen; did you mean --listen_addr?"]),
        ("--weather", ["unknown option --weather; see coterie --help"]),
        ("--data-dir=x", ["unknown option --data-dir; put data_dir into a file for --config, or set COTERIE_DATA_DIR"]),
        (
            "--raft.enabled true",
            ["unknown option --raft.enabled; put raft.enabled into a file for --config, or set COTERIE_RAFT__ENABLED"],
        ),
        ("start", ["unexpected argument 'start'; coterie without a command runs a node; see coterie --help"]),
        ("extra", ["unexpected argument 'extra'; see coterie --help"]),
        ("--seed", ["argument --seed: expected at least one argument"]),
        ("--node_id", ["argument --node_id: expected one argument"]),
    ],
)
def test_what_is_not_understood_is_named(arguments: str, lines: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        parse_command_line(arguments.split())
    assert [told.startswith(line) for told, line in zip(raised.value.lines, lines, strict=True)] == [True] * len(lines)
