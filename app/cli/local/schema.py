"""`coterie schema`: the JSON Schema of what a command prints with `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from coterie.app.cli.framework.command import Command, CommandGroup, all_commands, find
from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.terminal.output import Output
from coterie.app.wire.names import PROGRAM

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def speaking_commands() -> list[tuple[list[str], Command]]:
    """Those that print JSON."""
    return [(words, each) for words, each in all_commands() if isinstance(each, Command) and each.answer is not None]


def schema_of(found: Command) -> dict[str, Any]:
    """Of one document, or of one line where it follows a stream."""
    kind = found.answer_type()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        told = msgspec.json.schema(kind)
    else:  # a type of the API's own
        from pydantic import TypeAdapter  # noqa: PLC0415

        told = TypeAdapter(kind).json_schema(mode="serialization")
    return {"$schema": DIALECT, **told}


def find_speaking(words: Sequence[str]) -> Command:
    """The command of these words, or what a group does by itself. Raises click.UsageError."""
    found, ctx = find(words)
    if isinstance(found, CommandGroup) and found.default is not None:
        return find_speaking([*words, found.default])
    if isinstance(found, click.Group):
        raise click.UsageError(f"say which: {', '.join(found.list_commands(ctx))}")
    if not isinstance(found, Command) or found.answer is None:
        raise click.UsageError(f"{' '.join(words)} prints no JSON")
    return found


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    typed = list(ctx.params.get("words") or ())
    begun = [words for words, _ in speaking_commands() if words[: len(typed)] == typed and len(words) > len(typed)]
    names = dict.fromkeys(words[len(typed)] for words in begun)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@make_command("schema", examples=[f"{PROGRAM} schema token new", f"{PROGRAM} schema check-config"])
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", shell_complete=_complete)
def command(words: tuple[str, ...]) -> None:
    """The JSON Schema of what a command prints with --json.

    Of one document; or, for a command that follows a stream, of one line.
    """
    Output().document(schema_of(find_speaking(words)))
