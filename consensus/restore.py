"""Backup, and the two ways to begin a new cluster from what is left of an old one (raft spec 4).

A backup is the state alone: its stream is versioned and checksummed. Restoring one, or going on from a survivor after
a lost majority, makes a *new* cluster of one member: with a new cluster id and member id, its revision raised to the
Unix time in microseconds, so that no fencing token is ever given again, however often one backup is restored. It names
the cluster that it replaces. Every other node must be given an empty directory and joins it anew.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from coterie.consensus.journal import JournalConfig, MemberDirectory, open_member_directory
from coterie.consensus.member.lineage import name_replaced, replaced_clusters
from coterie.consensus.member.member import Member
from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.core.model.entries import MEMBERSHIP, NO_OP, REGULAR, decode_batch
from coterie.consensus.raft.errors import CorruptStateError
from coterie.consensus.raft.ports import SnapshotInfo
from coterie.consensus.store import State, apply, read_snapshot, write_snapshot

TURN_BYTES = 1024 * 1024
"""Of a backup, between two turns of the event loop; a record that is longer comes alone."""


@dataclass(frozen=True, slots=True)
class NewCluster:
    """What was made."""

    cluster: str
    member: str
    revision: int
    keys: int


async def backup(member: Member) -> AsyncIterator[bytes]:
    """The state as it is once the call has begun, acknowledged writes included, in chunks. Raises UnavailableError."""
    await member.metadata.barrier()
    chunks = member.consumer.machine.snapshot()
    part = bytearray()
    for chunk in chunks:
        if part and len(part) + len(chunk) > TURN_BYTES:
            yield bytes(part)
            part.clear()
        part += chunk
    yield bytes(part)


def read_survivor(directory: Path) -> tuple[State, str | None]:
    """The state in a stopped member's directory, every entry of its log applied, and its cluster id.

    Entries that never were committed count too: only the lost members knew which those are.
    Raises as `open_member_directory`.
    """
    store = open_member_directory(directory)
    try:
        state = _read(store)
        state.cluster_id = state.cluster_id or store.identity.cluster_id or ""
        return state, store.identity.cluster_id
    finally:
        store.close()


def read_new_cluster(directory: Path) -> NewCluster | None:
    """What `found_from` made; None where it was cut short. Raises as `open_member_directory`."""
    store = open_member_directory(directory)
    try:
        cluster = store.identity.cluster_id
        return None if cluster is None else _made(_read(store), cluster, store.identity.member_id.hex)
    finally:
        store.close()


def _read(store: MemberDirectory) -> State:
    latest = store.snapshots.latest()
    state = State() if latest is None else read_snapshot(store.snapshots.state())
    first = 0 if latest is None else latest.index + 1
    for command, index, _ in store.journal[:]:
        if index >= first:
            _apply(state, command, index)
    return state


def _made(state: State, cluster: str, member: str) -> NewCluster:
    keys = len(state.keyspace.table) - len(replaced_clusters(state)[:1])  # what it names them in is nobody's key
    return NewCluster(cluster, member, state.keyspace.revision, keys)


def _apply(state: State, command: bytes, index: int) -> None:
    if command[:1] == REGULAR:
        for op in decode_batch(command[1:]):
            apply(state, op, index)
    elif command[:1] == MEMBERSHIP:
        state.configure(command[1:], index)
    else:
        state.skip(index)
    if state.halted:
        raise CorruptStateError(f"entry {index} needs a newer release of coterie")


def found_from(state: State, directory: Path, *, config: JournalConfig | None = None) -> NewCluster:
    """Make `directory`, which must not exist, the only member of a new cluster with this state.

    Raises FileExistsError; DiskFullError, DiskFailedError.
    """
    if directory.exists():
        raise FileExistsError(f"{directory} exists; a new cluster begins in a directory of its own")
    store = open_member_directory(directory, config=config)
    try:
        cluster, member = uuid4().hex, store.identity.member_id.hex
        name_replaced(state)
        state.start_new_cluster(cluster, time.time_ns() // 1_000)
        voters = (member,)
        draft = store.snapshots.create(SnapshotInfo((NO_OP, 1, 0), (encode_voters(voters), 2, 0), voters))
        for chunk in write_snapshot(state):
            draft.write(chunk)
        draft.seal()
        draft.install()
        store.identity.join_cluster(cluster)
    finally:
        store.close()
    return _made(state, cluster, member)
