"""The timeline of a run as one SVG: rows over a common axis of time, with the faults as bands behind them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

LEFT = 150
"""Pixels for the rows' names."""

PLOT = 1_400
"""Pixels for the time."""

ROW = 16
GAP = 6
HEADING = 30


class Drawing:
    """Rows from top to bottom; each method draws the next ones."""

    def __init__(self, start: float, end: float) -> None:
        """Of the clock's seconds; shown as seconds since `start`."""
        self._start = start
        self._span = max(end - start, 1e-9)
        self._y = 4
        self._parts: list[str] = []
        self._bands: list[tuple[float, float]] = []

    def x(self, at: float) -> float:
        return LEFT + PLOT * min(max((at - self._start) / self._span, 0.0), 1.0)

    def band(self, began: float, ended: float) -> None:
        """Behind everything."""
        self._bands.append((began, ended))

    def heading(self, text: str, note: str = "") -> None:
        self._y += HEADING
        shown = f'<tspan class="note" dx="10">{escape(note)}</tspan>' if note else ""
        self._parts.append(f'<text class="heading" x="0" y="{self._y - 9}">{escape(text)}{shown}</text>')

    def spans(self, name: str, spans: Iterable[tuple[float, float, str, str, str]], height: int = ROW) -> None:
        """A row of bars: beginning, end, class, what to say when pointed at, and what to write into it."""
        self._name(name, height)
        for began, ended, kind, title, label in spans:
            left, width = self.x(began), max(self.x(ended) - self.x(began), 1.5)
            self._parts.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{self._y}" width="{width:.1f}" height="{height - 2}" rx="2">'
                f"<title>{escape(title)}</title></rect>"
            )
            if label and width > 7 * len(label) + 6:
                self._parts.append(
                    f'<text class="in" x="{left + 4:.1f}" y="{self._y + height - 5}">{escape(label)}</text>'
                )
        self._y += height + GAP // 2

    def ticks(self, name: str, ticks: Iterable[tuple[float, float, str]], height: int = ROW) -> None:
        """A row of many short bars, each class as one path: beginning, end, class."""
        self._name(name, height)
        paths: dict[str, list[str]] = {}
        for began, ended, kind in ticks:
            left, width = self.x(began), max(self.x(ended) - self.x(began), 1.0)
            paths.setdefault(kind, []).append(f"M{left:.1f} {self._y}h{width:.1f}v{height - 3}h-{width:.1f}z")
        for kind, path in paths.items():
            self._parts.append(f'<path class="{kind}" d="{"".join(path)}"/>')
        self._y += height

    def stacks(
        self, name: str, counts: Sequence[tuple[float, Counter[str]]], width: float, order: Sequence[str]
    ) -> None:
        """A row of stacked columns, each `width` seconds wide; the highest column fills the row."""
        height = 46
        self._name(name, height, f"up to {max([sum(c.values()) for _, c in counts], default=0) / width:.0f}/s")
        top = max([sum(count.values()) for _, count in counts], default=1) or 1
        for at, count in counts:
            y = float(self._y + height)
            said = ", ".join(f"{count[kind]} {kind}" for kind in order if count[kind])
            for kind in order:
                size = height * count[kind] / top
                if size:
                    y -= size
                    self._parts.append(
                        f'<rect class="{kind}" x="{self.x(at):.1f}" y="{y:.1f}" height="{size:.1f}" '
                        f'width="{max(self.x(at + width) - self.x(at) - 0.6, 0.8):.1f}"><title>'
                        f"{at - self._start:.1f} s: {said}</title></rect>"
                    )
        self._y += height + GAP

    def curve(self, name: str, points: Sequence[tuple[float, float]], unit: str) -> None:
        """A row with an area under what was measured; the highest value fills the row."""
        height = 46
        top = max([value for _, value in points], default=0.0)
        self._name(name, height, f"up to {top:.1f} {unit}")
        if top > 0:
            base = self._y + height
            path = "".join(f"L{self.x(at):.1f} {base - height * value / top:.1f}" for at, value in points)
            first, last = self.x(points[0][0]), self.x(points[-1][0])
            self._parts.append(f'<path class="curve" d="M{first:.1f} {base}{path}L{last:.1f} {base}z"/>')
        self._y += height + GAP

    def marks(self, name: str, marks: Iterable[tuple[float, str]]) -> None:
        """A row of moments, each with a line through the whole picture."""
        self._name(name, ROW)
        for at, title in marks:
            x = self.x(at)
            self._parts.append(
                f'<g class="mark"><line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="@HEIGHT@"/>'
                f'<circle cx="{x:.1f}" cy="{self._y + 7}" r="5"><title>{escape(title)}</title></circle></g>'
            )
        self._y += ROW + GAP

    def _name(self, name: str, height: int, note: str = "") -> None:
        at = self._y + min(height, ROW) - 4
        self._parts.append(f'<text class="name" x="{LEFT - 8}" y="{at}">{escape(name)}</text>')
        if note:
            self._parts.append(f'<text class="name note" x="{LEFT - 8}" y="{at + 15}">{escape(note)}</text>')

    def svg(self) -> str:
        height = self._y + 24
        bands = "".join(
            f'<rect class="band" x="{self.x(began):.1f}" y="0" width="{max(self.x(ended) - self.x(began), 1):.1f}" '
            f'height="{self._y}"/>'
            for began, ended in self._bands
        )
        body = "".join(self._parts).replace("@HEIGHT@", str(self._y))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + PLOT + 20}" height="{height}" '
            f'viewBox="0 0 {LEFT + PLOT + 20} {height}" role="img" aria-label="Timeline of the run">'
            f"{bands}{self._axis(self._y)}{body}</svg>"
        )

    def _axis(self, bottom: int) -> str:
        step = next(each for each in (1, 2, 5, 10, 20, 60, 120, 600, 3_600, 1e9) if self._span / each <= 20)
        lines = []
        for number in range(int(self._span / step) + 1):
            x = self.x(self._start + number * step)
            lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>')
            lines.append(f'<text class="axis" x="{x:.1f}" y="{bottom + 16}">{number * step:g} s</text>')
        return "".join(lines)


def binned(
    moments: Iterable[tuple[float, str]], start: float, end: float, width: float
) -> list[tuple[float, Counter[str]]]:
    """Moments with a class each, counted in columns of `width` seconds."""
    columns = [Counter[str]() for _ in range(int((end - start) / width) + 1)]
    for at, kind in moments:
        if start <= at <= end:
            columns[int((at - start) / width)][kind] += 1
    return [(start + number * width, column) for number, column in enumerate(columns)]


def highest(points: Iterable[tuple[float, float]], start: float, end: float, width: float) -> list[tuple[float, float]]:
    """The highest value in each column of `width` seconds, 0 where there is none."""
    columns = [0.0 for _ in range(int((end - start) / width) + 1)]
    for at, value in points:
        if start <= at <= end:
            number = int((at - start) / width)
            columns[number] = max(columns[number], value)
    return [(start + number * width, value) for number, value in enumerate(columns)]
