"""`coterie completion`: prints the script that makes a shell complete commands, options and what is in the cluster."""

from __future__ import annotations

import sys

import click

from coterie.app.cli.framework.command import command as make_command
from coterie.app.cli.framework.completing import SHELLS, script
from coterie.app.wire.names import PROGRAM


@make_command(
    "completion",
    examples=[
        f'eval "$({PROGRAM} completion bash)"    # in ~/.bashrc',
        f'eval "$({PROGRAM} completion zsh)"     # in ~/.zshrc, behind compinit',
        f"{PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish",
    ],
)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    """Print what makes a shell complete these commands.

    It completes commands and options, and, where a node answers within half a second, the names of nodes and keys.
    """
    sys.stdout.write(script(shell))
