"""`coterie check-config`: reads the settings as a start would, and prints each with where it comes from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from coterie.app.cli.command_line import UsageError, parse_command_line
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.options import offline
from coterie.app.cli.models.local import EffectiveSettings, Setting
from coterie.app.cli.terminal.output import Output
from coterie.app.wire.names import PROGRAM

VALUE_COLUMNS = 56

SECRET = "(secret)"  # noqa: S105 - shown in its place

Told = Sequence[tuple[tuple[str, ...], object, str]]
"""Path, value and source of each setting."""


@make_command(
    "check-config",
    answer="coterie.app.cli.models.local:EffectiveSettings",
    examples=[f"{PROGRAM} check-config --config node.toml", f"{PROGRAM} check-config --quiet --config node.toml"],
    context_settings={"ignore_unknown_options": True, "token_normalize_func": None},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF A START]")
@click.option("--quiet", is_flag=True, help="Only check.")
@offline
def command(out: Output, options: tuple[str, ...], quiet: bool) -> None:
    """Check the settings of a node without starting it, and print what they come to, each with its source.

    It takes the options of a start (coterie --help), above all --config FILE; the environment is read as a start
    does. Secrets are not shown. The exit code is 0 where a node would start with these settings, 2 where it would not.
    A running node reads its sources again at SIGHUP: check them with this before.
    """
    given = parse_command_line(options)
    # Imported here, for it takes most of a second: help is quick.
    from coterie.app.settings.loading import BadSettingsError, load_settings, sources  # noqa: PLC0415

    try:
        settings = load_settings(given)
    except BadSettingsError as error:
        raise UsageError(error.lines) from None
    if quiet:
        return
    told = list(sources(given, settings))
    if out.json:
        out.document(
            EffectiveSettings(tuple(Setting(".".join(path), plain(value), source) for path, value, source in told))
        )
    else:
        sys.stdout.writelines(_lines(told))


def _lines(told: Told) -> Iterator[str]:
    table = ""
    for path, value, source in told:
        if len(path) > 1 and path[0] != table:
            table = path[0]
            yield f"\n[{table}]\n"
        setting = f"# {path[-1]} is not set" if value is None else f"{path[-1]} = {_toml(plain(value))}"
        yield f"{setting:<{VALUE_COLUMNS}}  # {source}\n"


def plain(value: object) -> Any:
    """As JSON and TOML can say it, secrets hidden."""
    from pydantic import SecretBytes, SecretStr  # noqa: PLC0415 - loaded by now

    match value:
        case SecretStr() | SecretBytes():
            return SECRET
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case None | bool() | int() | float():
            return value
        case list() | tuple() if type(value) in {list, tuple}:
            return [plain(each) for each in value]
    return str(value)


def _toml(value: Any) -> str:
    match value:
        case dict():
            pairs = ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items())
            return "{" + (f" {pairs} " if pairs else "") + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case bool() | int() | float():
            return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)
