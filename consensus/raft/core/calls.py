"""How calls end: with a result, with what is known to have happened instead, or at their deadline (promise 4; fault
9)."""

from __future__ import annotations

from typing import Any

from coterie.consensus.raft.core.events import Completion
from coterie.consensus.raft.core.model.pending import Call, EntryProposals, Proposal, Read
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import RaftError, RaftRefusedError, RaftUnavailableError, RaftUnknownOutcomeError


def end(s: RaftState, call: Call, error: RaftError | None, result: object = None) -> None:
    """Complete a call at the end of this event: what a callback does, or raises, cannot reach into it (fault 8)."""
    if call.ended:
        return
    if isinstance(call, Proposal):
        s.pending.proposals -= 1
        s.pending.bytes -= len(call.command)
    elif isinstance(call, Read):
        s.pending.reads -= 1
    _ended(s, call, error, result)


def _ended(s: RaftState, call: Call, error: RaftError | None, result: object = None) -> None:
    call.ended = True
    if call.origin is not None:
        s.pending.answers.append((call, error, result))
        return
    if isinstance(call, Proposal):
        s.metrics.proposal_ended(error, s.now - call.began)
    s.ready.completions.append(Completion(call.callback, error, result, call.late))


def queue_proposal(s: RaftState, proposal: Proposal) -> None:
    """Until the next tick takes it. Refuses what is too large, or too much together with what waits."""
    pending = s.pending
    size = len(proposal.command)
    if size - 1 > s.settings.max_op_bytes:
        reason = RaftRefusedError("too_large", f"an operation has at most {s.settings.max_op_bytes} bytes")
        _ended(s, proposal, reason)
        return
    full = pending.proposals and pending.bytes + size > s.settings.max_pending_bytes
    if pending.proposals >= s.settings.max_pending or full:
        _ended(s, proposal, RaftRefusedError("busy", "too many proposals wait"))
        return
    pending.proposals += 1
    pending.bytes += size
    pending.deadlines.add(proposal)
    pending.queue.append(proposal)


def queue_read(s: RaftState, read: Read) -> None:
    """Until the next round begins, or the leader is asked."""
    if s.pending.reads >= s.settings.max_waiting_reads:
        _ended(s, read, RaftRefusedError("busy", "too many reads wait"))
        return
    s.pending.reads += 1
    s.pending.deadlines.add(read)
    s.reads_arrived.append(read)


def expire(s: RaftState) -> None:
    """End what has reached its deadline."""
    for call in s.pending.deadlines.due(s.now):
        end(s, call, call.late)
    pending = s.pending
    if pending.asked_in_term < s.term and s.now - pending.term_since > s.settings.leader_fallback:
        # A former leader that is still there has answered by now; one that hangs would hold them to their end.
        pending.asked_in_term = s.term
        lose_forwarded(s, [request for request, (leader, _) in pending.forwarded.items() if leader != s.leader])
    if s.transfer is not None and s.now >= s.transfer.deadline:
        end_transfer(s, s.transfer.late)
    if pending.forwarded:
        for request in [request for request, (_, call) in pending.forwarded.items() if call.ended]:
            del pending.forwarded[request]


def end_transfer(s: RaftState, error: RaftError | None, result: object = None) -> None:
    transfer, s.transfer = s.transfer, None
    if transfer is not None:
        end(s, transfer, error, result)


# proposals in the log


def await_entry(s: RaftState, index: int, decision: EntryProposals) -> None:
    """The entry at `index` decides these proposals once it is applied."""
    if decision.proposals:
        s.pending.decisions[index].append(decision)


def applied(s: RaftState, index: int, term: int, results: list[Any]) -> None:
    """The entry at `index`, of `term`, was applied: it decides what waits for it."""
    pending = s.pending
    if index in pending.decisions:
        for decision in pending.decisions.pop(index):
            decide(s, decision, results, happened=decision.term == term)
    if term > pending.applied_term:
        pending.applied_term = term
        fail_superseded(s, term)


def decide(s: RaftState, decision: EntryProposals, results: list[Any], *, happened: bool) -> None:
    for position, proposal in decision.proposals:
        if happened:
            end(s, proposal, None, results[position])
        else:
            end(s, proposal, RaftUnavailableError("discarded", "another leader's entry took its place"))


def fail_superseded(s: RaftState, term: int) -> None:
    """An entry of `term` is committed: none of an earlier term can be after it, so what waits for one is lost."""
    for index, decisions in list(s.pending.decisions.items()):
        lost = [decision for decision in decisions if decision.term < term]
        if lost:
            s.pending.decisions[index] = [decision for decision in decisions if decision.term >= term]
        for decision in lost:
            decide(s, decision, [], happened=False)


def applied_by_snapshot(s: RaftState, index: int, term: int) -> None:
    """A snapshot took the place of all entries up to `index`: nobody knows what their results were."""
    pending = s.pending
    for at in [at for at in pending.decisions if at <= index]:
        for decision in pending.decisions.pop(at):
            for _, proposal in decision.proposals:
                end(s, proposal, RaftUnknownOutcomeError("a snapshot arrived in its place"))
    pending.applied_term = max(pending.applied_term, term)
    fail_superseded(s, pending.applied_term)
    finish_reads(s)


# reads


def finish_reads(s: RaftState) -> None:
    """End the confirmed reads whose index is applied."""
    if not s.reads_confirmed:
        return
    later = []
    for index, read in s.reads_confirmed:
        if index <= s.applied:
            end(s, read, None, index)
        elif not read.ended:
            later.append((index, read))
    s.reads_confirmed = later


# calls at the leader


def lose_forwarded(s: RaftState, requests: list[int]) -> None:
    """They will not be answered: the link to the leader broke, or it leads no longer."""
    for request in requests:
        forward_lost(s, s.pending.forwarded.pop(request)[1])


def forward_lost(s: RaftState, call: Call) -> None:
    """A read has no effect, so it starts over; a write may have happened."""
    if isinstance(call, Proposal):
        end(s, call, RaftUnknownOutcomeError("the link to the leader broke"))
    elif isinstance(call, Read) and not call.ended:
        s.reads_arrived.append(call)
