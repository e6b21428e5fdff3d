"""Receiving a snapshot: bytes to the disk, verified there, loaded in slices beside the old state, installed, and only
then put in place of state and log (paper 7; faults 17, 18, 22; raft spec 2b).

A snapshot holds what is committed, so one that is here whole stays good under any leader. Between two slices
anything may happen: it is given up only where the commit index passes it, or where it turns out to be unreadable.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import islice

from coterie.consensus.raft.core import rules
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.drafts import Incoming, Loading
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts.snapshot_taking import is_full
from coterie.consensus.raft.errors import CorruptSnapshotError
from coterie.consensus.raft.messages import SnapshotAck, SnapshotChunk, SnapshotState
from coterie.consensus.raft.ports import SnapshotInfo

logger = logging.getLogger(__name__)

# the bytes


def on_snapshot_chunk(s: RaftState, leader: str, chunk: SnapshotChunk) -> None:
    """Take a chunk. It moves neither the log nor the commit index (fault 17)."""
    if chunk.term < s.term:
        s.ready.send(leader, SnapshotAck(s.term, chunk.transfer, 0, "failed"))
        return
    become.see_term(s, chunk.term)
    become.hear_leader(s, leader)
    if s.incoming is not None and not rules.wants_snapshot(s.incoming.last_index, s.commit):
        become.drop_incoming(s)  # the log has brought it all meanwhile
    if not rules.wants_snapshot(chunk.last_index, s.commit):
        s.ready.send(leader, SnapshotAck(s.term, chunk.transfer, chunk.offset, "installed"))
        return
    incoming = _incoming_for(s, leader, chunk)
    if incoming is None or chunk.offset > incoming.offset:
        s.ready.send(leader, SnapshotAck(s.term, chunk.transfer, chunk.offset, "failed"))
    elif chunk.offset < incoming.offset:  # a transfer that goes on after its link broke
        s.ready.send(leader, SnapshotAck(s.term, chunk.transfer, incoming.offset, "receiving"))
    else:
        _take(s, incoming, chunk)


def _incoming_for(s: RaftState, leader: str, chunk: SnapshotChunk) -> Incoming | None:
    """The snapshot that a chunk is a part of; None where it cannot be taken now."""
    incoming = s.incoming
    if incoming is not None and incoming.continues(leader, chunk):
        if chunk.offset == 0:
            incoming.number = chunk.transfer
        return incoming if incoming.number == chunk.transfer else None
    if chunk.offset or (incoming is not None and incoming.loading is not None):
        return None  # what is here whole is loaded first
    become.drop_incoming(s)
    s.incoming = Incoming(leader, chunk, s.snapshots.receive())
    return s.incoming


def _take(s: RaftState, incoming: Incoming, chunk: SnapshotChunk) -> None:
    incoming.offset += len(chunk.data)
    writer = incoming.writer

    def write() -> SnapshotInfo | None:
        writer.write(chunk.data)
        return writer.seal() if chunk.final else None

    s.ready.job(write, partial(_chunk_written, incoming, incoming.offset))


def _chunk_written(
    incoming: Incoming, end: int, s: RaftState, info: SnapshotInfo | None, error: BaseException | None
) -> None:
    if incoming is not s.incoming:
        return
    if error is not None:
        _incoming_failed(s, error)
    elif info is None:
        answer_incoming(s, incoming, "receiving", end)
    elif (info.index, info.term) != (incoming.last_index, incoming.last_term):
        _incoming_failed(s, CorruptSnapshotError("a snapshot is not what was announced"))
    else:
        incoming.loading = Loading(info, incoming.writer, s.machine.loader())
        _load_slice(s, incoming, incoming.loading)


def answer_incoming(
    s: RaftState, incoming: Incoming, state: SnapshotState, offset: int, *, unreadable: bool = False
) -> None:
    if incoming.term == s.term:
        s.ready.send(incoming.leader, SnapshotAck(s.term, incoming.number, offset, state, unreadable))


def still_receiving(s: RaftState, leader: str) -> None:
    """A disk that takes its time with a snapshot is no reason to start over."""
    if s.incoming is not None and s.incoming.leader == leader:
        answer_incoming(s, s.incoming, "receiving", 0)


# into the state


def _load_slice(s: RaftState, incoming: Incoming, loading: Loading) -> None:
    """Read the next chunks of state in a disk job, and load them in an event of their own."""
    count = s.settings.snapshot_load_slice
    s.ready.job(lambda: list(islice(loading.chunks, count)), partial(_slice_read, incoming, loading))


def _slice_read(
    incoming: Incoming, loading: Loading, s: RaftState, chunks: list[bytes], error: BaseException | None
) -> None:
    if incoming is not s.incoming:
        return
    if error is not None:
        _incoming_failed(s, error)
        return
    if not rules.wants_snapshot(loading.info.index, s.commit):
        become.drop_incoming(s)
        answer_incoming(s, incoming, "installed", incoming.offset)
        return
    try:
        for chunk in chunks:
            loading.loader.feed(chunk)
        if not chunks:
            loading.loader.finish()
    except Exception as unreadable:  # noqa: BLE001 - whatever is wrong with it, the former state is intact
        _incoming_failed(s, unreadable)
        return
    if chunks:
        _load_slice(s, incoming, loading)
        return
    s.state_ahead = True
    s.ready.job(incoming.writer.install, partial(_installed, incoming, loading.info))


def _installed(incoming: Incoming, info: SnapshotInfo, s: RaftState, _: object, error: BaseException | None) -> None:
    """It is loaded, and durable under its name. Nothing was applied since it was loaded."""
    if error is not None:
        raise error
    become.snapshot_installed(s, info)
    answer_incoming(s, incoming, "installed", incoming.offset)


def _incoming_failed(s: RaftState, error: BaseException) -> None:
    """The leader hears of a full disk and of a snapshot that cannot be read, and sends another one (fault 22). No bytes
    of another member's stop this node; its own disk does where it fails."""
    if isinstance(error, OSError) and not is_full(error):
        raise error
    incoming = s.incoming
    logger.warning("a snapshot is not taken: %r", error)
    become.drop_incoming(s)
    unreadable = not is_full(error)
    if unreadable:
        s.metrics.snapshots["refused"] += 1
    if incoming is not None:
        answer_incoming(s, incoming, "failed", incoming.offset, unreadable=unreadable)
