"""Writes: batched, appended, applied, answered (faults 1, 8, 9, 14, 20, 26, 30; promise 4)."""

from __future__ import annotations

from typing import Any

from coterie.consensus.raft.core import calls, rules
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.configuration import changed, decode_change, encode_voters, is_membership
from coterie.consensus.raft.core.model.entries import (
    MEMBERSHIP,
    REGULAR,
    batch_size,
    decode_batch,
    encode_batch,
)
from coterie.consensus.raft.core.model.pending import EntryProposals, Proposal
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import elections, forwarding
from coterie.consensus.raft.core.parts.snapshot_taking import ask_room
from coterie.consensus.raft.errors import RaftRefusedError, RaftUnavailableError, SafetyError
from coterie.consensus.raft.ports import Shortage

APPLY_SLICE = 512
"""Entries taken from the log at once while applying."""

# from the queue into the log


def take_queue(s: RaftState) -> None:
    """All proposals of this loop turn become one entry; while leadership is handed over they wait."""
    if not s.leading:
        forwarding.forward_proposals(s)
        return
    if s.transfer is not None:
        return
    batch: list[Proposal] = []
    size = 0
    for proposal in forwarding.drain(s):
        if is_membership(proposal.command):
            _append_batch(s, batch)
            batch, size = [], 0
            append_change(s, proposal)
            continue
        more = batch_size(proposal.command) - 1
        if batch and size + more > s.settings.max_batch_bytes:
            _append_batch(s, batch)
            batch, size = [], 0
        batch.append(proposal)
        size += more
    _append_batch(s, batch)


def _append_batch(s: RaftState, batch: list[Proposal]) -> None:
    if not batch:
        return
    stamp = s.machine.stamp()
    ops = [proposal.command[1:] for proposal in batch]
    command = REGULAR + encode_batch(ops if stamp is None else [stamp, *ops])
    _append(s, command, batch, first=0 if stamp is None else 1)


def append_change(s: RaftState, proposal: Proposal) -> None:
    """One change at a time (fault 1): in force as soon as it is in the log. None that takes a voter away where most of
    those that are left do not answer: whoever decided it knew more voters to be there."""
    problem = rules.may_change(
        leading=s.leading,
        noop_committed=s.noop_index is not None and s.commit >= s.noop_index,
        change_index=s.log.configurations.latest_index,
        commit=s.commit,
        transferring=s.transfer is not None,
    )
    if problem is not None:
        calls.end(s, proposal, RaftRefusedError(problem))
        return
    try:
        member, add = decode_change(proposal.command[1:])
        after = changed(s.voters, member, add=add)
    except (RaftRefusedError, ValueError) as error:
        reason = error if isinstance(error, RaftRefusedError) else RaftRefusedError("bad_change", str(error))
        calls.end(s, proposal, reason)
        return
    if not add and not rules.is_quorum(after, elections.answering(s)):
        message = f"too few of the voters that would be left answer to go on without {member}"
        calls.end(s, proposal, RaftRefusedError("would_strand", message))
        return
    _append(s, encode_voters(after), [proposal])
    become.track_members(s)


def _append(s: RaftState, command: bytes, proposals: list[Proposal], first: int = 0) -> None:
    """Append an entry that decides `proposals`; the results of applying it begin with theirs at `first`."""
    shortage = ask_room(s, len(command))
    if shortage is not None:
        for proposal in proposals:
            calls.end(s, proposal, _no_room(shortage))
        return
    index = s.log.last_index + 1
    s.log.append((command, index, s.term))
    for position, proposal in enumerate(proposals, first):
        proposal.logged()
        forwarding.accepted(s, proposal, index, position)
    waiting = [(position, proposal) for position, proposal in enumerate(proposals, first) if not proposal.ended]
    calls.await_entry(s, index, EntryProposals(s.term, waiting))


def _no_room(shortage: Shortage) -> RaftRefusedError:
    if shortage == "log_full":
        return RaftUnavailableError("log_full", "the leader's log is full until a snapshot has cut it")
    return RaftRefusedError("disk_full", "the leader has no space for its log")


# applying


def apply_entries(s: RaftState) -> None:
    while s.applied < s.commit and not s.state_ahead:
        count = min(APPLY_SLICE, s.commit - s.applied)
        for command, index, term in s.log.entries_from(s.applied + 1, count):
            if index != s.applied + 1:
                raise SafetyError(f"entry {index} follows {s.applied}")
            results = apply_entry(s, command, index)
            s.applied = index
            s.unsaved_bytes += len(command)
            calls.applied(s, index, term, results)
    s.freshness.applied(s.applied)
    calls.finish_reads(s)


def apply_entry(s: RaftState, command: bytes, index: int) -> list[Any]:
    """Results of an entry, one for each operation. An exception here stops the node: the state machine is total."""
    if command[:1] == REGULAR:
        return [s.machine.apply(op, index) for op in decode_batch(command[1:])]
    if command[:1] == MEMBERSHIP:
        voters = s.log.configurations.as_of(index)  # in force since it was appended: only reported (fault 20)
        s.machine.configure(voters, index)
        return [voters]
    s.machine.skip(index)
    return []
