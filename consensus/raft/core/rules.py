"""Raft's rules as pure functions: votes, appending, committing, refusing snapshots (Raft paper, Figure 2; thesis 4,
9.6).

The node calls them with its state and does what they answer. They touch nothing, so each can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from coterie.consensus.raft.errors import ProtocolError, SafetyError
from coterie.consensus.raft.messages import AppendEntries, RequestVote
from coterie.consensus.raft.ports import Entry


def is_quorum(voters: Collection[str], agreeing: Collection[str]) -> bool:
    """Is more than half of `voters` among `agreeing`? Others do not count; no voters, no quorum."""
    return sum(1 for voter in voters if voter in agreeing) * 2 > len(voters)


def is_elected(voters: Collection[str], granted: Collection[str], *, founding: bool) -> bool:
    """Has a candidate the votes that it needs? A majority; to found a cluster, those of all (raft spec 4)."""
    if founding:
        return bool(voters) and all(voter in granted for voter in voters)
    return is_quorum(voters, granted)


def up_to_date(last_term: int, last_index: int, own_term: int, own_index: int) -> bool:
    """Is a log that ends at (last_term, last_index) at least as complete as the own? (Paper, 5.4.1.)"""
    return (last_term, last_index) >= (own_term, own_index)


@dataclass(frozen=True, slots=True)
class Voter:
    """What a voter knows when it is asked."""

    term: int
    voted_for: str | None
    last_index: int
    last_term: int
    has_leader: bool
    """It leads, or has heard from the current leader within the minimum election timeout (stickiness, thesis 4.2.3)."""


@dataclass(frozen=True, slots=True)
class VoteAnswer:
    """`term`: adopt it before anything else (unchanged for a pre-vote). `granted` None: say nothing."""

    term: int
    granted: bool | None
    record: bool = False  # store the vote durably before answering


def answer_vote(voter: Voter, request: RequestVote, candidate: str) -> VoteAnswer:
    """Grant, refuse or ignore a vote. Whether this node is a voter plays no part (fault 23)."""
    complete = up_to_date(request.last_term, request.last_index, voter.last_term, voter.last_index)
    if request.pre:
        return VoteAnswer(voter.term, request.term > voter.term and complete and not voter.has_leader)
    if request.term < voter.term:
        return VoteAnswer(voter.term, granted=False)  # a stale candidate learns the term
    if voter.has_leader and not request.transfer:
        return VoteAnswer(voter.term, granted=None)
    voted_for = voter.voted_for if request.term == voter.term else None
    granted = complete and voted_for in {None, candidate}
    return VoteAnswer(request.term, granted, record=granted and voted_for is None)


@dataclass(frozen=True, slots=True)
class AppendPlan:
    """What an append asks of the log. Where `ok`: drop entries from `truncate_from` on, if any, then add `entries`;
    everything up to `verified` is then as in the leader's log. Otherwise the leader may try `hint` as previous
    index."""

    ok: bool
    hint: int = 0
    truncate_from: int | None = None
    entries: Sequence[Entry] = ()
    verified: int = 0

    def without_entries(self) -> AppendPlan:
        """What is left of it where there is no room for `entries`: what was there before them is verified."""
        return replace(self, entries=(), verified=self.entries[0][1] - 1 if self.entries else self.verified)


def check_append(message: AppendEntries) -> None:
    """Raises ProtocolError where the message contradicts itself."""
    index, term = message.prev_index, message.prev_term
    for _, entry_index, entry_term in message.entries:
        if entry_index != index + 1 or not term <= entry_term <= message.term:
            raise ProtocolError(f"entries after {message.prev_index} are not a log")
        index, term = entry_index, entry_term
    if any(not command for command, _, _ in message.entries):
        raise ProtocolError("an entry without a command type")


def plan_append(
    message: AppendEntries, first: int, last: int, term_at: Callable[[int], int], commit: int
) -> AppendPlan:
    """Compare an append with a log that holds [first, last]: what matches stays, truncation starts at the first entry
    that conflicts (faults 7, 29). `first` is covered by a snapshot, so everything up to it is committed.

    Raises SafetyError where a committed entry conflicts.
    """
    prev = message.prev_index
    if prev > last:
        return AppendPlan(ok=False, hint=last)
    if prev >= first and term_at(prev) != message.prev_term:
        if prev <= commit:
            raise SafetyError(f"the leader's entry {prev} is of term {message.prev_term}, ours, committed, is not")
        wrong = term_at(prev)
        hint = prev - 1
        while hint > max(first, commit) and term_at(hint) == wrong:
            hint -= 1
        return AppendPlan(ok=False, hint=hint)
    verified = prev + len(message.entries)
    for position, (_, index, term) in enumerate(message.entries):
        if index <= first:
            continue
        if index > last:
            return AppendPlan(ok=True, entries=message.entries[position:], verified=verified)
        if term_at(index) != term:
            if index <= commit:
                raise SafetyError(f"the leader would replace our committed entry {index}")
            return AppendPlan(ok=True, truncate_from=index, entries=message.entries[position:], verified=verified)
    return AppendPlan(ok=True, verified=verified)


def follower_commit(commit: int, leader_commit: int, verified: int) -> int:
    """Only as far as this very append has verified the log (fault 17); never back."""
    return max(commit, min(leader_commit, verified))


def leader_commit(
    voters: Collection[str], match: Mapping[str, int], commit: int, term: int, term_at: Callable[[int], int]
) -> int:
    """The highest index that a majority of `voters` holds durably, if of the leader's own term (paper, 5.4.2).

    `match` holds the leader's own durable index too; a voter that is missing in it holds nothing.
    """
    if not voters:
        return commit
    held = sorted((match.get(voter, 0) for voter in voters), reverse=True)
    index = held[len(held) // 2]
    if index > commit and term_at(index) == term:
        return index
    return commit


def wants_snapshot(last_index: int, commit: int) -> bool:
    """A snapshot at or below the own commit is never installed (fault 18): its index is held already."""
    return last_index > commit


def keeps_suffix(last_index: int, last_term: int, first: int, last: int, term_at: Callable[[int], int]) -> bool:
    """Does the log contain the snapshot's last entry, so that what follows it stays? (Paper, Figure 13, rule 6.)"""
    return first <= last_index <= last and term_at(last_index) == last_term


def may_change(
    *, leading: bool, noop_committed: bool, change_index: int, commit: int, transferring: bool
) -> str | None:
    """Why the configuration cannot change now, as a word; None where it can (thesis 4.1 and its 2015 correction)."""
    if not leading:
        return "not_leader"
    if not noop_committed:
        return "leader_too_new"
    if change_index > commit:
        return "change_pending"
    if transferring:
        return "transfer_pending"
    return None


def may_transfer(
    *, leading: bool, target: str, own: str, voters: Collection[str], change_index: int, commit: int
) -> str | None:
    """Why leadership cannot go to `target`, as a word; None where it can."""
    if not leading:
        return "not_leader"
    if target == own or target not in voters:
        return "bad_target"
    if change_index > commit:
        return "change_pending"
    return None
