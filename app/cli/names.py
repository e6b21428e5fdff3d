"""Which commands there are: the one table that needs nothing else, for the bare command line knows them by it."""

from __future__ import annotations

from typing import NamedTuple


class Named(NamedTuple):
    module: str
    """Has the command, as `command`."""
    about: str
    """In a few words."""


COMMANDS = {
    "check-config": Named("app.cli.check_config", "Check settings without starting a node, and print them"),
    "completion": Named("app.cli.completion", "Print what makes a shell complete these commands"),
    "help": Named("app.cli.help", "Help for a command, or on exit codes and the client's file"),
    "recover": Named("app.cli.recover", "After a lost majority, or to restore a backup of the metadata"),
    "schema": Named("app.cli.schema", "Print the JSON Schema of what a command prints with --json"),
    "token": Named("app.cli.token", "Make, list, replace and revoke tokens"),
}

COLUMNS = 15


def list_commands() -> str:
    """For the end of the bare command line's help."""
    return "".join(f"    {name:<{COLUMNS}} {each.about}\n" for name, each in COMMANDS.items())
