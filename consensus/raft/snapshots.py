"""Snapshots: taken in slices, sent in acknowledged chunks, installed only when verified, loaded and synced
(paper 7; faults 4, 10, 12, 17, 18, 19, 21, 22; specification, section 2b, durability and flow control)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from consensus.raft import flow as flows
from consensus.raft import rules
from consensus.raft.configuration import Configurations
from consensus.raft.core import Member
from consensus.raft.elections import Elections
from consensus.raft.errors import CorruptSnapshotError
from consensus.raft.flow import Flow, Transfer
from consensus.raft.messages import SnapshotAck, SnapshotChunk, SnapshotState
from consensus.raft.ports import SnapshotInfo, SnapshotWriter

logger = logging.getLogger(__name__)


class Saving:
    """An own snapshot in the making."""

    __slots__ = ("busy", "chunks", "info", "writer")

    def __init__(self, info: SnapshotInfo, chunks: Iterator[bytes], writer: SnapshotWriter) -> None:
        self.info = info
        self.chunks = chunks
        self.writer = writer
        self.busy = False  # a disk job is under way


class Incoming:
    """A snapshot that is arriving. `leader`, `term` and `number` say which transfer it is."""

    __slots__ = ("last_index", "last_term", "leader", "number", "offset", "term", "writer")

    def __init__(self, leader: Member, chunk: SnapshotChunk, writer: SnapshotWriter) -> None:
        self.leader = leader
        self.term = chunk.term
        self.number = chunk.transfer
        self.last_index = chunk.last_index
        self.last_term = chunk.last_term
        self.writer = writer
        self.offset = 0  # bytes taken so far


class Snapshots(Elections):
    def _prepare_snapshots(self) -> None:
        self.saving: Saving | None = None
        self.incoming: Incoming | None = None
        self.snapshot_index = 0
        """Index of the last entry in the installed snapshot; 0 without one."""
        self._save_not_before = 0.0
        self._save_forced = False
        self._unreadable = 0  # snapshots refused in a row
        self._transfers = 0

    # loading, once, before any message

    def _load_dump_file(self, clearJournal: bool = False) -> None:  # noqa: N803
        """Load the installed snapshot. It was verified before; what still goes wrong stops the node (fault 10).
        The configuration stays that of snapshot *and* log (fault 19)."""
        info = self.snapshots.latest()
        if info is None:
            return
        self.machine.restore(self.snapshots.state())
        self.snapshot_index = self.applied = info.index
        self._commit_to(info.index)
        self.configurations = Configurations(
            info.voters, self.entries_from(info.index + 1, len(self.log)), from_snapshot=True
        )
        self._configuration_changed()

    # taking

    def _try_log_compaction(self) -> None:
        """Take the next slice of a snapshot, or start one where the log has grown enough."""
        if self.saving is not None:
            self._save_slice(self.saving)
            return
        now = self.clock.monotonic()
        grown = self.applied - max(self.snapshot_index, 1)
        if grown <= 0 or now < self._save_not_before:
            return
        if not self._save_forced:
            if grown < self.settings.compact_after:
                return
            sending = any(flow.transfer is not None for flow in self.flows.values())
            if sending and grown < 4 * self.settings.compact_after:
                return  # or the log after the snapshot on its way would be gone when it arrives
        self._save_forced = False
        prev, last = self.entries_from(self.applied - 1, 2)
        info = SnapshotInfo(prev, last, self.configurations.as_of(self.applied))
        if not info.voters:
            return  # a newcomer that has not been told the configuration yet
        try:
            writer = self.snapshots.create(info)
        except OSError as error:
            self._save_failed(None, error)
            return
        self.saving = Saving(info, self.machine.snapshot(), writer)
        self._save_slice(self.saving)

    def compact(self) -> None:
        """Take a snapshot soon, however short the log is."""
        self._save_forced = True

    def _save_slice(self, saving: Saving) -> None:
        if saving.busy:
            return
        chunks = list(islice(saving.chunks, self.settings.snapshot_slice))
        writer = saving.writer

        def write() -> bool:
            for chunk in chunks:
                writer.write(chunk)
            if not chunks:
                writer.seal()
            return not chunks

        saving.busy = True
        self.disk.submit(write, lambda sealed, error: self._event(self._slice_saved, saving, sealed, error))

    def _slice_saved(self, saving: Saving, sealed: bool | None, error: BaseException | None) -> None:
        saving.busy = False
        if error is not None:
            self._save_failed(saving.writer, error)
            return
        if not sealed:
            self._save_slice(saving)
            return
        self.saving = None
        if saving.info.index <= self.snapshot_index:  # a newer one has arrived from the leader meanwhile
            saving.writer.abort()
            return
        saving.writer.install()
        self.snapshot_index = saving.info.index
        self._cut(saving.info)

    def _save_failed(self, writer: SnapshotWriter | None, error: BaseException) -> None:
        if not isinstance(error, OSError):
            raise error
        logger.warning("a snapshot could not be written: %s", error)
        self.saving = None
        if writer is not None:
            writer.abort()
        self._save_not_before = self.clock.monotonic() + self.settings.snapshot_backoff

    # sending

    def _begin_transfer(self, member: Member, flow: Flow, now: float) -> None:
        if now < flow.probe_due:
            return
        self._transfers += 1
        flow.probe(now)
        flow.mode = flows.SNAPSHOT
        flow.transfer = Transfer(self._transfers, self.snapshots.open(), now)
        self._send_snapshot(member, flow, now)

    def _send_snapshot(self, member: Member, flow: Flow, now: float) -> None:
        """Send chunks as far as the window allows."""
        transfer = flow.transfer
        if transfer is None or now - transfer.since > self.settings.snapshot_patience:
            flow.probe(now)
            return
        size = self.settings.snapshot_chunk_bytes
        reader = transfer.reader
        while not transfer.final_sent and transfer.sent - transfer.held < self.settings.snapshot_window * size:
            data = reader.read(transfer.sent, size)
            final = transfer.sent + len(data) >= reader.size
            info = reader.info
            chunk = SnapshotChunk(self.term, transfer.number, info.index, info.term, transfer.sent, data, final)
            self._send(member, chunk)
            transfer.sent += len(data)
            transfer.final_sent = final

    def _on_snapshot_ack(self, member: Member, ack: SnapshotAck) -> None:
        if not self._answered(member, ack.term):
            return
        flow = self.flows[member]
        transfer = flow.transfer
        if transfer is None or ack.transfer != transfer.number:
            return
        now = self.clock.monotonic()
        if ack.state == "receiving":
            transfer.since = now
            transfer.held = max(transfer.held, ack.offset)
            return
        index = transfer.reader.info.index
        flow.probe(now)
        if ack.state == "installed":
            self._matched(member, flow, index, now)
        else:
            flow.probe_due = now + self.settings.leader_fallback

    # receiving

    def _on_snapshot_chunk(self, leader: Member, chunk: SnapshotChunk) -> None:
        """Take a chunk. It moves neither the log nor the commit index (fault 17)."""
        if chunk.term < self.term:
            self._send(leader, SnapshotAck(self.term, chunk.transfer, 0, "failed"))
            return
        self._see_term(chunk.term)
        self._hear_leader(leader)
        if not rules.wants_snapshot(chunk.last_index, self.commit):
            self._drop_incoming()
            self._send(leader, SnapshotAck(self.term, chunk.transfer, chunk.offset, "installed"))
            return
        if chunk.offset == 0:
            self._drop_incoming()
            try:
                self.incoming = Incoming(leader, chunk, self.snapshots.receive())
            except OSError as error:
                logger.warning("a snapshot cannot be taken: %s", error)
        incoming = self.incoming
        if (
            incoming is None
            or (incoming.leader, incoming.term, incoming.number) != (leader, chunk.term, chunk.transfer)
            or incoming.offset != chunk.offset
        ):
            self._send(leader, SnapshotAck(self.term, chunk.transfer, chunk.offset, "failed"))
            return
        incoming.offset += len(chunk.data)
        writer = incoming.writer

        def write() -> SnapshotInfo | None:
            writer.write(chunk.data)
            return writer.seal() if chunk.final else None

        end = incoming.offset
        self.disk.submit(write, lambda info, error: self._event(self._chunk_written, incoming, end, info, error))

    def _drop_incoming(self) -> None:
        if self.incoming is not None:
            writer = self.incoming.writer
            self.disk.submit(writer.abort, lambda _result, _error: None)
            self.incoming = None

    def _chunk_written(
        self, incoming: Incoming, end: int, info: SnapshotInfo | None, error: BaseException | None
    ) -> None:
        if incoming is not self.incoming:
            return
        state: SnapshotState = "receiving"
        if error is not None:
            state = "failed"
            logger.warning("a snapshot from %s is refused: %s", incoming.leader, error)
            self._drop_incoming()
            if not isinstance(error, OSError):
                self._refused(error)
        elif info is not None:
            self.incoming = None
            state = "installed" if self._install(incoming, info) else "failed"
        if incoming.term == self.term:
            self._send(incoming.leader, SnapshotAck(self.term, incoming.number, end, state))

    def _install(self, incoming: Incoming, info: SnapshotInfo) -> bool:
        """Load a sealed snapshot, install it, and only then change the log. False where it is refused."""
        writer = incoming.writer
        if not rules.wants_snapshot(info.index, self.commit):
            writer.abort()
            return info.index == incoming.last_index
        if (info.index, info.term) != (incoming.last_index, incoming.last_term):
            writer.abort()
            self._refused(CorruptSnapshotError("a snapshot is not what was announced"))
            return False
        try:
            self.machine.restore(writer.state())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the former state is intact
            logger.warning("a snapshot from %s cannot be loaded: %r", incoming.leader, error)
            writer.abort()
            self._refused(error)
            return False
        writer.install()
        self._unreadable = 0
        self.snapshot_index = info.index
        if rules.keeps_suffix(info.index, info.term, self.first_index, self.last_index, self.term_at):
            self._cut(info)
        else:
            self._replace(info)
        self.applied = info.index
        self._commit_to(info.index)
        self._jumped(info.index)
        return True

    def _refused(self, error: BaseException) -> None:
        """After several unreadable snapshots in a row the node stops instead of asking for ever (fault 22)."""
        self._unreadable += 1
        if self._unreadable >= self.settings.snapshot_failures:
            raise CorruptSnapshotError(f"{self._unreadable} snapshots in a row could not be read") from error

    def _jumped(self, index: int) -> None:
        """The state is now that of a snapshot up to `index`. Layers above add their own."""

    def _send_still_receiving(self, leader: Member) -> None:
        """A disk that takes its time with a snapshot is no reason to start over."""
        incoming = self.incoming
        if incoming is not None and incoming.leader == leader and incoming.term == self.term:
            self._send(leader, SnapshotAck(self.term, incoming.number, 0, "receiving"))

    def _commit_to(self, index: int) -> None:
        if index > self.commit:
            self.commit = index
            self.log.setRaftCommitIndex(index)

    # of the layer above

    def _answered(self, member: Member, term: int) -> bool:
        raise NotImplementedError

    def _matched(self, member: Member, flow: Flow, match: int, now: float) -> None:
        raise NotImplementedError

    def _abandon(self) -> None:
        super()._abandon()
        self.saving = None
        self.incoming = None
