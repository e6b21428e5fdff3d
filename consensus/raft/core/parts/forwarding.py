"""Calls that another member is to serve: a follower's at the leader, and the leader's answers."""

from __future__ import annotations

from typing import Literal

from coterie.consensus.raft.core import calls
from coterie.consensus.raft.core.model.configuration import is_membership
from coterie.consensus.raft.core.model.entries import REGULAR
from coterie.consensus.raft.core.model.pending import Call, EntryProposals, Origin, Proposal, Read
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import (
    NotLeaderError,
    ProtocolError,
    RaftError,
    RaftRefusedError,
    RaftUnavailableError,
    RaftUnknownOutcomeError,
)
from coterie.consensus.raft.messages import Forward, ForwardReply, Outcome
from coterie.consensus.raft.traces import begin

MOST_SECONDS = 60.0
"""A member's call is held no longer than this, whatever it asks for."""

# the member


def forward_proposals(s: RaftState) -> None:
    if s.leader is None or s.leader not in s.links:
        return  # they wait in the queue for a leader, or for their deadline
    for proposal in drain(s):
        if proposal.origin is not None:
            calls.end(s, proposal, RaftUnavailableError("not_leader"))
        elif is_membership(proposal.command):
            calls.end(s, proposal, RaftRefusedError("not_leader", "configurations are changed at the leader"))
        else:
            proposal.late = RaftUnknownOutcomeError("the leader did not answer in time")
            _forward(s, s.leader, proposal, "propose", proposal.command[1:])


def forward_reads(s: RaftState) -> None:
    if s.leader is None or s.leader not in s.links:
        return  # until there is one, or the deadline
    reads = [read for read in s.reads_arrived if not read.ended]
    s.reads_arrived.clear()
    for read in reads:
        if read.origin is not None:  # it was sent here as to the leader
            calls.end(s, read, NotLeaderError(s.leader))
        else:
            _forward(s, s.leader, read, "read", b"")


def drain(s: RaftState) -> list[Proposal]:
    """Take what waits in the queue and has not ended."""
    proposals = [proposal for proposal in s.pending.queue if not proposal.ended]
    s.pending.queue.clear()
    return proposals


def _forward(s: RaftState, leader: str, call: Proposal | Read, kind: Literal["propose", "read"], body: bytes) -> None:
    s.pending.requests += 1
    s.pending.forwarded[s.pending.requests] = (leader, call)
    s.ready.send(leader, Forward(s.pending.requests, kind, body, max(0.0, call.deadline - s.now), call.trace))


def on_forward_reply(s: RaftState, sender: str, message: ForwardReply) -> None:
    found = s.pending.forwarded.pop(message.request, None)
    if found is None:
        return
    leader, call = found
    if leader != sender:
        raise ProtocolError(f"{sender} answers what {leader} was asked")
    if isinstance(call, Proposal):
        _proposal_answered(s, call, message)
    elif isinstance(call, Read) and message.outcome == "read":
        s.reads_confirmed.append((message.index, call))
        calls.finish_reads(s)
    elif isinstance(call, Read) and not call.ended:
        s.reads_arrived.append(call)  # it has no effect, so try again until its deadline


def _proposal_answered(s: RaftState, proposal: Proposal, message: ForwardReply) -> None:
    if message.outcome == "accepted":
        if message.index <= s.applied:
            calls.end(s, proposal, RaftUnknownOutcomeError("a snapshot arrived in its place"))
        elif message.entry_term < s.pending.applied_term:
            calls.end(s, proposal, RaftUnavailableError("discarded", "another leader's entry took its place"))
        else:
            proposal.logged()
            calls.await_entry(s, message.index, EntryProposals(message.entry_term, [(message.position, proposal)]))
    elif message.outcome == "refused":
        calls.end(s, proposal, RaftRefusedError(message.reason))
    else:
        calls.end(s, proposal, RaftUnavailableError(message.reason))


# the leader


def on_forward(s: RaftState, sender: str, message: Forward) -> None:
    if not s.leading:
        s.ready.send(sender, ForwardReply(message.request, "unavailable", reason="not_leader"))
        return
    origin = Origin(sender, s.links.get(sender, 0), message.request, begin(s.on_forwarded, message))
    timeout = min(message.timeout, MOST_SECONDS)
    if message.kind == "read":
        calls.queue_read(s, Read(origin, s.now + timeout, message.trace))
    else:
        calls.queue_proposal(s, Proposal(origin, REGULAR + message.body, s.now, timeout, message.trace))


def accepted(s: RaftState, proposal: Proposal, index: int, position: int) -> None:
    """A proposal is in this leader's log: if it is another member's, that member takes the result from its own copy of
    the entry."""
    if proposal.origin is not None:
        answer = ForwardReply(proposal.origin.request, "accepted", index, s.term, position)
        _member_awaits(s, proposal.origin.member, index)
        reply(s, proposal.origin, answer)
        calls.end(s, proposal, None)


def answer(s: RaftState, call: Call, error: RaftError | None, result: int | None) -> None:
    """At the end of the event: answer a forwarded call that has ended. One whose outcome is not known is not answered,
    nor is a proposal that was accepted, for that was answered then."""
    origin = call.origin
    if origin is None:
        return
    origin.ended("" if error is None else str(error))
    reason = error.reason if isinstance(error, RaftRefusedError) else "unavailable"
    if isinstance(call, Read) and error is None and result is not None:
        _member_awaits(s, origin.member, result)
        reply(s, origin, ForwardReply(origin.request, "read", result))
    elif isinstance(call, Read):
        reply(s, origin, ForwardReply(origin.request, "unavailable", reason=reason))
    elif isinstance(error, RaftRefusedError):
        outcome: Outcome = "unavailable" if isinstance(error, RaftUnavailableError) else "refused"
        reply(s, origin, ForwardReply(origin.request, outcome, reason=reason))


def reply(s: RaftState, origin: Origin, message: ForwardReply) -> None:
    """Over the link that the call came by: a restarted member counts its requests anew."""
    if s.links.get(origin.member) == origin.link:
        s.ready.send(origin.member, message)


def _member_awaits(s: RaftState, member: str, index: int) -> None:
    """A call of `member` waits until it has applied `index`."""
    progress = s.progress.get(member)
    if progress is not None:
        progress.awaited = max(progress.awaited, index)
