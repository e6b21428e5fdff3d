"""`coterie leave`: tells a running node to leave its cluster and stop, and says what became of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import NoReturn

from app.command_line import PROGRAM, UsageError
from app.node_client import OPTIONS_HELP, add_node_options, asking

HELP = f"""\
Tell a running node to leave its cluster, and to stop.

It gives up its part in the Raft layer, the others see it as left at once, and it stops once the requests under way are
answered. Started again, it joins anew. To stop a node for a while, with its vote kept, send it SIGTERM.

USAGE:
    {PROGRAM} leave [OPTIONS]

OPTIONS:
        --keep_vote              Keep the node's place in the Raft layer
{OPTIONS_HELP}"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([f"leave: {message}"])

    def format_help(self) -> str:
        return HELP


def leave(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError and NodeError."""
    parser = _Parser(prog=f"{PROGRAM} leave", allow_abbrev=False)
    parser.add_argument("--keep_vote", action="store_true")
    add_node_options(parser)
    options = parser.parse_args(arguments)
    with asking(options, "POST", "/v1/leave" + ("?keep_vote=true" if options.keep_vote else "")) as response:
        body = json.loads(response.read())
        reason, told = body["reason"], body["told"]
        raft = {
            "left": "gave up its place in the Raft layer",
            "kept": "keeps its place in the Raft layer" + (f" ({reason})" if reason else ""),
            "failed": f"could not give up its place in the Raft layer ({reason}); it is replaced as a dead voter",
            "none": "had no part in the Raft layer",
        }[body["raft"]]
    sys.stdout.write(f"The node at {options.address} has left: {told} others know of it. It {raft}.\n")
