"""The documented command line: names, defaults and help as the users know them.

It says what was typed, nothing more: values are checked with all other settings, in `app/settings/loading.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn

from coterie.app.cli.command_names import COMMANDS, list_commands
from coterie.app.wire.names import PROGRAM

HELP = """\
{program} {version}
A control plane in Python: chitchat gossip for membership, liveness and key-values; Raft for metadata and locks

USAGE:
    {program} [OPTIONS]

FLAGS:
    -h, --help       Prints help information
    -V, --version    Prints version information

OPTIONS:
        --listen_addr <listen_addr>        Socket address to listen on [default: 127.0.0.1:10000]
        --public_addr <public_addr>        Public address other nodes should use to reach this node
        --node_id <node_id>                Unique node identifier (auto-generated if not provided)
        --seed <seed>...                   Seed node addresses for cluster discovery
        --interval_ms <interval>           Gossip interval in milliseconds [default: 500]
        --config <file>                    TOML file with these and all other settings

Settings are taken from the command line, then from COTERIE_* environment variables (COTERIE_LISTEN_ADDR,
COTERIE_GOSSIP__PHI_THRESHOLD), then from the file; configs/reference.toml lists them all.

COMMANDS, instead of starting a node ({program} <command> --help):
{commands}"""


def bare_help() -> str:
    """What `--help` prints."""
    return HELP.format(program=PROGRAM, version=version(PROGRAM), commands=list_commands())


class UsageError(Exception):
    """The command line is not one of ours; `lines` says why, one problem each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([message])

    def format_help(self) -> str:
        return bare_help()


def parse_command_line(arguments: Sequence[str]) -> dict[str, Any]:
    """The options given, by name. Raises UsageError; prints and raises SystemExit for help and version."""
    parser = _Parser(prog=PROGRAM, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("-h", "--help", action="help")
    parser.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    for name in ("--listen_addr", "--public_addr", "--node_id", "--interval_ms", "--config"):
        parser.add_argument(name)
    parser.add_argument("--seed", nargs="+", action="extend")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        raise UsageError([_unknown(argument, known) for argument in _without_values(unknown)])
    return vars(options)


def _without_values(unknown: Sequence[str]) -> Iterator[str]:
    """Leaves out what stands behind an unknown option: its value, no mistake of its own."""
    before = ""
    for argument in unknown:
        if argument.startswith("-") or not before.startswith("-") or "=" in before:
            yield argument
        before = argument


_TO_START = frozenset({"agent", "node", "run", "serve", "server", "start", "up"})
"""How other programs are told to start."""


def _setting(typed: str) -> str | None:
    """What to do about an option that is a setting."""
    from coterie.app.settings.loading import setting_paths, variable  # noqa: PLC0415 - takes long, for a mistake alone

    wanted = typed.replace("-", "_").replace(".", "_").lower()
    for path in setting_paths():
        if wanted == "_".join(path):
            return f"put {'.'.join(path)} into a file for --config, or set {variable(path)}"
    return None


def _unknown(argument: str, known: Sequence[str]) -> str:
    if not argument.startswith("-"):
        close = get_close_matches(argument, COMMANDS, n=1, cutoff=0.7)
        meant = f"did you mean {PROGRAM} {close[0]}?" if close else f"see {PROGRAM} --help"
        if argument in _TO_START:
            meant = f"{PROGRAM} without a command runs a node; see {PROGRAM} --help"
        return f"unexpected argument {argument!r}; {meant}"
    name = argument.partition("=")[0]
    close = get_close_matches(name.replace("-", "_").replace("__", "--", 1), known, n=1)
    setting = None if close else _setting(name.lstrip("-"))
    if setting is not None:
        return f"unknown option {name}; {setting}"
    return f"unknown option {name}; " + (f"did you mean {close[0]}?" if close else f"see {PROGRAM} --help")
