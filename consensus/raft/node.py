"""The hardened Raft node: PySyncObj's node with the methods in the table below replaced (specification, section 2b).

It owns no socket, thread or timer. Whoever runs it calls `start` once, then `tick` on every loop turn in which
something
happened and at `next_wakeup` at the latest; the transport calls it with messages, the disk with finished jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from coterie.consensus.raft import engine
from coterie.consensus.raft.configuration import Configurations
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.durability import Durability
from coterie.consensus.raft.errors import ProtocolError, RaftError
from coterie.consensus.raft.messages import (
    AppendEntries,
    Forward,
    ForwardReply,
    Message,
    NextNodeIdx,
    Ping,
    Pong,
    RequestVote,
    ResponseVote,
    SnapshotAck,
    SnapshotChunk,
    TimeoutNow,
)
from coterie.consensus.raft.ports import Clock, Disk, Journal, SnapshotStore, StateMachine
from coterie.consensus.raft.proposals import Proposals
from coterie.consensus.raft.recovery import recover
from coterie.consensus.raft.settings import RaftSettings

logger = logging.getLogger(__name__)


class _NoSerializer:
    """Stands where PySyncObj's Serializer would: snapshots do not pass through it."""

    def __init__(self, *_: Any) -> None: ...


class RaftNode(Proposals):
    def __init__(
        self,
        member_id: str,
        bootstrap_voters: tuple[str, ...],
        *,
        journal: Journal,
        snapshots: SnapshotStore,
        machine: StateMachine,
        transport: engine.Transport,
        disk: Disk,
        clock: Clock,
        settings: RaftSettings,
        on_stop: Callable[[BaseException | None], None] | None = None,
        on_work: Callable[[], None] | None = None,
    ) -> None:
        """`bootstrap_voters`: the cluster's founding configuration, or () for a member that joined later.

        Raises CorruptStateError or OSError where the data directory must not be started from.
        """
        self.own = member_id
        self.me = Member(member_id)
        self.settings = settings
        self.clock = clock
        self.disk = disk
        self.machine = machine
        self.snapshots = snapshots
        self.on_stop = on_stop
        self.on_work = on_work
        self._prepare_core()
        self._prepare_elections()
        self._prepare_snapshots()
        self._prepare_replication()
        self._prepare_reads()
        self._prepare_transfers()
        self._prepare_proposals()
        info = recover(journal, snapshots)
        base = bootstrap_voters if info is None else info.voters
        self.configurations = Configurations(base, journal[:], from_snapshot=info is not None)
        others = [self.member(voter) for voter in self.voters if voter != member_id]
        self._construct(journal, others, transport)
        if self.durability.dirty:
            journal.sync()
            self.durability.dirty = False

    def _construct(self, journal: Journal, others: list[Member], transport: engine.Transport) -> None:
        """Run PySyncObj's constructor with our journal in, and its serializer out."""
        module: Any = engine.syncobj
        make_journal, serializer = module.createJournal, module.Serializer
        module.createJournal, module.Serializer = (lambda _: journal), _NoSerializer
        founding = not len(journal)
        try:
            engine.SyncObj.__init__(
                self, self.me, others, self.settings.engine_conf(), nodeClass=Member, transport=transport
            )
        finally:
            module.createJournal, module.Serializer = make_journal, serializer
        self.durability = Durability(self.last_index)
        self.durability.dirty = founding  # the constructor has added the first entry
        self.commit = max(self.commit, 1)
        self._postpone_election()

    # running

    def start(self) -> None:
        """The first tick: loads the snapshot. The transport delivers nothing before (fault 28).

        Raises what went wrong: a node that cannot load its state does not run.
        """
        self.tick()
        if self.failure is not None:
            raise self.failure

    def tick(self) -> None:
        """Do what is due: deadlines, campaigns, commits, applying, sending, snapshots, one sync."""
        self._event(self._tick)

    def stop(self) -> None:
        """Leave: every waiting call gets its outcome. Whoever opened the journal closes it, once the disk is idle."""
        if not self.stopped:
            self._stop()

    def _on_tick(self, timeToWait: float = 0.0) -> None:  # noqa: N803
        self.tick()

    def _tick(self) -> None:
        if self.load_pending:
            self._SyncObj__loadDumpFile(clearJournal=False)
            self.load_pending = False
        self._expire()
        self._campaign_if_due()
        if self.leading:
            self._advance_commit()
            self._check_quorum()
            self._check_disk()
        self._SyncObj__applyLogEntries()
        if self.leading and not self.votes and self.configurations.latest_index <= self.commit:
            self._send_append_entries()
            self._become_follower(self.term, None)  # its own removal is committed (thesis 4.2.2)
        self._checkCommandsToApply()
        self._serve_reads()
        if self.leading:
            self._hand_over()
            self._ping_if_due()
            self._SyncObj__sendAppendEntries()
        self._SyncObj__tryLogCompaction()

    def next_wakeup(self) -> float:
        """When a tick is due although nothing happens (the clock's seconds)."""
        due = self.election_deadline
        if self.leading:
            notices = [flow.notice_due for flow in self.flows.values() if flow.notice_due is not None]
            due = min([self.ping_due, *notices])
        if self.handover is not None:
            due = min(due, self.handover.deadline)
        first = self.deadlines.next
        return due if first is None else min(due, first)

    # messages

    def _message_received(self, member: Any, message: Message) -> None:
        self._event(self._receive, self.member(member.id), message)

    def _receive(self, sender: Member, message: Message) -> None:
        handler = _HANDLERS.get(type(message))
        try:
            if handler is None or self.load_pending or sender == self.me:
                raise ProtocolError(f"{type(message).__name__} cannot be taken")
            handler(self, sender, message)
        except ProtocolError as error:
            logger.warning("%s breaks the protocol: %s", sender, error)
            self.transport.dropNode(sender)

    # what PySyncObj does that this node does not

    def _no_code_version(self, *_: Any, **__: Any) -> None:
        """There are no replicated methods, and so no versions of them (faults 8, 14)."""

    def setCodeVersion(self, newVersion: int, callback: Any = None) -> None:  # noqa: N802, N803
        raise RaftError("operations carry their own version")

    def _no_change_request(self, command: bytes) -> None:
        """Configurations follow from the log; PySyncObj's own machinery for them is never entered (fault 20)."""

    # The table of what is replaced. PySyncObj looks all of these up by name at run time.
    _onTick = _on_tick  # noqa: N815
    _checkCommandsToApply = Proposals._check_commands_to_apply  # noqa: N815
    _SyncObj__onMessageReceived = _message_received
    _SyncObj__onNodeConnected = Proposals._node_connected
    _SyncObj__onNodeDisconnected = Proposals._node_disconnected
    _SyncObj__onReadonlyNodeConnected = Proposals._node_connected
    _SyncObj__onReadonlyNodeDisconnected = Proposals._node_disconnected
    _SyncObj__connectedToAnyone = Proposals._connected_to_anyone
    _SyncObj__onBecomeLeader = Proposals._become_leader
    _SyncObj__setCurrentTerm = Proposals._store_term
    _SyncObj__generateRaftTimeout = Proposals._election_timeout
    _SyncObj__sendAppendEntries = Proposals._send_append_entries
    _SyncObj__applyLogEntries = Proposals._apply_log_entries
    _SyncObj__doApplyCommand = Proposals._do_apply_command
    _SyncObj__loadDumpFile = Proposals._load_dump_file
    _SyncObj__tryLogCompaction = Proposals._try_log_compaction
    _SyncObj__parseChangeClusterRequest = _no_change_request
    _SyncObj__onSetCodeVersion = _no_code_version


_HANDLERS: dict[type, Callable[[RaftNode, Member, Any], None]] = {
    RequestVote: RaftNode._on_request_vote,
    ResponseVote: RaftNode._on_response_vote,
    AppendEntries: RaftNode._on_append_entries,
    NextNodeIdx: RaftNode._on_next_node_idx,
    Ping: RaftNode._on_ping,
    Pong: RaftNode._on_pong,
    SnapshotChunk: RaftNode._on_snapshot_chunk,
    SnapshotAck: RaftNode._on_snapshot_ack,
    TimeoutNow: RaftNode._on_timeout_now,
    Forward: RaftNode._on_forward,
    ForwardReply: RaftNode._on_forward_reply,
}
