"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from coterie.app.cli.framework.session import Session
from coterie.app.cli.terminal.output import Output, colored

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
NO_COLOR = click.option("--no_color", is_flag=True, help="No colours; NO_COLOR in the environment says the same.")

FILE = click.Path(path_type=Path)

NODE = (
    click.option(
        "--address",
        multiple=True,
        metavar="URL",
        help="HTTP address of a node, host:port or https://host:port; several are tried in turn.  "
        "[default: 127.0.0.1:10000]",
    ),
    click.option("--token_file", type=FILE, metavar="FILE", help="File with the token to show."),
    click.option("--ca_file", type=FILE, metavar="FILE", help="Certificates of whoever signed the nodes', for https."),
    click.option("--cert_file", type=FILE, metavar="FILE", help="Certificate to show, where nodes ask for one."),
    click.option("--key_file", type=FILE, metavar="FILE", help="Its key."),
    click.option("--timeout", type=float, metavar="SECONDS", help="How long it may take, with all tries."),
)

yes = click.option("--yes", is_flag=True, help="Do it without asking.")


def offline(function: Callable[..., Any]) -> Callable[..., Any]:
    """For a command that asks no node: it gets an Output as its first argument."""

    @functools.wraps(function)
    def wrapped(*, as_json: bool, no_color: bool, **options: Any) -> Any:
        return function(Output(json=as_json, color=colored() and not no_color), **options)

    return JSON(NO_COLOR(wrapped))


def online(function: Callable[..., Any]) -> Callable[..., Any]:
    """For a command that asks a node: it gets a Session as its first argument."""

    @functools.wraps(function)
    def wrapped(*, as_json: bool, no_color: bool, **options: Any) -> Any:
        given = take_given(options)
        return function(Session(Output(json=as_json, color=colored() and not no_color), given), **options)

    for option in (NO_COLOR, JSON, *reversed(NODE)):
        wrapped = option(wrapped)
    return wrapped


def take_given(options: dict[str, Any]) -> dict[str, Any]:
    """What is typed of a client's settings, taken out of `options`."""
    given = {name: options.pop(name, None) for name in ("token_file", "ca_file", "cert_file", "key_file", "timeout")}
    return given | {"address": options.pop("address", None) or None}
