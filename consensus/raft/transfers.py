"""Leadership transfer (thesis 3.10; specification, section 2b): hold proposals, let the target catch up, hand over, and
resume after an election timeout where it did not take."""

from __future__ import annotations

from consensus.raft import rules
from consensus.raft.calls import Call, Callback
from consensus.raft.core import Member
from consensus.raft.errors import RefusedError, UnavailableError
from consensus.raft.messages import TimeoutNow
from consensus.raft.reads import Reads


class Handover(Call):
    """A transfer under way. `deadline`: when the leader resumes."""

    __slots__ = ("asked", "target")

    def __init__(self, target: Member, callback: Callback, deadline: float) -> None:
        super().__init__(callback, deadline, UnavailableError("timed_out", f"{target} did not take over"))
        self.target = target
        self.asked = False


class Transfers(Reads):
    def _prepare_transfers(self) -> None:
        self.handover: Handover | None = None

    @property
    def transferring(self) -> bool:
        return self.handover is not None

    def transfer(self, callback: Callback, target: str | None = None) -> None:
        """Hand leadership to `target`, or to the connected voter that holds most of the log; `callback(error,
        target)`."""
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
        # An election timeout is also the time that a target takes to fail.
        deadline = self.clock.monotonic() + self.settings.election_max
        self.handover = Handover(self.member(target), callback, deadline)

    def _hand_over(self) -> None:
        """Ask the target to campaign once it holds everything; resume where it takes too long."""
        handover = self.handover
        if handover is None:
            return
        if self.clock.monotonic() >= handover.deadline:
            self.handover = None
            self._end(handover, handover.late)
        elif not handover.asked and self.match.get(handover.target, 0) == self.last_index:
            handover.asked = True
            self._send(handover.target, TimeoutNow(self.term))

    def _lost_leadership(self) -> None:
        super()._lost_leadership()
        handover, self.handover = self.handover, None
        if handover is None:
            return
        if handover.asked:
            self._end(handover, None, handover.target.id)
        else:
            self._end(handover, UnavailableError("not_leader", "another node took over first"))

    def _abandon(self) -> None:
        super()._abandon()
        if self.handover is not None:
            self._end(self.handover, UnavailableError("stopped"))
            self.handover = None
