"""Sending a snapshot to a member: acknowledged chunks in a window, resumed where a broken link left off (faults 12, 25;
specification, section 2b, flow control)."""

from __future__ import annotations

from coterie.consensus.raft import flow as flows
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.flow import Flow, Transfer
from coterie.consensus.raft.messages import SnapshotAck, SnapshotChunk
from coterie.consensus.raft.snapshots import Snapshots


class SnapshotSending(Snapshots):
    def _prepare_snapshots(self) -> None:
        super()._prepare_snapshots()
        self._transfers = 0

    def _begin_transfer(self, member: Member, flow: Flow, now: float) -> None:
        if now < flow.probe_due:
            return
        self._transfers += 1
        flow.probe(now)
        flow.mode = flows.SNAPSHOT
        flow.transfer = Transfer(self._transfers, self.snapshots.open(), now)
        self._send_snapshot(member, flow, now)

    def _send_snapshot(self, member: Member, flow: Flow, now: float) -> None:
        """Send chunks as far as the window allows; the first one alone, for its answer says what is there already."""
        transfer = flow.transfer
        if transfer is None or now - transfer.since > self.settings.snapshot_patience:
            flow.probe(now)
            return
        size = self.settings.snapshot_chunk_bytes
        reader = transfer.reader
        info = reader.info
        while not transfer.final_sent and transfer.sent - transfer.held < self.settings.snapshot_window * size:
            if transfer.sent and not transfer.answered:
                return
            data = reader.read(transfer.sent, size)
            final = transfer.sent + len(data) >= reader.size
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
            if ack.offset > transfer.reader.size:
                raise ProtocolError(f"{member} holds {ack.offset} bytes of a snapshot of {transfer.reader.size}")
            transfer.since = now
            transfer.holds(ack.offset)
            return
        index = transfer.reader.info.index
        flow.probe(now)
        if ack.state == "installed":
            self.figures.snapshots["sent"] += 1
            self._matched(member, flow, index, now)
        else:
            flow.probe_due = now + self.settings.leader_fallback

    # of the layer above

    def _answered(self, member: Member, term: int) -> bool:
        raise NotImplementedError

    def _matched(self, member: Member, flow: Flow, match: int, now: float) -> None:
        raise NotImplementedError
