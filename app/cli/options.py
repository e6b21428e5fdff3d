"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from app.cli.output import Output, colored

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
NO_COLOR = click.option("--no_color", is_flag=True, help="No colours; NO_COLOR in the environment says the same.")

yes = click.option("--yes", is_flag=True, help="Do it without asking.")


def offline(function: Callable[..., Any]) -> Callable[..., Any]:
    """For a command that asks no node: it gets an Output as its first argument."""

    @functools.wraps(function)
    def wrapped(*, as_json: bool, no_color: bool, **options: Any) -> Any:
        return function(Output(json=as_json, color=colored() and not no_color), **options)

    return JSON(NO_COLOR(wrapped))
