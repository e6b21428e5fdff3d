"""What commands print: tables and colour on a terminal, aligned text on a pipe, JSON for scripts.

A whole answer is one JSON document; what follows a stream prints one object a line. Questions, progress and remarks go
to standard error, so that standard output holds the answer alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.streams import write_error
from coterie.app.cli.terminal.text import clean

if TYPE_CHECKING:  # it takes a moment, and pipes need none of it
    from rich.console import Console, RenderableType

GAP = "  "


class Cell(NamedTuple):
    """Text with a style of rich's, for terminals."""

    text: str
    style: str = ""


Shown = Cell | str | int | float | None
"""None is shown as a dash."""


class Line(NamedTuple):
    """Parts with spaces between."""

    parts: Sequence[Shown]


class TextTable(NamedTuple):
    columns: Sequence[str]
    """The headings; one that begins with `>` is aligned to the right."""
    rows: Sequence[Sequence[Shown]]


def cell(value: Shown) -> Cell:
    if isinstance(value, Cell):
        return Cell(clean(value.text), value.style)
    return Cell("-", "dim") if value is None else Cell(clean(str(value)))


def on_terminal() -> bool:
    """Whether standard output, as it is now, is one."""
    return sys.stdout.isatty()


@dataclass
class Output:
    json: bool = False
    color: bool = True
    """Where there is a terminal."""
    terminal: bool = field(default_factory=on_terminal)

    @cached_property
    def console(self) -> Console:
        """Standard output, as rich draws on it."""
        from rich.console import Console  # noqa: PLC0415

        return Console(no_color=not self.color, highlight=False, markup=False, emoji=False, soft_wrap=False)

    @cached_property
    def aside(self) -> Console:
        """Standard error."""
        from rich.console import Console  # noqa: PLC0415

        return Console(stderr=True, no_color=not self.color, highlight=False, markup=False, emoji=False)

    # -- for scripts ---------------------------------------------------------------------------------------------------

    def document(self, value: Any) -> None:
        """The answer as one JSON document."""
        self._json(msgspec.json.format(msgspec.json.encode(value)))

    def line(self, value: Any) -> None:
        """One object of a stream, at once."""
        self._json(msgspec.json.encode(value))

    def _json(self, data: bytes) -> None:
        write_bytes((harmless(data) if self.terminal else data) + b"\n")

    # -- for people ----------------------------------------------------------------------------------------------------

    def say(self, *parts: Shown) -> None:
        """A line."""
        self.show(Line(parts))

    def text(self, *lines: str) -> None:
        """Lines as they are, on a terminal too."""
        write("".join(f"{clean(line)}\n" for line in lines))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Shown]]) -> None:
        """As `TextTable`."""
        self.show(TextTable(columns, rows))

    def show(self, *shown: Line | TextTable) -> None:
        """Lines and tables, in order."""
        if not self.terminal:
            write("".join(text for each in shown for text in plain(each)))
            return
        for each in shown:
            self.console.print(drawn(each), soft_wrap=isinstance(each, Line))

    @contextmanager
    def redrawing(self) -> Iterator[Callable[[Sequence[Line | TextTable]], None]]:
        """What shows something again and again: in the same place on a terminal, one behind the other elsewhere."""
        if not self.terminal or self.json:
            yield lambda shown: self.show(*shown, Line(()))
            return
        from rich.console import Group  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        with Live(console=self.console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
            yield lambda shown: live.update(Group(*map(drawn, shown)), refresh=True)

    def pairs(self, pairs: Mapping[str, Shown]) -> None:
        """Names and values, one pair a line."""
        width = max(map(len, pairs), default=0)
        for name, value in pairs.items():
            self.say(Cell(f"{name:<{width}}", "dim"), value)

    # -- beside the answer ---------------------------------------------------------------------------------------------

    def remark(self, text: str) -> None:
        """A line on standard error."""
        write_error("".join(f"{clean(line)}\n" for line in text.splitlines()))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Shows on a terminal that something takes its time."""
        if not sys.stderr.isatty():
            yield
            return
        with self.aside.status(clean(what)):
            yield

    def make_sure(self, warning: str, *, yes: bool, ask_alone: bool = False) -> None:
        """Says what will happen, and asks whether it shall. `yes`: not needed. `ask_alone`: where nobody can be asked,
        go on. Raises CommandError where it shall not, or nobody can say so."""
        if yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            if ask_alone:
                return
            raise CommandError(f"{warning}\nadd --yes to do it", Exit.WRONG_USAGE, code="wrong_usage", parameter="yes")
        self.remark(warning)
        if not click.confirm("Do it?", err=True):
            raise CommandError("nothing was done", code="declined")


def colored() -> bool:
    return not os.environ.get("NO_COLOR")


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """As they are, behind what was written as text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def harmless(data: bytes) -> bytes:
    """The same JSON, with what moves the cursor of a terminal by its codes: it is within strings alone."""
    text = data.decode()
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    return text.encode()


def _heading(column: str) -> str:
    return column.removeprefix(">").upper()


def plain(shown: Line | TextTable) -> Iterator[str]:
    """Lines of aligned text; nothing is cut off."""
    if isinstance(shown, Line):
        yield " ".join(cell(each).text for each in shown.parts).rstrip() + "\n"
        return
    from rich.cells import cell_len  # noqa: PLC0415

    lines = [[_heading(each) for each in shown.columns], *([cell(each).text for each in row] for row in shown.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            " " * (width - cell_len(text)) + text if column.startswith(">") else text + " " * (width - cell_len(text))
            for column, text, width in zip(shown.columns, line, widths, strict=True)
        )
        yield GAP.join(padded).rstrip() + "\n"


def drawn(shown: Line | TextTable) -> RenderableType:
    """For a terminal."""
    from rich.table import Table as Drawn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if isinstance(shown, Line):
        return Text(" ").join(Text(each.text, style=each.style) for each in map(cell, shown.parts))
    table = Drawn(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for column in shown.columns:
        table.add_column(_heading(column), justify="right" if column.startswith(">") else "left", overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(each.text, style=each.style) for each in map(cell, row)))
    return table
