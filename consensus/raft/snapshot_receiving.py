"""Receiving a snapshot: bytes to the disk, verified there, loaded in slices beside the old state, installed, and only
then put in place of state and log (paper 7; faults 17, 18, 22; specification, section 2b).

A snapshot holds what is committed, so one that is here whole stays good whoever leads meanwhile. Between two slices
anything may happen: it is given up only where the commit index passes it, or where it turns out to be unreadable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from coterie.consensus.raft import rules
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.errors import CorruptSnapshotError, SafetyError
from coterie.consensus.raft.messages import SnapshotAck, SnapshotChunk, SnapshotState
from coterie.consensus.raft.ports import SnapshotInfo, SnapshotWriter, StateLoader
from coterie.consensus.raft.snapshot_sending import SnapshotSending
from coterie.consensus.raft.snapshots import is_full

logger = logging.getLogger(__name__)


class Incoming:
    """A snapshot that arrives. `leader`, `term` and `number` say which transfer brings it."""

    __slots__ = ("last_index", "last_term", "leader", "loading", "number", "offset", "term", "writer")

    def __init__(self, leader: Member, chunk: SnapshotChunk, writer: SnapshotWriter) -> None:
        self.leader = leader
        self.term = chunk.term
        self.number = chunk.transfer
        self.last_index = chunk.last_index
        self.last_term = chunk.last_term
        self.writer = writer
        self.offset = 0  # bytes taken so far
        self.loading: Loading | None = None  # once all bytes are here and verified

    def continues(self, leader: Member, chunk: SnapshotChunk) -> bool:
        """Does a chunk belong to this snapshot, as this leader has it in this term? Then its bytes are the same."""
        theirs = (leader, chunk.term, chunk.last_index, chunk.last_term)
        return theirs == (self.leader, self.term, self.last_index, self.last_term)


class Loading:
    """A sealed snapshot on its way into the state."""

    __slots__ = ("chunks", "info", "loader")

    def __init__(self, info: SnapshotInfo, writer: SnapshotWriter, loader: StateLoader) -> None:
        self.info = info
        self.chunks = _chunks(writer)
        self.loader = loader


def _chunks(writer: SnapshotWriter) -> Iterator[bytes]:
    yield from writer.state()  # opened and read by whoever iterates: the disk thread


class SnapshotReceiving(SnapshotSending):
    def _prepare_snapshots(self) -> None:
        super()._prepare_snapshots()
        self.incoming: Incoming | None = None
        self._unreadable = 0  # snapshots refused in a row

    # the bytes

    def _on_snapshot_chunk(self, leader: Member, chunk: SnapshotChunk) -> None:
        """Take a chunk. It moves neither the log nor the commit index (fault 17)."""
        if chunk.term < self.term:
            self._send(leader, SnapshotAck(self.term, chunk.transfer, 0, "failed"))
            return
        self._see_term(chunk.term)
        self._hear_leader(leader)
        if self.incoming is not None and not rules.wants_snapshot(self.incoming.last_index, self.commit):
            self._drop_incoming()  # the log has brought it all meanwhile
        if not rules.wants_snapshot(chunk.last_index, self.commit):
            self._send(leader, SnapshotAck(self.term, chunk.transfer, chunk.offset, "installed"))
            return
        incoming = self._incoming_for(leader, chunk)
        if incoming is None or chunk.offset > incoming.offset:
            self._send(leader, SnapshotAck(self.term, chunk.transfer, chunk.offset, "failed"))
        elif chunk.offset < incoming.offset:  # a transfer that goes on after its link broke
            self._send(leader, SnapshotAck(self.term, chunk.transfer, incoming.offset, "receiving"))
        else:
            self._take(incoming, chunk)

    def _incoming_for(self, leader: Member, chunk: SnapshotChunk) -> Incoming | None:
        """The snapshot that a chunk is a part of; None where it cannot be taken now."""
        incoming = self.incoming
        if incoming is not None and incoming.continues(leader, chunk):
            if chunk.offset == 0:
                incoming.number = chunk.transfer
            return incoming if incoming.number == chunk.transfer else None
        if chunk.offset or (incoming is not None and incoming.loading is not None):
            return None  # what is here whole is loaded first
        self._drop_incoming()
        try:
            self.incoming = Incoming(leader, chunk, self.snapshots.receive())
        except OSError as error:
            self._incoming_failed(error)
        return self.incoming

    def _take(self, incoming: Incoming, chunk: SnapshotChunk) -> None:
        incoming.offset += len(chunk.data)
        writer = incoming.writer

        def write() -> SnapshotInfo | None:
            writer.write(chunk.data)
            return writer.seal() if chunk.final else None

        end = incoming.offset
        self.disk.submit(write, lambda info, error: self._event(self._chunk_written, incoming, end, info, error))

    def _chunk_written(
        self, incoming: Incoming, end: int, info: SnapshotInfo | None, error: BaseException | None
    ) -> None:
        if incoming is not self.incoming:
            return
        if error is not None:
            self._incoming_failed(error)
        elif info is None:
            self._answer_incoming(incoming, "receiving", end)
        elif (info.index, info.term) != (incoming.last_index, incoming.last_term):
            self._incoming_failed(CorruptSnapshotError("a snapshot is not what was announced"))
        else:
            incoming.loading = Loading(info, incoming.writer, self.machine.loader())
            self._load_slice(incoming, incoming.loading)

    def _answer_incoming(self, incoming: Incoming, state: SnapshotState, offset: int) -> None:
        if incoming.term == self.term:
            self._send(incoming.leader, SnapshotAck(self.term, incoming.number, offset, state))

    def _send_still_receiving(self, leader: Member) -> None:
        """A disk that takes its time with a snapshot is no reason to start over."""
        incoming = self.incoming
        if incoming is not None and incoming.leader == leader:
            self._answer_incoming(incoming, "receiving", 0)

    # into the state

    def _load_slice(self, incoming: Incoming, loading: Loading) -> None:
        """Read the next chunks of state in the disk thread, and load them in an event of their own."""
        count = self.settings.snapshot_load_slice
        self.disk.submit(
            lambda: list(islice(loading.chunks, count)),
            lambda chunks, error: self._event(self._slice_read, incoming, loading, chunks, error),
        )

    def _slice_read(
        self, incoming: Incoming, loading: Loading, chunks: list[bytes], error: BaseException | None
    ) -> None:
        if incoming is not self.incoming:
            return
        if error is not None:
            self._incoming_failed(error)
            return
        if not rules.wants_snapshot(loading.info.index, self.commit):
            self._drop_incoming()
            self._answer_incoming(incoming, "installed", incoming.offset)
            return
        try:
            for chunk in chunks:
                loading.loader.feed(chunk)
            if not chunks:
                loading.loader.finish()
        except Exception as unreadable:  # noqa: BLE001 - whatever is wrong with it, the former state is intact
            self._incoming_failed(unreadable)
            return
        if chunks:
            self._load_slice(incoming, loading)
            return
        self.state_ahead = True
        self.disk.submit(
            incoming.writer.install, lambda _, error: self._event(self._installed, incoming, loading.info, error)
        )

    def _installed(self, incoming: Incoming, info: SnapshotInfo, error: BaseException | None) -> None:
        """It is loaded, and durable under its name: now the log follows. Nothing was applied since it was loaded."""
        if error is not None:
            raise error
        self.incoming = None
        self.state_ahead = False
        self._unreadable = 0
        self.figures.snapshots["received"] += 1
        self.snapshot_index = info.index
        if rules.keeps_suffix(info.index, info.term, self.first_index, self.last_index, self.term_at):
            self._cut(info)
        elif self.leading:
            raise SafetyError(f"a snapshot up to {info.index} is committed, and this leader's log does not hold it")
        else:
            self._replace(info)
        self.applied = info.index
        self._commit_to(info.index)
        self._jumped(info.index)
        self._answer_incoming(incoming, "installed", incoming.offset)

    def _jumped(self, index: int) -> None:
        """The state is now that of a snapshot up to `index`. Layers above add their own."""

    # giving up

    def _incoming_failed(self, error: BaseException) -> None:
        """A full disk and a snapshot that cannot be read are told the leader, who tries again; after several
        unreadable ones in a row the node stops instead of asking for ever (fault 22), and a failing disk stops it at
        once."""
        if isinstance(error, OSError) and not is_full(error):
            raise error
        incoming = self.incoming
        logger.warning("a snapshot is not taken: %r", error)
        self._drop_incoming()
        if incoming is not None:
            self._answer_incoming(incoming, "failed", incoming.offset)
        if is_full(error):
            return
        self._unreadable += 1
        if self._unreadable >= self.settings.snapshot_failures:
            raise CorruptSnapshotError(f"{self._unreadable} snapshots in a row could not be read") from error

    def _drop_incoming(self) -> None:
        """Forget what has arrived, unless the state is already made of it."""
        if self.incoming is not None and not self.state_ahead:
            self._discard(self.incoming.writer)
            self.incoming = None

    def _term_changed(self) -> None:
        super()._term_changed()
        if self.incoming is not None and self.incoming.loading is None:
            self._drop_incoming()  # another leader's copy may differ in its bytes

    def _abandon(self) -> None:
        super()._abandon()
        self.state_ahead = False
        self._drop_incoming()
