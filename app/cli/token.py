"""`coterie token`: tokens for the configuration, made offline, and those of the metadata."""

from __future__ import annotations

import re

import click

from app.auth.tokens import ID_FORM, hash_of, new_token
from app.cli.framework import Group
from app.cli.framework import command as make_command
from app.cli.models import ConfiguredToken
from app.cli.options import offline
from app.cli.output import Output
from app.command_line import PROGRAM


def check_id(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """For an option or argument that is a token's id."""
    if value is not None and not re.fullmatch(ID_FORM, value):
        raise click.BadParameter("must be 1 to 64 letters, digits, dots or dashes, and begin with one of the first two")
    return value


@make_command(
    "new",
    answer="app.cli.models:ConfiguredToken",
    examples=[f"{PROGRAM} token new", f"{PROGRAM} token new --id backup-job"],
)
@click.option(
    "--id", "token_id", default="admin", show_default=True, callback=check_id, help="Its name in the audit log."
)
@offline
def new(out: Output, token_id: str) -> None:
    """Make a token for the setting auth.tokens; no node is asked.

    It may do everything, unless you narrow its rules. With the Raft layer one such token is enough, the same on all
    nodes: it makes the others (POST /v1/tokens), which then hold on every node and can be revoked without a restart.
    """
    made = new_token(token_id)
    if out.json:
        out.document(ConfiguredToken(token_id, made, hash_of(made)))
        return
    out.text(
        "# The token. It is shown this once; clients send it as Authorization: Bearer <token>",
        f"# {made}",
        "",
        "# For the configuration of each node:",
        "[[auth.tokens]]",
        f'id = "{token_id}"',
        f'hash = "{hash_of(made)}"',
        'rules = [{ layer = "*", action = "admin" }]',
    )


command = Group("token", commands=[new], help="Make tokens, and manage those of the metadata.")
