"""Prints docs/cli.md from the commands themselves: `python -m coterie.app.cli.local.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence

import click

from coterie.app.cli.framework.command import Command, all_commands, find
from coterie.app.cli.local.help import TOPICS
from coterie.app.wire.names import PROGRAM

HEAD = f"""\
# Command line

`{PROGRAM}` with options, or alone, runs a node: `{PROGRAM} --help`. With one of these commands it asks a running node,
or works offline. This page is generated from the commands.

Tables and colour are for terminals; on a pipe it is plain, aligned text; with `--json` it is one JSON document (of what
follows a stream, an object a line), whose JSON Schema `{PROGRAM} schema COMMAND` prints. Options may be typed with
dashes (`--token-file`) as well.
"""

ONLINE = ("address", "token_file", "ca_file", "cert_file", "key_file", "timeout")
COMMON = (*ONLINE, "as_json", "no_color", "help")


def pages() -> Iterator[str]:
    """The document, in parts."""
    yield HEAD
    yield "\n## Options of every command that asks a node\n\n"
    members = find(["members", "list"])[0]
    yield from _options([each for each in members.params if each.name in COMMON])
    for name, text in TOPICS.items():
        yield f"\n## {name.replace('-', ' ').capitalize()}\n\n```text\n{text()}```\n"
    yield "\n## Commands\n"
    for words, each in all_commands():
        yield from _command(words, each)


def _command(words: list[str], each: click.Command) -> Iterator[str]:
    ctx = find(words)[1]
    yield f"\n##{'#' * len(words)} {PROGRAM} {' '.join(words)}\n\n"
    if isinstance(each, click.Group):
        yield f"{each.help}"
        default = getattr(each, "default", None)
        yield f" Alone it is `{PROGRAM} {' '.join(words)} {default}`.\n" if default else "\n"
        return
    usage = " ".join([ctx.command_path, *each.collect_usage_pieces(ctx)])
    yield f"```text\n{usage}\n```\n\n{inspect.cleandoc(each.help or '')}\n"
    if each.epilog:
        yield f"\n{each.epilog}\n"
    own = [option for option in each.params if isinstance(option, click.Option) and option.name not in COMMON]
    if own:
        yield "\n"
        yield from _options(own)
    if any(option.name in ONLINE for option in each.params):
        yield "\nAnd those of every command that asks a node.\n"
    if isinstance(each, Command):
        lines = "\n".join(each.examples)
        yield f"\nExamples:\n\n```text\n{lines}\n```\n"


def _options(options: Sequence[click.Parameter]) -> Iterator[str]:
    yield "| option | |\n| --- | --- |\n"
    for each in options:
        if not isinstance(each, click.Option):
            continue
        names = ", ".join(f"`{name}`" for name in each.opts)
        value = "" if each.is_flag else f" `{each.make_metavar(click.Context(click.Command(PROGRAM)))}`"
        default = f" Default: {each.default}." if each.show_default else ""
        text = (each.help or "").replace("|", "\\|").replace("*:", "\\*:").replace("  [default:", " [default:")
        yield f"| {names}{value} | {text}{default} |\n"


if __name__ == "__main__":
    sys.stdout.writelines(pages())
