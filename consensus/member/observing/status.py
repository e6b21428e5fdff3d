"""A member's own view of its group, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.ports import Shortage
from coterie.consensus.store import State


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a leader knows of another member."""

    member: str
    voter: bool
    connected: bool
    match: int
    """Index up to which it is known to hold the leader's log."""
    silent_seconds: float
    """Since it last answered this leader."""
    receives_snapshot: bool


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member's own view."""

    member: str
    cluster: str
    role: str
    """leader, candidate or follower; a follower that is no voter is an observer."""
    leader: str | None
    term: int
    voters: tuple[str, ...]
    connected: tuple[str, ...]
    """Members with an open link to this one."""
    last_index: int
    commit_index: int
    applied_index: int
    snapshot_index: int
    log_entries: int
    revision: int
    level: int
    """Of operations, that the cluster uses."""
    known_level: int
    """The newest one that this member follows."""
    founding: bool
    """The cluster has not been founded yet: every founder's vote is needed."""
    change_pending: bool
    """The latest change of voters is not committed yet."""
    quorum: bool
    """A majority is known to be there: heard from as a leader, or heard of from one."""
    failure: str | None
    """Why this member has stopped its part in Raft."""
    shortage: Shortage | None
    """Why its log takes no write now."""


def member_status(node: RaftNode, cluster: str, applied: State, election_max: float, now: float) -> MemberStatus:
    """`applied`: the replicated state. `election_max`: a majority that is silent for longer is not there (s)."""
    state = node.state
    role = "leader" if state.leading else "candidate" if state.campaign is not None else "follower"
    return MemberStatus(
        member=state.own,
        cluster=cluster,
        role=role if state.votes else "observer",
        leader=state.leader,
        term=state.term,
        voters=state.voters,
        connected=tuple(sorted(state.links)),
        last_index=state.log.last_index,
        commit_index=state.commit,
        applied_index=state.applied,
        snapshot_index=state.snapshot_index,
        log_entries=len(state.log),
        revision=applied.keyspace.revision,
        level=applied.feature_level,
        known_level=applied.known_level,
        founding=state.founding,
        change_pending=state.change_pending,
        quorum=_silent_seconds(state, now) < election_max,
        failure=repr(node.failure) if node.failure is not None else None,
        shortage=state.log.journal.shortage(1),
    )


def _silent_seconds(state: RaftState, now: float) -> float:
    """Since a majority was known to be there: heard from as a leader, or heard of from one."""
    if not state.leading:
        return now - state.leader_contact
    heard = sorted(now - state.progress[voter].last_contact for voter in state.others)
    needed = len(state.voters) // 2
    return heard[needed - 1] if needed else 0.0


def peer_statuses(node: RaftNode, now: float) -> list[PeerStatus]:
    """What a member knows of the others; matches and silences are a leader's knowledge."""
    state = node.state
    found = []
    for peer in sorted({*state.others, *state.links}):
        progress = state.progress.get(peer)
        found.append(
            PeerStatus(
                member=peer,
                voter=peer in state.voters,
                connected=peer in state.links,
                match=0 if progress is None else progress.match,
                silent_seconds=float("inf") if progress is None else now - progress.last_contact,
                receives_snapshot=progress is not None and progress.transfer is not None,
            )
        )
    return found
