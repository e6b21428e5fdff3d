"""`coterie leave`: tells a running node to leave its cluster and stop, and says what became of it."""

from __future__ import annotations

import argparse
import json
import ssl
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from app.command_line import PROGRAM, UsageError

DEFAULT_ADDRESS = "127.0.0.1:10000"

WAIT_SECONDS = 60.0
"""For the answer: above what a node may take by its settings, unless they are raised a lot."""

HELP = f"""\
Tell a running node to leave its cluster, and to stop.

It gives up its part in the Raft layer, the others see it as left at once, and it stops once the requests under way are
answered. Started again, it joins anew. To stop a node for a while, with its vote kept, send it SIGTERM.

USAGE:
    {PROGRAM} leave [OPTIONS]

OPTIONS:
        --address <host:port>    HTTP address of the node, or https://host:port [default: {DEFAULT_ADDRESS}]
        --keep_vote              Keep the node's place in the Raft layer
        --token_file <file>      File with a bearer token, for a node that asks for one
        --ca_file <file>         Certificates of whoever signed the node's, for https://
"""


class LeaveError(Exception):
    """The node did not leave, as far as is known; the message says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([f"leave: {message}"])

    def format_help(self) -> str:
        return HELP


def leave(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError and LeaveError."""
    parser = _Parser(prog=f"{PROGRAM} leave", allow_abbrev=False)
    parser.add_argument("--address", default=DEFAULT_ADDRESS)
    parser.add_argument("--keep_vote", action="store_true")
    parser.add_argument("--token_file", type=Path)
    parser.add_argument("--ca_file", type=Path)
    options = parser.parse_args(arguments)
    answer = _ask(options.address, "?keep_vote=true" if options.keep_vote else "", options.token_file, options.ca_file)
    words = {
        "left": "gave up its place in the Raft layer",
        "kept": "keeps its place in the Raft layer" + (f" ({answer['reason']})" if answer["reason"] else ""),
        "failed": f"could not give up its place in the Raft layer ({answer['reason']}); it is replaced as a dead voter",
        "none": "had no part in the Raft layer",
    }[answer["raft"]]
    sys.stdout.write(f"The node at {options.address} has left: {answer['told']} others know of it. It {words}.\n")


def _ask(address: str, query: str, token_file: Path | None, ca_file: Path | None) -> dict[str, Any]:
    connection = _connection(address, ca_file)
    try:
        headers = {"Content-Length": "0"}
        if token_file is not None:
            headers["Authorization"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
        connection.request("POST", f"/v1/leave{query}", headers=headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 200:
            raise LeaveError(f"{address} refused: {body['error']['message']}")
        return {"raft": body["raft"], "reason": body["reason"], "told": body["told"]}
    except (OSError, HTTPException) as error:
        raise LeaveError(f"{address}: {error}; is a node there? Its log says what became of it") from None
    except (ValueError, KeyError, TypeError):
        raise LeaveError(f"{address}: what answers there is no node of this kind") from None
    finally:
        connection.close()


def _connection(address: str, ca_file: Path | None) -> HTTPConnection:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None or parts.scheme not in {"http", "https"}:
        raise UsageError([f"leave: --address must be host:port or https://host:port, not {address!r}"])
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=WAIT_SECONDS)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise LeaveError(f"--ca_file {ca_file}: {error}") from None
    return HTTPSConnection(host, port, timeout=WAIT_SECONDS, context=context)
