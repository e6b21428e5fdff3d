"""Time spans as people type them: `90`, `90s`, `15m`, `12h`, `30d`."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")


class Duration(click.ParamType[float]):
    """Seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float | int):
            return float(value)
        found = _FORM.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} must be seconds, or a number with ms, s, m, h or d, such as 15m", param, ctx)
        return float(found[1]) * _UNITS[found[2]]
