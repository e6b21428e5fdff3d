"""Findings drawn for people: a small timeline in plain text, one lane a client, and what each number in it stands for.

Only the order of times is to scale: a column for each moment at which something began or ended, and as many more as the
numbers need. An operation whose outcome nobody learnt runs off to the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.verify.linearizability.histories.history import Operation
from tests.verify.linearizability.rendering.findings import Finding
from tests.verify.linearizability.rendering.wording import events_line, phrase, record_line


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that happened from `start` to `end` (None: no end) in a lane; a moment where the two are equal."""

    lane: str
    start: float
    end: float | None
    text: str


def render(finding: Finding) -> str:
    """A finding as text, with its timeline."""
    bars = [operation_bar(operation) for operation in finding.operations]
    for sight in finding.sights:
        shown = events_line(sight.delivery.events) if sight.delivery.events else "no more"
        text = f"{sight.watch.id}: revision {sight.delivery.revision}: {shown}"
        bars.append(Bar(f"watch {sight.watch.watcher}", sight.delivery.at, sight.delivery.at, text))
    parts = [f"{finding.anomaly.value}:\n  {finding.explanation}"]
    if bars:
        parts.append(draw(bars))
    if finding.commits:
        parts.append("\n".join(f"  record  {record_line(commit)}" for commit in finding.commits))
    return "\n\n".join(parts) + "\n"


def operation_bar(operation: Operation) -> Bar:
    return Bar(
        f"client {operation.client}", operation.invoked, operation.returned, f"{operation.id}: {phrase(operation)}"
    )


def draw(bars: Iterable[Bar]) -> str:
    """A timeline of bars, numbered by their start, and its legend."""
    ordered = sorted(bars, key=lambda bar: bar.start)
    columns, width = _columns(ordered)
    lines: list[tuple[str, str]] = []
    for lane, rows in _rows(ordered).items():
        for row in rows:
            cells = [" "] * width
            for number, bar in row:
                _put(cells, columns, bar, str(number), width)
            lines.append((lane if row is rows[0] else "", "".join(cells).rstrip()))
    margin = max(len(lane) for lane, _ in lines)
    timeline = [f"  {lane:<{margin}}  {cells}" for lane, cells in lines]
    spans = [f"{_time(bar.start)}..{'?' if bar.end is None else _time(bar.end)}" for bar in ordered]
    spread = max(map(len, spans))
    legend = [
        f"  {number:>{len(str(len(ordered)))}}  {span:<{spread}}  {bar.text}"
        for number, (bar, span) in enumerate(zip(ordered, spans, strict=True), 1)
    ]
    return "\n".join([*timeline, "", *legend])


def _time(time: float) -> str:
    return f"{time:.12g}"


def _columns(bars: Sequence[Bar]) -> tuple[Mapping[float, int], int]:
    """The column of every moment, and the width of all: as narrow as the numbers allow."""
    moments = sorted({moment for bar in bars for moment in (bar.start, bar.end) if moment is not None})
    columns: dict[float, int] = {}
    at = 0
    for moment in moments:
        for number, bar in enumerate(bars, 1):
            room = len(str(number)) + 3
            if bar.end == moment and bar.start < moment:
                at = max(at, columns[bar.start] + room)
        columns[moment] = at
        # A moment of its own is drawn as `*` with its number behind it.
        widest = max((len(str(n)) for n, bar in enumerate(bars, 1) if bar.start == moment == bar.end), default=0)
        at += widest + 2
    return columns, at + max(len(str(len(bars))) + 6, 8)


def _rows(bars: Sequence[Bar]) -> Mapping[str, list[list[tuple[int, Bar]]]]:
    """The bars of each lane in as many rows as it takes that none overlap."""
    lanes: dict[str, list[list[tuple[int, Bar]]]] = {}
    for number, bar in enumerate(bars, 1):
        rows = lanes.setdefault(bar.lane, [])
        for row in rows:
            end = row[-1][1].end
            if end is not None and end < bar.start:
                row.append((number, bar))
                break
        else:
            rows.append([(number, bar)])
    return lanes


def _put(cells: list[str], columns: Mapping[float, int], bar: Bar, number: str, width: int) -> None:
    start = columns[bar.start]
    if bar.end == bar.start:
        text = f"*{number}"
    elif bar.end is None:
        text = f"|-{number}".ljust(width - start - 4, "-") + "...?"
    else:
        text = "|" + number.center(columns[bar.end] - start - 1, "-") + "|"
    cells[start : start + len(text)] = text
