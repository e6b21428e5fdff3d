"""`coterie recover`: the one offline command, after a lost majority or to restore a backup.

It makes a *new* metadata cluster of one member from a node's data directory or a backup file. The old directory is
renamed, never deleted. Wherever the command is killed, the same command finishes what it began:

- The new member is made in a draft. While the old `raft` directory is there, another run makes the draft anew.
- Once `raft` has been renamed, the draft is the state. A whole draft has a cluster id, which is written last.
- A node does not start while there is a draft: without `raft` it would found an empty cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.app.node.storage.data_dir import DataDir, DataDirError
from coterie.app.wire.names import PROGRAM

if TYPE_CHECKING:
    from coterie.consensus.journal import JournalConfig

RAFT_DIRECTORY = "raft"
"""Of a data directory: what the Raft layer keeps."""

DRAFT_DIRECTORY = "raft.recovering"
"""Of a data directory: what becomes `raft`, while `recover` works."""

READ_BYTES = 1024 * 1024


class RecoverError(Exception):
    """Nothing was changed, unless the message says so."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The new cluster."""

    member_id: str
    cluster_id: str
    keys: int
    revision: int
    set_aside: Path | None
    """Where the old files are now; None where there were none."""


def check_no_draft(data_dir: Path) -> None:
    """Refuse to start on what `recover` has not finished. Raises DataDirError."""
    draft = data_dir / DRAFT_DIRECTORY
    if not draft.exists():
        return
    instead = f"; or, to go on with {RAFT_DIRECTORY} as it is, move the draft away"
    raise DataDirError(
        f"{draft} is the draft of a {PROGRAM} recover that was cut short: finish it with "
        f"{PROGRAM} recover --data_dir {data_dir} --yes (and --backup FILE if it restored a backup)"
        + (instead if (data_dir / RAFT_DIRECTORY).exists() else "")
    )


def check_recovery(data_dir: Path, backup: Path | None) -> Path:
    """What a new cluster would be made from. Raises RecoverError where there is nothing."""
    raft, draft = data_dir / RAFT_DIRECTORY, data_dir / DRAFT_DIRECTORY
    if not data_dir.is_dir():
        raise RecoverError(f"--data_dir {data_dir}: there is no such directory")
    if backup is None and not raft.is_dir() and not draft.is_dir():
        raise RecoverError(f"{raft}: there is no member to recover from; give --backup to restore one")
    return backup or (raft if raft.is_dir() else draft)


def recover(data_dir: Path, backup: Path | None, *, config: JournalConfig | None = None) -> Recovered:
    """Make it: from the backup, or from the directory itself. `config`: of its files. Raises RecoverError."""
    # Imported here: help and refusals are quick.
    from coterie.consensus.journal import DiskFiles  # noqa: PLC0415
    from coterie.consensus.raft.errors import RaftError  # noqa: PLC0415
    from coterie.consensus.restore import found_from, read_new_cluster, read_survivor  # noqa: PLC0415
    from coterie.consensus.store import StoreError, read_snapshot  # noqa: PLC0415

    raft, draft = data_dir / RAFT_DIRECTORY, data_dir / DRAFT_DIRECTORY
    source = check_recovery(data_dir, backup)

    def move(old: Path, new: Path) -> Path:
        files = DiskFiles()
        files.rename(old, new)
        files.sync_directory(data_dir)
        return new

    try:
        lock = DataDir(data_dir)  # a running node has it
        try:
            if source == draft:
                made = read_new_cluster(draft)
            else:
                state = read_survivor(raft)[0] if backup is None else read_snapshot(_chunks(backup))
                if draft.exists():  # it may hold what exists nowhere else
                    move(draft, _free_name(raft))
                made = found_from(state, draft, config=config)
            if made is None:
                raise RecoverError(
                    f"{draft} is not whole, and there is no {RAFT_DIRECTORY}: give --backup to restore it"
                )
            aside = move(raft, _free_name(raft)) if raft.exists() else None
            move(draft, raft)
        finally:
            lock.close()
    except (DataDirError, RaftError, StoreError, OSError) as error:
        raise RecoverError(str(error)) from None
    return Recovered(made.member, made.cluster, made.keys, made.revision, aside)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    return aside
