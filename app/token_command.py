"""`coterie token new`: makes a token, and prints it with the lines that the configuration takes. It asks no node."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from app.auth.tokens import ID_FORM, hash_of, new_token
from app.command_line import PROGRAM, UsageError

HELP = f"""\
Make a token for the setting auth.tokens.

It may do everything, unless you narrow its rules. With the Raft layer one such token is enough, the same on all nodes:
it makes the others (POST /v1/tokens), which then hold on every node and can be revoked without a restart.

USAGE:
    {PROGRAM} token new [OPTIONS]

OPTIONS:
        --id <id>    Its name in the audit log: letters, digits, dots, dashes [default: admin]
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([f"token: {message}"])

    def format_help(self) -> str:
        return HELP


def token(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError."""
    parser = _Parser(prog=f"{PROGRAM} token", allow_abbrev=False)
    parser.add_argument("what", choices=["new"])
    parser.add_argument("--id", default="admin")
    options = parser.parse_args(arguments)
    if not re.fullmatch(ID_FORM, options.id):
        raise UsageError(
            ["token: --id must be 1 to 64 letters, digits, dots or dashes, and begin with one of the first"]
        )
    made = new_token(options.id)
    sys.stdout.write(
        f"# The token. It is shown this once; clients send it as Authorization: Bearer <token>\n# {made}\n\n"
        f'# For the configuration of each node:\n[[auth.tokens]]\nid = "{options.id}"\nhash = "{hash_of(made)}"\n'
        'rules = [{ layer = "*", action = "admin" }]\n'
    )
