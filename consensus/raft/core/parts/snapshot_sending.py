"""Sending a snapshot to a member: acknowledged chunks in a window, resumed where a broken link left off (faults 12, 25;
raft spec 2b, flow control)."""

from __future__ import annotations

from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.progress import SNAPSHOT, Progress, SnapshotTransfer
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import SnapshotAck, SnapshotChunk


def begin_transfer(s: RaftState, member: str, progress: Progress) -> None:
    if s.now < progress.probe_due:
        return
    s.transfers += 1
    progress.probe(s.now)
    progress.mode = SNAPSHOT
    progress.transfer = SnapshotTransfer(s.transfers, s.snapshots.open(), s.now)
    send_chunks(s, member, progress)


def send_chunks(s: RaftState, member: str, progress: Progress) -> None:
    """Send chunks as far as the window allows; the first one alone, for its answer says what is there already."""
    transfer = progress.transfer
    if transfer is None or s.now - transfer.since > s.settings.snapshot_patience:
        progress.probe(s.now)
        return
    size = s.settings.snapshot_chunk_bytes
    reader = transfer.reader
    info = reader.info
    while not transfer.final_sent and transfer.sent - transfer.held < s.settings.snapshot_window * size:
        if transfer.sent and not transfer.answered:
            return
        data = reader.read(transfer.sent, size)
        final = transfer.sent + len(data) >= reader.size
        chunk = SnapshotChunk(s.term, transfer.number, info.index, info.term, transfer.sent, data, final)
        s.ready.send(member, chunk)
        transfer.sent += len(data)
        transfer.final_sent = final


def on_snapshot_ack(s: RaftState, member: str, ack: SnapshotAck) -> None:
    progress = become.hear_answer(s, member, ack.term)
    transfer = None if progress is None else progress.transfer
    if progress is None or transfer is None or ack.transfer != transfer.number:
        return
    if ack.state == "receiving":
        if ack.offset > transfer.reader.size:
            raise ProtocolError(f"{member} holds {ack.offset} bytes of a snapshot of {transfer.reader.size}")
        transfer.since = s.now
        transfer.holds(ack.offset)
        return
    index = transfer.reader.info.index
    progress.probe(s.now)
    if ack.state == "installed":
        s.metrics.snapshots["sent"] += 1
        progress.acknowledged(index, s.now)
    else:
        progress.probe_due = s.now + s.settings.leader_fallback
