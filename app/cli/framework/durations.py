"""Time spans as people type them: `90`, `90s`, `15m`, `12h`, `30d`; and seconds as numbers, neither nan nor inf."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

import click

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")


MAX_SECONDS = 1_000_000_000.0
"""About 30 years, as at the API."""


class Seconds(click.FloatRange):
    """A number that a clock can count to; `above`: 0 is none."""

    name = "seconds"

    def __init__(self, *, above: bool = False) -> None:
        super().__init__(0, MAX_SECONDS, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = super().convert(value, param, ctx)
        if not isfinite(found):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return found


class Duration(click.ParamType[float]):
    """Seconds."""

    name = "duration"

    def __init__(self, least: float = 0.0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float | int):
            return float(value)
        found = _FORM.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} must be seconds, or a number with ms, s, m, h or d, such as 15m", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2]]
        if not self._least <= seconds <= MAX_SECONDS:
            self.fail(f"{value!r} is not from {self._least:g} to {MAX_SECONDS:g} seconds", param, ctx)
        return seconds
