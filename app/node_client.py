"""One request to a running node, for the commands that operators give: HTTP or HTTPS, with a token where it is needed.

The standard library's client: these commands start quickly and need nothing of a node's own parts.
"""

from __future__ import annotations

import argparse
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from app.command_line import UsageError

DEFAULT_ADDRESS = "127.0.0.1:10000"

WAIT_SECONDS = 60.0
"""For an answer, and for each further piece of it: above what a node may take by its settings, unless they are raised
a lot."""

MAX_ERROR_BYTES = 65_536

OPTIONS_HELP = f"""\
        --address <host:port>    HTTP address of the node, or https://host:port [default: {DEFAULT_ADDRESS}]
        --token_file <file>      File with a bearer token, for a node that asks for one
        --ca_file <file>         Certificates of whoever signed the node's, for https://
"""


class NodeError(Exception):
    """The node cannot be asked, or refuses; the message says why."""


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """How the node is reached."""
    parser.add_argument("--address", default=DEFAULT_ADDRESS)
    parser.add_argument("--token_file", type=Path)
    parser.add_argument("--ca_file", type=Path)


@contextmanager
def asking(options: argparse.Namespace, method: str, path: str) -> Iterator[HTTPResponse]:
    """A node's answer of status 200, to be read. Raises UsageError, and NodeError also for what the block raises as it
    reads."""
    address: str = options.address
    connection = _connection(address, options.ca_file)
    try:
        headers = {"Content-Length": "0"} if method == "POST" else {}
        if options.token_file is not None:
            headers["Authorization"] = f"Bearer {_token(options.token_file)}"
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise NodeError(f"{address} refused: {json.loads(response.read(MAX_ERROR_BYTES))['error']['message']}")
        yield response
    except (OSError, HTTPException) as error:
        raise NodeError(f"{address}: {error}; is a node there? Its log says more") from None
    except (ValueError, KeyError, TypeError):
        raise NodeError(f"{address}: what answers there is no node of this kind") from None
    finally:
        connection.close()


def _token(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"--token_file {file}: {error}") from None


def _connection(address: str, ca_file: Path | None) -> HTTPConnection:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None or parts.scheme not in {"http", "https"}:
        raise UsageError([f"--address must be host:port or https://host:port, not {address!r}"])
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=WAIT_SECONDS)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise NodeError(f"--ca_file {ca_file}: {error}") from None
    return HTTPSConnection(host, port, timeout=WAIT_SECONDS, context=context)
