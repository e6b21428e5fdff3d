"""`coterie check-config`: reads the settings as a start would, and prints each with where it comes from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from app.command_line import PROGRAM, UsageError, parse_command_line

HELP = f"""\
Check the settings of a node without starting it, and print what they come to, each with its source.

USAGE:
    {PROGRAM} check-config [OPTIONS]

OPTIONS:
        --quiet    Only check

And those of a start ({PROGRAM} --help), above all --config <file>; the environment is read as a start does.
Secrets are not shown. The exit code is 0 where a node would start with these settings, 2 where it would not.
A running node reads its sources again at SIGHUP: check them with this before.
"""

VALUE_COLUMNS = 56


def check_config(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError."""
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(HELP)
        return
    quiet = "--quiet" in arguments
    options = parse_command_line([each for each in arguments if each != "--quiet"])
    # Imported here, for it takes most of a second: help is quick.
    from app.settings_loading import BadSettingsError, load_settings, sources  # noqa: PLC0415

    try:
        settings = load_settings(options)
    except BadSettingsError as error:
        raise UsageError(error.lines) from None
    if not quiet:
        sys.stdout.writelines(_lines(list(sources(options, settings))))


def _lines(told: Sequence[tuple[tuple[str, ...], object, str]]) -> Iterator[str]:
    table = ""
    for path, value, source in told:
        if len(path) > 1 and path[0] != table:
            table = path[0]
            yield f"\n[{table}]\n"
        setting = f"# {path[-1]} is not set" if value is None else f"{path[-1]} = {_shown(value)}"
        yield f"{setting:<{VALUE_COLUMNS}}  # {source}\n"


def _shown(value: object) -> str:
    """As TOML writes it, but for secrets."""
    match value:
        case SecretStr() | SecretBytes():
            return '"(secret)"'
        case dict():
            pairs = ", ".join(f"{json.dumps(key)} = {_shown(each)}" for key, each in value.items())
            return "{" + (f" {pairs} " if pairs else "") + "}"
        case bool() | int() | float():
            return json.dumps(value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case list() | tuple() if type(value) in {list, tuple}:
            return "[" + ", ".join(map(_shown, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False)
