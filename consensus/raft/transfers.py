"""Leadership transfer (thesis 3.10; specification, section 2b): hold proposals, let the target catch up, hand over, and
resume after an election timeout where it did not take. It is done once the target is heard of as the leader: that this
node gave way says only that somebody campaigned."""

from __future__ import annotations

from coterie.consensus.raft import rules
from coterie.consensus.raft.calls import Call, Callback
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.errors import RaftError, RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.raft.messages import TimeoutNow
from coterie.consensus.raft.reads import Reads


class Handover(Call):
    """A transfer under way. `deadline`: when the leader resumes, or, once it has given way, when it is told that nobody
    was heard of."""

    __slots__ = ("asked", "target")

    def __init__(self, target: Member, callback: Callback, deadline: float) -> None:
        late = UnavailableError("target_behind", f"{target} did not hold the whole log in time")
        super().__init__(callback, deadline, late)
        self.target = target
        self.asked = False

    def ask(self) -> None:
        """From now on it may campaign whenever it reads the request, however late."""
        self.asked = True
        self.late = UnknownOutcomeError(f"{self.target} was asked to take over and is not known to lead yet")


class Transfers(Reads):
    def _prepare_transfers(self) -> None:
        self.handover: Handover | None = None

    @property
    def transferring(self) -> bool:
        return self.handover is not None

    def transfer(self, callback: Callback, target: str | None = None) -> None:
        """Hand leadership to `target`, or to the connected voter that holds most of the log; `callback(error,
        target)`, without an error once the target leads. UnknownOutcomeError: it was asked, and may yet take over."""
        self._check_running()
        self._event(self._transfer, callback, target)
        self._wake()

    def transferLeadership(self, node: object = None, callback: object = None) -> None:  # noqa: N802
        """PySyncObj's request for the same; answers as PySyncObj does."""

        def answer(error: Exception | None, result: object) -> None:
            if callable(callback):
                callback(result, 0 if error is None else 6)

        self.transfer(answer, None if node is None else str(getattr(node, "id", node)))

    def _transfer(self, callback: Callback, target: str | None) -> None:
        if target is None:
            ready = [member for member in self.others if member in self.connected]
            best = max(ready, key=lambda member: (self.match.get(member, 0), member.id), default=None)
            target = best.id if best is not None else ""
        problem = rules.may_transfer(
            leading=self.leading,
            target=target,
            own=self.own,
            voters=self.voters,
            change_index=self.configurations.latest_index,
            commit=self.commit,
        )
        if problem is None and self.transferring:
            problem = "transfer_pending"
        if problem is not None:
            self._complete(callback, RefusedError(problem), None)
            return
        chosen = self.member(target)
        if chosen not in self.connected:
            self._complete(callback, UnavailableError("target_unreachable", f"no link to {chosen}"), None)
            return
        self.handover = Handover(chosen, callback, self._handover_deadline())

    def _handover_deadline(self) -> float:
        """An election timeout is also the time that a target takes to fail."""
        return self.clock.monotonic() + self.settings.election_max

    def _hand_over(self) -> None:
        """As the leader: ask the target to campaign once it holds everything."""
        handover = self.handover
        if handover is not None and not handover.asked and self.match.get(handover.target, 0) == self.last_index:
            handover.ask()
            self._send(handover.target, TimeoutNow(self.term))

    def _end_handover(self, error: RaftError | None, result: object = None) -> None:
        handover, self.handover = self.handover, None
        if handover is not None:
            self._end(handover, error, result)

    def _expire(self) -> None:
        super()._expire()
        if self.handover is not None and self.clock.monotonic() >= self.handover.deadline:
            self._end_handover(self.handover.late)

    def _lost_leadership(self) -> None:
        super()._lost_leadership()
        handover = self.handover
        if handover is None:
            return
        if handover.asked:
            handover.deadline = self._handover_deadline()
        else:
            self._end_handover(UnavailableError("not_leader", "another node took over first"))

    def _hear_leader(self, leader: Member) -> None:
        super()._hear_leader(leader)
        if self.handover is None:
            return
        if leader == self.handover.target:
            self._end_handover(None, leader.id)
        else:
            self._end_handover(UnavailableError("other_leader", f"{leader} was elected instead"))

    def _become_leader(self) -> None:
        super()._become_leader()
        self._end_handover(UnavailableError("other_leader", f"{self.own} was elected again"))

    def _abandon(self) -> None:
        super()._abandon()
        if self.handover is not None:
            late = self.handover.late
            self._end_handover(late if isinstance(late, UnknownOutcomeError) else UnavailableError("stopped"))
