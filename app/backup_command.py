"""`coterie backup`: saves the metadata of a running cluster to a file, and checks it while it comes.

Restoring one is done offline, by `coterie recover`: it makes a new cluster, for nothing that was acknowledged since may
seem to be there still, and no fencing token may be given twice.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO, NoReturn

from app.command_line import PROGRAM, UsageError
from app.node_client import OPTIONS_HELP, NodeError, add_node_options, asking

READ_BYTES = 1024 * 1024

HELP = f"""\
Save the metadata of a running cluster: all that was acknowledged before, from any node. The file is checked while it
comes, and takes its name once it is whole and on the disk.

USAGE:
    {PROGRAM} backup --output <file> [OPTIONS]

OPTIONS:
        --output <file>          Where to; an older file of this name is replaced
{OPTIONS_HELP}
To restore it: {PROGRAM} recover --help
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([f"backup: {message}"])

    def format_help(self) -> str:
        return HELP


def backup(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError and NodeError."""
    parser = _Parser(prog=f"{PROGRAM} backup", allow_abbrev=False)
    parser.add_argument("--output", type=Path, required=True)
    add_node_options(parser)
    options = parser.parse_args(arguments)
    # Imported here: help and refusals are quick.
    from consensus.restore import read_backup  # noqa: PLC0415
    from consensus.store import StoreError  # noqa: PLC0415

    output: Path = options.output
    draft = output.with_name(output.name + ".tmp")
    try:
        file = open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise _disk_failed(output, error) from None
    try:
        with file, asking(options, "GET", "/v1/raft/snapshot") as response:
            state = read_backup(_copied(response, file, output))
        _install(draft, output)
    except StoreError as error:
        raise NodeError(f"what came from {options.address} is no whole backup: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
    keys, revision = len(state.keyspace.table), state.keyspace.revision
    sys.stdout.write(f"{output}: {keys} keys at revision {revision}, {output.stat().st_size} bytes.\n")


def _copied(response: HTTPResponse, file: BinaryIO, output: Path) -> Iterator[bytes]:
    while chunk := response.read(READ_BYTES):
        try:
            file.write(chunk)
        except OSError as error:
            raise _disk_failed(output, error) from None
        yield chunk
    try:
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise _disk_failed(output, error) from None


def _install(draft: Path, output: Path) -> None:
    try:
        draft.replace(output)
        descriptor = os.open(output.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _disk_failed(output, error) from None


def _disk_failed(output: Path, error: OSError) -> NodeError:
    return NodeError(f"--output {output}: {error.strerror or error}; nothing was saved")
