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

YIELD_PAUSE = 5.0
"""Election timeouts between two tries of a leader with a full disk: while one lasts, proposals wait."""


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


def yield_full_disk(s: RaftState) -> None:
    """A leader whose disk has no space for more of its log hands over while what is preallocated still takes writes.
    Only to a member that says it has space: two full ones would hand over to each other until no-ops fill their logs.
    """
    if s.log.journal.disk_full and s.transfer is None and s.now >= s.yield_not_before:
        target = _best(s, with_room=True)
        if target:
            s.yield_not_before = s.now + YIELD_PAUSE * s.settings.election_max
            begin(s, HandOver(lambda _error, _target: None, target))


def _best(s: RaftState, *, with_room: bool = False) -> str:
    """The connected voter that holds most of the log; "" where there is none."""
    ready = [
        member
        for member in s.others
        if member in s.links
        and member in s.progress
        and member not in s.went_back
        and (s.progress[member].room or not with_room)
    ]
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
