"""Linearizable reads without writing: read-index rounds, shared by all that wait (thesis 6.4; specification, section
3)."""

from __future__ import annotations

from collections.abc import Collection

from coterie.consensus.raft import rules
from coterie.consensus.raft.calls import Call, Callback, Deadlines
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.errors import NotLeaderError, RaftError, RefusedError, StoppedError, UnavailableError
from coterie.consensus.raft.messages import Forward, ForwardReply
from coterie.consensus.raft.replication import Replication
from coterie.consensus.raft.traces import Began, begin


class Round:
    """Reads that wait for a majority to answer ping `number` or a later one; `index` was committed when it was sent."""

    __slots__ = ("answered", "index", "number", "reads")

    def __init__(self, number: int, index: int, reads: list[Read], own: str) -> None:
        self.number = number
        self.index = index
        self.reads = reads
        self.answered = {own}

    def confirmed(self, voters: Collection[str]) -> bool:
        """Only voters of the latest configuration count."""
        return rules.is_quorum(voters, self.answered)


class Read(Call):
    """`remote`: told the index as soon as its round is confirmed; a local one waits until it is applied."""

    __slots__ = ("remote", "trace")

    def __init__(self, callback: Callback, deadline: float, *, remote: bool, trace: str = "") -> None:
        super().__init__(callback, deadline, UnavailableError("timed_out", "no majority confirmed the read in time"))
        self.remote = remote
        self.trace = trace


class Reads(Replication):
    def _prepare_reads(self) -> None:
        self.deadlines = Deadlines()
        self.reads_arrived: list[Read] = []
        self.read_round: Round | None = None
        self.reads_at: list[tuple[int, Read]] = []  # confirmed: wait until this index is applied
        self.forwarded: dict[int, tuple[Member, Call]] = {}  # calls at the leader, by request number
        self._requests = 0
        self._reading = 0
        self._term_since = 0.0
        self.on_forwarded: Began | None = None
        """Records spans of what other members ask this one as the leader."""
        self._asked_in_term = 0  # all forwarded calls are at the leader of this term, or a later one

    def read(self, callback: Callback, timeout: float, trace: str = "") -> None:
        """Wait until what is applied here is as fresh as anything acknowledged before now.

        `callback(error, index)`. Failures are UnavailableError or RefusedError: a read can be made again. `trace` goes
        along to the leader.
        """
        self._check_running()
        read = Read(callback, self.clock.monotonic() + timeout, remote=False, trace=trace)
        self._enter_read(read)

    def _enter_read(self, read: Read) -> None:
        if self._reading >= self.settings.max_waiting_reads:
            self._complete(read.callback, RefusedError("busy", "too many reads wait"), None)
            read.ended = True
        else:
            self._reading += 1
            self.deadlines.add(read)
            self.reads_arrived.append(read)
        self._wake()

    @property
    def waiting_reads(self) -> int:
        return self._reading

    def _wake(self) -> None:
        """There is work for a tick."""
        if self.on_work is not None:
            self.on_work()

    def _end(self, call: Call, error: RaftError | None, result: object = None) -> None:
        if call.ended:
            return
        call.ended = True
        if isinstance(call, Read):
            self._reading -= 1
        self._complete(call.callback, error, result)

    def _expire(self) -> None:
        now = self.clock.monotonic()
        for call in self.deadlines.due(now):
            self._end(call, call.late)
        if self._asked_in_term < self.term and now - self._term_since > self.settings.leader_fallback:
            # A former leader that is still there has answered by now; one that hangs would hold them to their end.
            self._asked_in_term = self.term
            self._lose_forwarded([request for request, (leader, _) in self.forwarded.items() if leader != self.leader])

    # rounds

    def _serve_reads(self) -> None:
        """Start the next round for the reads that have arrived, or pass them to the leader."""
        if not self.reads_arrived:
            return
        if not self.leading:
            self._forward_reads()
            return
        if self.read_round is not None or self.noop_index is None or self.applied < self.noop_index:
            return
        reads = [read for read in self.reads_arrived if not read.ended]
        self.reads_arrived.clear()
        if not reads:
            return
        self._ping_if_due(force=True)  # the round number must be younger than every read in it
        self.read_round = Round(self.round, self.commit, reads, self.own)
        self._close_round()

    def _round_answered(self, member: Member, number: int) -> None:
        current = self.read_round
        if current is not None and number >= current.number:
            current.answered.add(member.id)
            self._close_round()

    def _close_round(self) -> None:
        current = self.read_round
        if current is None or not current.confirmed(self.voters):
            return
        self.read_round = None
        for read in current.reads:
            if read.remote:
                self._end(read, None, current.index)
            else:
                self.reads_at.append((current.index, read))
        self._finish_reads()

    def _finish_reads(self) -> None:
        if not self.reads_at:
            return
        later = []
        for index, read in self.reads_at:
            if index <= self.applied:
                self._end(read, None, index)
            elif not read.ended:
                later.append((index, read))
        self.reads_at = later

    # at the leader, for another member

    def _forward_reads(self) -> None:
        leader = self.leader
        if leader is None or leader not in self.connected:
            return  # until there is one, or the deadline
        now = self.clock.monotonic()
        reads = [read for read in self.reads_arrived if not read.ended]
        self.reads_arrived.clear()
        for read in reads:
            if read.remote:  # it was sent here as to the leader
                self._end(read, NotLeaderError(leader.id))
                continue
            self._requests += 1
            self.forwarded[self._requests] = (leader, read)
            self._send(leader, Forward(self._requests, "read", b"", max(0.0, read.deadline - now), read.trace))

    def _reply(self, sender: Member, link: int, answer: ForwardReply) -> None:
        """Answer a forwarded call over the link it came by: a restarted member counts its requests anew."""
        if self.links.get(sender) == link and sender in self.connected:
            self._send(sender, answer)

    def _on_forwarded_read(self, sender: Member, message: Forward) -> None:
        if not self.leading:
            self._send(sender, ForwardReply(message.request, "unavailable", reason="not_leader"))
            return
        link = self.links.get(sender, 0)
        traced = begin(self.on_forwarded, message)

        def reply(error: RaftError | None, index: int | None) -> None:
            traced("" if error is None else str(error))
            if error is None and index is not None:
                self._member_awaits(sender, index)
                answer = ForwardReply(message.request, "read", index)
            else:
                answer = ForwardReply(message.request, "unavailable", reason=getattr(error, "reason", "unavailable"))
            self._event(self._reply, sender, link, answer)

        self._enter_read(Read(reply, self.clock.monotonic() + min(message.timeout, 60.0), remote=True))

    def _on_read_reply(self, read: Read, message: ForwardReply) -> None:
        if message.outcome == "read":
            self.reads_at.append((message.index, read))
            self._finish_reads()
        elif not read.ended:
            self.reads_arrived.append(read)  # it has no effect, so try again until its deadline

    # endings

    def _lost_leadership(self) -> None:
        super()._lost_leadership()
        reads = self.reads_arrived
        if self.read_round is not None:
            reads = self.read_round.reads + reads
            self.read_round = None
        self.reads_arrived = []
        for read in reads:
            if read.remote:
                self._end(read, NotLeaderError(None))
            elif not read.ended:
                self.reads_arrived.append(read)  # starts over with the next leader

    def _disconnected(self, member: Member) -> None:
        super()._disconnected(member)
        self._lose_forwarded([request for request, (leader, _) in self.forwarded.items() if leader == member])

    def _term_changed(self) -> None:
        super()._term_changed()
        self._term_since = self.clock.monotonic()

    def _lose_forwarded(self, requests: list[int]) -> None:
        for request in requests:
            self._forward_lost(self.forwarded.pop(request)[1])

    def _forward_lost(self, call: Call) -> None:
        """The link to the leader broke before it answered."""
        if isinstance(call, Read) and not call.ended:
            self.reads_arrived.append(call)

    def _abandon(self) -> None:
        super()._abandon()
        for call in self.deadlines.all():
            if isinstance(call, Read):
                self._end(call, StoppedError("stopped"))
