"""Sending a snapshot to a member: acknowledged chunks in a window, resumed where a broken link left off (faults 12, 25;
raft spec 2b, flow control).

Opening the file and reading it are jobs of the disk. Where a member cannot read what came, the sender is to blame until
its own file has proved sound: it verifies it, and takes a new snapshot of its state in the place of a damaged one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from itertools import islice

from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.events import ignore
from coterie.consensus.raft.core.model.progress import SNAPSHOT, Progress, SnapshotTransfer
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts.snapshot_taking import is_full
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import SnapshotAck, SnapshotChunk
from coterie.consensus.raft.ports import SnapshotReader

logger = logging.getLogger(__name__)


def begin_transfer(s: RaftState, member: str, progress: Progress) -> None:
    if s.now < progress.probe_due or s.snapshot_damaged:
        return
    s.transfers += 1
    progress.probe(s.now)
    progress.mode = SNAPSHOT
    transfer = SnapshotTransfer(s.transfers, s.now, lambda reader: s.ready.job(reader.close, ignore))
    progress.transfer = transfer
    s.ready.job(s.snapshots.open, partial(_opened, member, transfer))


def _opened(
    member: str, transfer: SnapshotTransfer, s: RaftState, reader: SnapshotReader | None, error: BaseException | None
) -> None:
    if error is not None and is_full(error):
        progress = s.progress.get(member)
        if progress is not None and progress.transfer is transfer:  # no file descriptor: later
            progress.probe(s.now)
            progress.probe_due = s.now + s.settings.leader_fallback
        return
    if reader is None or error is not None:
        _damaged(s, error)
        return
    transfer.opened(reader)
    if not transfer.ended:
        send_chunks(s, member, s.progress[member])


def send_chunks(s: RaftState, member: str, progress: Progress) -> None:
    """Read what the window has room for; the first chunk alone, for its answer says what is there already."""
    transfer = progress.transfer
    if transfer is None or s.now - transfer.since > s.settings.snapshot_patience:
        progress.probe(s.now)
        return
    reader = transfer.reader
    if reader is None or transfer.reading or transfer.final_sent or (transfer.sent and not transfer.answered):
        return
    size = s.settings.snapshot_chunk_bytes
    room = s.settings.snapshot_window * size - (transfer.sent - transfer.held) if transfer.sent else size
    if room > 0:
        transfer.reading = True
        ends = min(transfer.sent + room, reader.size)
        offsets = range(transfer.sent, max(ends, transfer.sent + 1), size)
        s.ready.job(
            lambda: [reader.read(offset, size) for offset in offsets],
            partial(_chunks_read, member, transfer, transfer.sent),
        )


def _chunks_read(
    member: str,
    transfer: SnapshotTransfer,
    offset: int,
    s: RaftState,
    chunks: list[bytes] | None,
    error: BaseException | None,
) -> None:
    transfer.reading = False
    if transfer.ended or transfer.reader is None:
        return
    if chunks is None or error is not None:
        _damaged(s, error)
        return
    reader = transfer.reader
    info = reader.info
    for data in chunks:
        if offset == transfer.sent:  # else the member has said meanwhile that it holds more
            final = offset + len(data) >= reader.size
            chunk = SnapshotChunk(s.term, transfer.number, info.index, info.term, offset, data, final)
            s.ready.send(member, chunk)
            transfer.sent += len(data)
            transfer.final_sent = final
        offset += len(data)


def on_snapshot_ack(s: RaftState, member: str, ack: SnapshotAck) -> None:
    progress = become.hear_answer(s, member, ack.term)
    transfer = None if progress is None else progress.transfer
    if progress is None or transfer is None or transfer.reader is None or ack.transfer != transfer.number:
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
    elif ack.unreadable:
        progress.probe_due = s.now + s.settings.snapshot_backoff
        _verify(s, member)
    else:
        progress.probe_due = s.now + s.settings.leader_fallback


# is the own file sound?


def _verify(s: RaftState, member: str) -> None:
    """Read the installed snapshot back: `member` could not read what it was sent of it."""
    if not s.verifying and not s.snapshot_damaged:
        s.verifying = True
        _verify_slice(s, member, s.snapshots.state())


def _verify_slice(s: RaftState, member: str, chunks: Iterator[bytes]) -> None:
    count = s.settings.snapshot_slice
    s.ready.job(lambda: sum(1 for _ in islice(chunks, count)) == count, partial(_slice_verified, member, chunks))


def _slice_verified(
    member: str, chunks: Iterator[bytes], s: RaftState, more: bool | None, error: BaseException | None
) -> None:
    if more and error is None:
        _verify_slice(s, member, chunks)
        return
    s.verifying = False
    if error is not None:
        _damaged(s, error)
    else:
        logger.warning("%s cannot read the snapshot that it was sent, and the file here is sound", member)


def _damaged(s: RaftState, error: BaseException | None) -> None:
    """The installed snapshot cannot be read here: nobody is sent it, and a new one takes its place at once. The state
    that it was made of is in memory."""
    logger.error("the own snapshot is damaged, and a new one is taken in its place: %s", error)
    s.metrics.snapshots["damaged"] += 1
    s.snapshot_damaged = True
    for progress in s.progress.values():
        if progress.transfer is not None:
            progress.probe(s.now)
