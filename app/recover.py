"""`coterie recover`: the one offline command after a lost majority, or for a restore from a backup.

It makes a *new* metadata cluster of one member from what a node's data directory, or a backup file, holds. The old
directory is renamed, never deleted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from app.command_line import PROGRAM, UsageError

RAFT_DIRECTORY = "raft"
"""Of a data directory: what the Raft layer keeps."""

READ_BYTES = 1024 * 1024

HELP = f"""\
Begin a NEW metadata cluster of one member, from what is left of an old one.

For two occasions only: more than half of the voters are gone for good, or a backup is to be restored. Stop this node
first, and make sure that no other node of the old cluster runs with its old directory: the two would not merge.
What the other members had acknowledged and this one had not yet received is lost.

USAGE:
    {PROGRAM} recover --data_dir <directory> [--backup <file>] --yes

OPTIONS:
        --data_dir <directory>    The node's data directory; its Raft files are set aside, not deleted
        --backup <file>           Take the state from this backup instead of from the directory
        --yes                     Do it; without this, what would be done is said

Every other node then needs an empty directory in the place of <its data_dir>/{RAFT_DIRECTORY}, and joins anew.
"""


class RecoverError(Exception):
    """Nothing was changed, unless the message says so."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError([f"recover: {message}"])

    def format_help(self) -> str:
        return HELP


def recover(arguments: Sequence[str]) -> None:
    """Run the command. Raises UsageError and RecoverError."""
    parser = _Parser(prog=f"{PROGRAM} recover", allow_abbrev=False)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--backup", type=Path)
    parser.add_argument("--yes", action="store_true")
    options = parser.parse_args(arguments)
    raft = options.data_dir / RAFT_DIRECTORY
    if not options.data_dir.is_dir():
        raise RecoverError(f"--data_dir {options.data_dir}: there is no such directory")
    if options.backup is None and not raft.is_dir():
        raise RecoverError(f"{raft}: there is no member to recover from; give --backup to restore one")
    if not options.yes:
        source = options.backup or raft
        sys.stdout.write(
            f"A new metadata cluster of one member would be made from {source}.\n"
            "All other members of the old cluster would be left behind. Add --yes to do it.\n"
        )
        return
    _recover(options.data_dir, options.backup)


def _recover(data_dir: Path, source: Path | None) -> None:
    # Imported here: help and refusals are quick.
    from app.data_dir import DataDir, DataDirError  # noqa: PLC0415
    from consensus.raft.errors import RaftError  # noqa: PLC0415
    from consensus.restore import found_from, read_backup, read_survivor  # noqa: PLC0415
    from consensus.store import StoreError  # noqa: PLC0415

    raft = data_dir / RAFT_DIRECTORY
    draft = data_dir / f"{RAFT_DIRECTORY}.recovering"
    try:
        lock = DataDir(data_dir)  # a running node has it
        try:
            if draft.exists():
                raise RecoverError(f"{draft} is left from an attempt that was cut short; delete it and try again")
            state = read_backup(_chunks(source)) if source is not None else read_survivor(raft)[0]
            made = found_from(state, draft)
            aside = _free_name(raft)
            if raft.exists():
                raft.rename(aside)
            draft.rename(raft)
        finally:
            lock.close()
    except (DataDirError, RaftError, StoreError, OSError) as error:
        raise RecoverError(str(error)) from None
    sys.stdout.write(
        f"This node is now the only member ({made.member}) of the NEW cluster {made.cluster}:\n"
        f"{made.keys} keys, at revision {made.revision}.\n"
        + (f"The old files are in {aside}.\n" if aside.exists() else "")
        + f"Start the node. On every other node of the old cluster, move <data_dir>/{RAFT_DIRECTORY} away before it is"
        " started.\n"
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    return aside
