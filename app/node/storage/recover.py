"""`coterie recover`: the one offline command, after a lost majority or to restore a backup.

It makes a *new* metadata cluster of one member from a node's data directory or a backup file. The old directory is
renamed, never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RAFT_DIRECTORY = "raft"
"""Of a data directory: what the Raft layer keeps."""

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


def check_recovery(data_dir: Path, backup: Path | None) -> Path:
    """What a new cluster would be made from. Raises RecoverError where there is nothing."""
    raft = data_dir / RAFT_DIRECTORY
    if not data_dir.is_dir():
        raise RecoverError(f"--data_dir {data_dir}: there is no such directory")
    if backup is None and not raft.is_dir():
        raise RecoverError(f"{raft}: there is no member to recover from; give --backup to restore one")
    return backup or raft


def recover(data_dir: Path, source: Path | None) -> Recovered:
    """Make it: from the backup `source`, or from the directory itself. Raises RecoverError."""
    # Imported here: help and refusals are quick.
    from coterie.app.node.storage.data_dir import DataDir, DataDirError  # noqa: PLC0415
    from coterie.consensus.raft.errors import RaftError  # noqa: PLC0415
    from coterie.consensus.restore import found_from, read_survivor  # noqa: PLC0415
    from coterie.consensus.store import StoreError, read_snapshot  # noqa: PLC0415

    raft = data_dir / RAFT_DIRECTORY
    draft = data_dir / f"{RAFT_DIRECTORY}.recovering"
    try:
        lock = DataDir(data_dir)  # a running node has it
        try:
            if draft.exists():
                raise RecoverError(f"{draft} is left from an attempt that was cut short; delete it and try again")
            state = read_snapshot(_chunks(source)) if source is not None else read_survivor(raft)[0]
            made = found_from(state, draft)
            aside = _free_name(raft)
            if raft.exists():
                raft.rename(aside)
            draft.rename(raft)
        finally:
            lock.close()
    except (DataDirError, RaftError, StoreError, OSError) as error:
        raise RecoverError(str(error)) from None
    return Recovered(str(made.member), str(made.cluster), made.keys, made.revision, aside if aside.exists() else None)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    return aside
