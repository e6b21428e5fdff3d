"""`coterie help`: of a command, as its `--help`; and what belongs to all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import click
from click.shell_completion import CompletionItem

from app.cli.exits import Exit
from app.cli.framework import command as make_command
from app.cli.framework import find
from app.cli.names import COMMANDS
from app.command_line import PROGRAM, bare_help

ERRORS = f"""\
What went wrong is one line on standard error, "{PROGRAM}: ...". With --json it is an object there:
{{"error": {{"code", "message", "parameter", "exit_code"}}}}, with the API's code where a node refused. Standard output
then holds no answer, or, of what follows a stream, whole lines."""


def exit_codes() -> str:
    lines = (f"  {int(each):>3}  {each.about}\n" for each in Exit)
    return "".join(["Exit codes of all commands but a node's own:\n\n", *lines, "\n", ERRORS, "\n"])


TOPICS: Mapping[str, Callable[[], str]] = {"exit-codes": exit_codes}


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    words: tuple[str, ...] = ctx.params.get("words") or ()
    if not words:
        names = [*COMMANDS, *TOPICS]
    else:
        try:
            found, below = find(words)
        except click.UsageError:
            return []
        names = found.list_commands(below) if isinstance(found, click.Group) else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@make_command("help", examples=[f"{PROGRAM} help token new", f"{PROGRAM} help exit-codes"])
@click.argument("words", nargs=-1, metavar="[COMMAND...|TOPIC]", shell_complete=_complete)
def command(words: tuple[str, ...]) -> None:
    """Help for a command, or on a topic: exit-codes."""
    if not words:
        sys.stdout.write(bare_help())
    elif len(words) == 1 and words[0] in TOPICS:
        sys.stdout.write(TOPICS[words[0]]())
    else:
        found, ctx = find(words)
        sys.stdout.write(found.get_help(ctx) + "\n")
