"""Writes: batched, forwarded to the leader, applied, answered (faults 1, 8, 9, 14, 20, 26, 30; promise 4).

PySyncObj's command queue and its table of commands waiting for their commit carry them; no pickle, no pipe.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from coterie.consensus.raft import rules
from coterie.consensus.raft.calls import Call, Callback
from coterie.consensus.raft.configuration import changed, decode_change, encode_change, encode_voters, is_membership
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.engine import MEMBERSHIP, REGULAR
from coterie.consensus.raft.entries import batch_size, decode_batch, encode_batch
from coterie.consensus.raft.errors import (
    ProtocolError,
    RaftError,
    RefusedError,
    SafetyError,
    StoppedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.raft.messages import Forward, ForwardReply, Outcome
from coterie.consensus.raft.traces import begin
from coterie.consensus.raft.transfers import Transfers

APPLY_SLICE = 512
"""Entries taken from the log at once while applying."""


class Proposal(Call):
    """An operation, or a change of the configuration, on its way into the log.

    `accepted(index, term, position)` is called when it is appended here, if given: it then belongs to another member.
    """

    __slots__ = ("accepted", "began", "size", "trace")

    def __init__(
        self,
        callback: Callback,
        began: float,
        timeout: float,
        accepted: Callable[[int, int, int], None] | None = None,
        trace: str = "",
    ) -> None:
        super().__init__(callback, began + timeout, UnavailableError("timed_out", "it never reached the log"))
        self.began = began
        self.accepted = accepted
        self.trace = trace
        self.size = 0
        """Bytes that it holds while it waits."""

    def logged(self) -> None:
        self.late = UnknownOutcomeError("it is in the log, but was not committed in time")


class Waiting:
    """Proposals whose outcome the entry at one index, of one term, decides: (position in the batch, proposal)."""

    __slots__ = ("proposals",)

    def __init__(self, proposals: list[tuple[int, Proposal]]) -> None:
        self.proposals = proposals


class Proposals(Transfers):
    def _prepare_proposals(self) -> None:
        self._pending = 0
        self._pending_bytes = 0
        self._applied_term = 0

    # entrance

    def propose(self, op: bytes, callback: Callback, timeout: float, trace: str = "") -> None:
        """Replicate one operation; `callback(error, result)` with the state machine's result. `trace` goes along to
        the leader.

        Errors: RefusedError and UnavailableError (nothing happened), UnknownOutcomeError. Raises StoppedError.
        """
        self._check_running()
        proposal = Proposal(callback, self.clock.monotonic(), timeout, trace=trace)
        if len(op) > self.settings.max_op_bytes:
            self._refuse(
                proposal, RefusedError("too_large", f"an operation has at most {self.settings.max_op_bytes} bytes")
            )
        else:
            self._enqueue(REGULAR + op, proposal)

    def change_voters(self, member: str, callback: Callback, timeout: float, *, add: bool) -> None:
        """Add or remove one voter, at the leader; `callback(error, voters)`. Errors as for `propose`."""
        self._check_running()
        proposal = Proposal(callback, self.clock.monotonic(), timeout)
        self._enqueue(MEMBERSHIP + encode_change(member, add=add), proposal)

    def _enqueue(self, command: bytes, proposal: Proposal) -> None:
        size = len(command)
        full = self._pending and self._pending_bytes + size > self.settings.max_pending_bytes
        if self._pending >= self.settings.max_pending or full:
            self._refuse(proposal, RefusedError("busy", "too many proposals wait"))
            return
        self._pending += 1
        self._pending_bytes += size
        proposal.size = size
        self.deadlines.add(proposal)
        self._applyCommand(command, proposal)
        self._wake()

    def _refuse(self, proposal: Proposal, error: RaftError) -> None:
        proposal.ended = True
        self._count(proposal, error)
        self._complete(proposal.callback, error, None)
        self._wake()

    def _end(self, call: Call, error: RaftError | None, result: object = None) -> None:
        if isinstance(call, Proposal) and not call.ended:
            self._pending -= 1
            self._pending_bytes -= call.size
            self._count(call, error)
        super()._end(call, error, result)

    def _count(self, proposal: Proposal, error: RaftError | None) -> None:
        if proposal.accepted is None:  # another member's it counts itself
            self.figures.proposal_ended(error, self.clock.monotonic() - proposal.began)

    @property
    def pending(self) -> int:
        """Proposals in the queue, or waiting for their outcome."""
        return self._pending

    # from the queue into the log

    def _drain(self) -> list[tuple[bytes, Proposal]]:
        commands: list[tuple[bytes, Proposal]] = []
        while True:
            try:
                command, proposal = self.queue.get_nowait()
            except queue.Empty:
                return commands
            if not isinstance(proposal, Proposal):  # from PySyncObj's own methods
                proposal = self._adopt(proposal)
            if not proposal.ended:
                commands.append((command, proposal))

    def _adopt(self, callback: Any) -> Proposal:
        """Give a command of PySyncObj's own methods an outcome as PySyncObj would: callback(result, FAIL_REASON)."""

        def answer(error: RaftError | None, result: object) -> None:
            if callable(callback):
                reason = 0 if error is None else 7 if isinstance(error, UnknownOutcomeError) else 6
                callback(result, reason)

        self._pending += 1
        proposal = Proposal(answer, self.clock.monotonic(), 60.0)
        self.deadlines.add(proposal)
        return proposal

    def _check_commands_to_apply(self) -> None:
        """All proposals of this loop turn become one entry; while leadership is handed over they wait."""
        if not self.leading:
            self._forward_proposals()
            return
        if self.transferring:
            return
        batch: list[tuple[bytes, Proposal]] = []
        size = 0
        for command, proposal in self._drain():
            if is_membership(command):
                self._append_batch(batch)
                batch, size = [], 0
                self._append_change(command, proposal)
                continue
            more = batch_size(command) - 1
            if batch and size + more > self.settings.max_batch_bytes:
                self._append_batch(batch)
                batch, size = [], 0
            batch.append((command[1:], proposal))
            size += more
        self._append_batch(batch)

    def _append_batch(self, batch: list[tuple[bytes, Proposal]]) -> None:
        if not batch:
            return
        stamp = self.machine.stamp()
        ops = [op for op, _ in batch]
        command = REGULAR + encode_batch(ops if stamp is None else [stamp, *ops])
        self._log_command(command, [proposal for _, proposal in batch], first=0 if stamp is None else 1)

    def _append_change(self, command: bytes, proposal: Proposal) -> None:
        """One change at a time (fault 1): in force as soon as it is in the log."""
        problem = rules.may_change(
            leading=self.leading,
            noop_committed=self.noop_index is not None and self.commit >= self.noop_index,
            change_index=self.configurations.latest_index,
            commit=self.commit,
            transferring=self.transferring,
        )
        if problem is not None:
            self._end(proposal, RefusedError(problem))
            return
        try:
            member, add = decode_change(command[1:])
            after = changed(self.voters, member, add=add)
        except (RefusedError, ValueError) as error:
            self._end(proposal, error if isinstance(error, RefusedError) else RefusedError("bad_change", str(error)))
            return
        self._log_command(encode_voters(after), [proposal])

    def _log_command(self, command: bytes, proposals: list[Proposal], first: int = 0) -> None:
        """Append an entry that decides `proposals`; the results of applying it begin with theirs at `first`."""
        if not self.log.has_room(len(command)):
            for proposal in proposals:
                self._end(proposal, RefusedError("disk_full", "the leader has no space for its log"))
            return
        index = self.last_index + 1
        self._append((command, index, self.term))
        for position, proposal in enumerate(proposals, first):
            proposal.logged()
            if proposal.accepted is not None:
                proposal.accepted(index, self.term, position)
                self._end(proposal, None)
        waiting = Waiting([(position, each) for position, each in enumerate(proposals, first) if not each.ended])
        if waiting.proposals:
            self.waiting[index].append((self.term, waiting))

    # applying

    def _apply_log_entries(self) -> None:
        while self.applied < self.commit and not self.state_ahead and not self.stopped:
            count = min(APPLY_SLICE, self.commit - self.applied)
            for command, index, term in self.entries_from(self.applied + 1, count):
                if index != self.applied + 1:
                    raise SafetyError(f"entry {index} follows {self.applied}")
                results = self._SyncObj__doApplyCommand(command, index)
                self.applied = index
                if index in self.waiting:
                    for entry_term, waiting in self.waiting.pop(index):
                        self._decided(waiting, results, entry_term == term)
                if term > self._applied_term:
                    self._applied_term = term
                    self._outdate(term)
        self._freshen()
        self._finish_reads()

    def _outdate(self, term: int) -> None:
        """An entry of `term` is committed: none of an earlier term can be after it, so what waits for one is lost."""
        for index, decisions in list(self.waiting.items()):
            lost = [waiting for entry_term, waiting in decisions if entry_term < term]
            if lost:
                self.waiting[index] = [decision for decision in decisions if decision[0] >= term]
            for waiting in lost:
                self._decided(waiting, [], happened=False)

    def _decided(self, waiting: Waiting, results: list[Any], happened: bool) -> None:
        for position, proposal in waiting.proposals:
            if happened:
                self._end(proposal, None, results[position])
            else:
                self._end(proposal, UnavailableError("discarded", "another leader's entry took its place"))

    def _do_apply_command(self, command: bytes, index: int) -> list[Any]:
        """Results of an entry, one for each operation. An exception here stops the node: the state machine is total."""
        if command[:1] == REGULAR:
            return [self.machine.apply(op, index) for op in decode_batch(command[1:])]
        if command[:1] == MEMBERSHIP:
            voters = self.configurations.as_of(index)  # in force since it was appended: it is only told (fault 20)
            self.machine.configure(voters, index)
            return [voters]
        self.machine.skip(index)
        return []

    def _jumped(self, index: int) -> None:
        super()._jumped(index)
        for at in [at for at in self.waiting if at <= index]:
            for _, waiting in self.waiting.pop(at):
                for _, proposal in waiting.proposals:
                    self._end(proposal, UnknownOutcomeError("a snapshot arrived in its place"))
        self._applied_term = max(self._applied_term, self.term_at(index))
        self._outdate(self._applied_term)
        self._finish_reads()

    # forwarding

    def _forward_proposals(self) -> None:
        leader = self.leader
        if leader is None or leader not in self.connected:
            return  # they wait in the queue for a leader, or for their deadline
        now = self.clock.monotonic()
        for command, proposal in self._drain():
            if proposal.accepted is not None:
                self._end(proposal, UnavailableError("not_leader"))
            elif is_membership(command):
                self._end(proposal, RefusedError("not_leader", "configurations are changed at the leader"))
            else:
                self._requests += 1
                self.forwarded[self._requests] = (leader, proposal)
                proposal.late = UnknownOutcomeError("the leader did not answer in time")
                timeout = max(0.0, proposal.deadline - now)
                self._send(leader, Forward(self._requests, "propose", command[1:], timeout, proposal.trace))

    def _on_forward(self, sender: Member, message: Forward) -> None:
        if message.kind == "read":
            self._on_forwarded_read(sender, message)
            return
        if len(message.body) > self.settings.max_op_bytes:
            self._send(sender, ForwardReply(message.request, "refused", reason="too_large"))
            return
        if not self.leading:
            self._send(sender, ForwardReply(message.request, "unavailable", reason="not_leader"))
            return
        link = self.links.get(sender, 0)
        traced = begin(self.on_forwarded, message)

        def accepted(index: int, term: int, position: int) -> None:
            self._member_awaits(sender, index)
            self._reply(sender, link, ForwardReply(message.request, "accepted", index, term, position))

        def ended(error: RaftError | None, _: object) -> None:
            traced("" if error is None else str(error))
            if isinstance(error, RefusedError):
                outcome: Outcome = "unavailable" if isinstance(error, UnavailableError) else "refused"
                self._event(self._reply, sender, link, ForwardReply(message.request, outcome, reason=error.reason))

        proposal = Proposal(ended, self.clock.monotonic(), min(message.timeout, 60.0), accepted)
        self._enqueue(REGULAR + message.body, proposal)

    def _on_forward_reply(self, sender: Member, message: ForwardReply) -> None:
        found = self.forwarded.pop(message.request, None)
        if found is None:
            return
        leader, call = found
        if leader != sender:
            raise ProtocolError(f"{sender} answers what {leader} was asked")
        if isinstance(call, Proposal):
            self._on_proposal_reply(call, message)
        elif not isinstance(call, Proposal):
            self._on_read_reply(call, message)  # type: ignore[arg-type]

    def _on_proposal_reply(self, proposal: Proposal, message: ForwardReply) -> None:
        if message.outcome == "accepted":
            if message.index <= self.applied:
                self._end(proposal, UnknownOutcomeError("a snapshot arrived in its place"))
            elif message.entry_term < self._applied_term:
                self._end(proposal, UnavailableError("discarded", "another leader's entry took its place"))
            else:
                proposal.logged()
                waiting = Waiting([(message.position, proposal)])
                self.waiting[message.index].append((message.entry_term, waiting))
        elif message.outcome == "refused":
            self._end(proposal, RefusedError(message.reason))
        else:
            self._end(proposal, UnavailableError(message.reason))

    # endings

    def _forward_lost(self, call: Call) -> None:
        super()._forward_lost(call)
        if isinstance(call, Proposal):
            self._end(call, UnknownOutcomeError("the link to the leader broke"))

    def _expire(self) -> None:
        super()._expire()
        if self.forwarded:
            for request in [request for request, (_, call) in self.forwarded.items() if call.ended]:
                del self.forwarded[request]

    def _abandon(self) -> None:
        super()._abandon()
        for call in self.deadlines.all():
            late = call.late
            self._end(call, late if isinstance(late, UnknownOutcomeError) else StoppedError("stopped"))
        self.deadlines.clear()
