"""Every change of what a node is: follower, candidate, leader, a later term, the state of a snapshot, stopped.

What goes with such a change in the parts (calls, transfers, snapshots under way) is written out here, so that a reader
of the paper sees all of it at once.
"""

from __future__ import annotations

from math import inf

from coterie.consensus.raft.core import calls, rules
from coterie.consensus.raft.core.events import HardState, ignore, in_doubt
from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.core.model.entries import NO_OP
from coterie.consensus.raft.core.model.progress import Progress
from coterie.consensus.raft.core.model.state import Campaign, RaftState, Role
from coterie.consensus.raft.errors import (
    NotLeaderError,
    RaftUnavailableError,
    SafetyError,
)
from coterie.consensus.raft.ports import SnapshotInfo, SnapshotWriter

# the term


def store_term(s: RaftState, term: int, voted_for: str | None) -> None:
    """Term and vote: durable before anything of this event leaves, stored at once where both change."""
    if term < s.term:
        raise SafetyError(f"the term would fall from {s.term} to {term}")
    s.term = term
    s.voted_for = voted_for
    s.ready.hard_state = HardState(term, voted_for)


def new_term(s: RaftState) -> None:
    """The term has grown."""
    s.campaign = None
    if s.incoming is not None and s.incoming.loading is None:
        drop_incoming(s)  # another leader's copy may differ in its bytes
    s.verified = 0
    s.ack_owed = None
    s.pending.term_since = s.now


def see_term(s: RaftState, term: int) -> None:
    """A node that sees a higher term follows it (Figure 2, all servers)."""
    if term > s.term:
        become_follower(s, term, None)


# roles


def become_follower(s: RaftState, term: int, leader: str | None, vote: str | None = None) -> None:
    """Follow, from a later term on where `term` is one; `vote` is then stored with it."""
    if term > s.term:
        store_term(s, term, vote)
        new_term(s)
    s.campaign = None
    was_leading = s.leading
    s.role = Role.FOLLOWER
    s.leader = leader
    if was_leading:
        postpone_election(s)
        _leadership_lost(s)


def _leadership_lost(s: RaftState) -> None:
    for member, progress in s.progress.items():
        if progress.match and member not in s.went_back:
            s.acknowledged[member] = (s.led_term, progress.match)
    _drop_progress(s)
    reads, s.reads_arrived = s.reads_arrived, []
    if s.read_round is not None:
        reads = s.read_round.reads + reads
        s.read_round = None
    for read in reads:
        if read.origin is not None:
            calls.end(s, read, NotLeaderError(None))
        elif not read.ended:
            s.reads_arrived.append(read)  # starts over with the next leader
    if s.transfer is not None and s.transfer.asked:
        s.transfer.deadline = s.now + s.settings.election_max
    else:
        calls.end_transfer(s, RaftUnavailableError("not_leader", "another node took over first"))


def hear_leader(s: RaftState, leader: str) -> None:
    """A message of the current term's leader came in."""
    if s.leading:
        raise SafetyError(f"{leader} and {s.own} both lead term {s.term}")
    become_follower(s, s.term, leader)
    _count_leader(s, leader)
    s.leader_contact = s.now
    postpone_election(s)
    if s.transfer is not None:
        if leader == s.transfer.target:
            calls.end_transfer(s, None, leader)
        else:
            calls.end_transfer(s, RaftUnavailableError("other_leader", f"{leader} was elected instead"))


def become_pre_candidate(s: RaftState) -> None:
    """Nothing changes but the knowledge that the leader is gone."""
    s.leader = None
    s.leader_contact = -inf
    s.metrics.pre_campaigns += 1
    s.role = Role.FOLLOWER
    s.campaign = Campaign(s.term + 1, s.own, pre=True)


def become_candidate(s: RaftState) -> None:
    """In a term of its own, with its own vote."""
    s.leader = None
    s.leader_contact = -inf
    s.metrics.campaigns += 1
    store_term(s, s.term + 1, s.own)
    new_term(s)
    s.role = Role.CANDIDATE
    s.campaign = Campaign(s.term, s.own, pre=False)


def become_leader(s: RaftState) -> None:
    """Begin the term with an entry of its own: once that is committed, all before it is (paper, 5.4.2 and 8)."""
    s.campaign = None
    s.role = Role.LEADER
    s.leader = s.own
    _count_leader(s, s.own)
    _drop_progress(s)
    track_members(s)
    s.led_term = s.term
    s.noop_index = s.log.last_index + 1
    s.log.append((NO_OP, s.noop_index, s.term))
    if s.log.configurations.founding:
        # A member that joins later knows the configuration from the log alone.
        s.log.append((encode_voters(s.voters), s.log.last_index + 1, s.term))
    s.ping_due = s.now
    calls.end_transfer(s, RaftUnavailableError("other_leader", f"{s.own} was elected again"))


def step_down(s: RaftState) -> None:
    """Give up the lead, in the same term: no majority answers, the disk hangs, or the own removal is committed."""
    become_follower(s, s.term, None)


def _count_leader(s: RaftState, leader: str) -> None:
    if leader != s.last_leader:
        s.last_leader = leader
        s.metrics.leader_changes += 1


def postpone_election(s: RaftState) -> None:
    low, high = s.settings.election_min, s.settings.election_max
    s.election_deadline = s.now + low + (high - low) * s.random()


# the leader's members


def track_members(s: RaftState) -> None:
    """Keep a record for every voter and for everybody connected, whatever its role (fault 24)."""
    for member in sorted({*s.others, *s.links}):
        if member not in s.progress:
            s.progress[member] = Progress(s.log.last_index + 1, s.now)


def hear_answer(s: RaftState, member: str, term: int) -> Progress | None:
    """An answer came in: the member's record, where it concerns the term that this node leads."""
    see_term(s, term)
    if not s.leading or term != s.term or member not in s.progress:
        return None
    progress = s.progress[member]
    progress.last_contact = s.now
    return progress


def _drop_progress(s: RaftState) -> None:
    for progress in s.progress.values():
        progress.drop_transfer()
    s.progress.clear()


# the log


def commit_to(s: RaftState, index: int) -> None:
    s.commit = max(s.commit, index)


def snapshot_installed(s: RaftState, info: SnapshotInfo) -> None:
    """The state is that of a received snapshot, durable under its name: now the log follows."""
    s.incoming = None
    s.state_ahead = False
    s.snapshot_damaged = False
    s.metrics.snapshots["received"] += 1
    s.snapshot_index = info.index
    s.unsaved_bytes = 0
    log = s.log
    if rules.keeps_suffix(info.index, info.term, log.first_index, log.last_index, log.term_at):
        log.cut(info)
    elif s.leading:
        raise SafetyError(f"a snapshot up to {info.index} is committed, and this leader's log does not hold it")
    else:
        log.replace(info)
    s.applied = info.index
    commit_to(s, info.index)
    calls.applied_by_snapshot(s, info.index, log.term_at(info.index))


# snapshots under way


def discard(s: RaftState, writer: SnapshotWriter) -> None:
    """Drop a draft, after the disk jobs that are still at work on it."""
    s.ready.job(writer.abort, ignore)


def drop_incoming(s: RaftState) -> None:
    """Forget what has arrived, unless the state is already made of it."""
    if s.incoming is not None and not s.state_ahead:
        discard(s, s.incoming.writer)
        s.incoming = None


# the end


def stop(s: RaftState) -> None:
    """Take no more part: nothing is sent, voted or answered. Every waiting call gets its outcome."""
    s.stopped = True
    s.role = Role.FOLLOWER
    _drop_progress(s)
    if s.saving is not None:
        discard(s, s.saving.writer)
        s.saving = None
    s.state_ahead = False
    drop_incoming(s)
    if s.transfer is not None:
        calls.end_transfer(s, in_doubt(s.transfer.late))
    for call in s.pending.deadlines.all():
        calls.end(s, call, in_doubt(call.late))
    s.pending.deadlines.clear()
