"""Values between the command line and bytes: an argument, a file, or standard input; a terminal, or a pipe."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from coterie.app.cli.terminal.output import Output, write, write_bytes
from coterie.app.cli.terminal.text import clean

VALUE = click.argument("value", type=click.UNPROCESSED)
"""Any bytes."""

VALUE_HELP = (
    "VALUE is the value itself, `-` for standard input, or `@file` for what a file holds, to the byte. `@@` begins "
    "one that begins with @. Put `--` before KEY and VALUE where one begins with a dash and is no number; a lone dash "
    "goes through standard input."
)


def read_value(given: str) -> bytes:
    """Raises click.UsageError."""
    if given == "-":
        return sys.stdin.buffer.read()
    if given.startswith("@@"):
        given = given[1:]
    elif given.startswith("@"):
        try:
            return Path(given[1:]).read_bytes()
        except OSError as error:
            raise click.UsageError(f"VALUE {given}: {error.strerror or error}") from None
    return given.encode(errors="surrogateescape")


def print_value(out: Output, value: bytes) -> None:
    """To the byte on a pipe; as text that can do no harm on a terminal."""
    if not out.terminal:
        write_bytes(value)
        return
    text = value.decode(errors="backslashreplace")
    write("".join(each if each in "\n\t" else clean(each) for each in text).removesuffix("\n") + "\n")
