"""Leadership transfer (thesis 3.10; raft spec 2b): hold proposals, let the target catch up, hand over, and
resume after an election timeout where it did not take. It is done once the target is heard of as the leader: that this
node gave way says only that some member campaigned."""

from __future__ import annotations

from coterie.consensus.raft.core import rules
from coterie.consensus.raft.core.events import Completion, HandOver
from coterie.consensus.raft.core.model.pending import Transfer
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import RaftRefusedError, RaftUnavailableError
from coterie.consensus.raft.messages import TimeoutNow


def begin(s: RaftState, request: HandOver) -> None:
    """`callback(error, target)`, without an error once the target leads."""
    target = request.target if request.target is not None else _best(s)
    problem = rules.may_transfer(
        leading=s.leading,
        target=target,
        own=s.own,
        voters=s.voters,
        change_index=s.log.configurations.latest_index,
        commit=s.commit,
    )
    if problem is None and target in s.went_back:
        problem = "bad_target"
    if problem is None and s.transfer is not None:
        problem = "transfer_pending"
    if problem is not None:
        s.ready.completions.append(Completion(request.callback, RaftRefusedError(problem), None))
    elif target not in s.links:
        error = RaftUnavailableError("target_unreachable", f"no link to {target}")
        s.ready.completions.append(Completion(request.callback, error, None))
    else:  # an election timeout is also the time that a target takes to fail
        s.transfer = Transfer(target, request.callback, s.now + s.settings.election_max)


def _best(s: RaftState) -> str:
    """The connected voter that holds most of the log."""
    ready = [member for member in s.others if member in s.links and member in s.progress and member not in s.went_back]
    return max(ready, key=lambda member: (s.progress[member].match, member), default="")


def hand_over(s: RaftState) -> None:
    """As the leader: ask the target to campaign once it holds everything."""
    transfer = s.transfer
    if transfer is None or transfer.asked:
        return
    progress = s.progress.get(transfer.target)
    if progress is not None and progress.match == s.log.last_index:
        transfer.ask()
        s.ready.send(transfer.target, TimeoutNow(s.term))
