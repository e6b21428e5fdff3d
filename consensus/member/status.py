"""A member's own view of its group, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.raft.node import RaftNode


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
    founding: bool
    """The cluster has not been founded yet: every founder's vote is needed."""
    change_pending: bool
    """The latest change of voters is not committed yet."""
    quorum: bool
    """A majority is known to be there: heard from as a leader, or heard of from one."""
    failure: str | None
    """Why this member has stopped its part in Raft."""


def leader_of(node: RaftNode) -> str | None:
    """Member id of the leader, as far as this member knows."""
    if node.leading:
        return node.own
    leader = node.leader
    return None if leader is None else str(leader.id)


def member_status(node: RaftNode, cluster: str, revision: int, election_max: float, now: float) -> MemberStatus:
    """`revision`: of the state as applied. `election_max`: a majority that is silent for longer is not there (s)."""
    role = "leader" if node.leading else "candidate" if node.campaign is not None else "follower"
    return MemberStatus(
        member=node.own,
        cluster=cluster,
        role=role if node.votes else "observer",
        leader=leader_of(node),
        term=node.term,
        voters=node.voters,
        connected=tuple(sorted(str(peer.id) for peer in node.connected)),
        last_index=node.last_index,
        commit_index=node.commit,
        applied_index=node.applied,
        snapshot_index=node.snapshot_index,
        log_entries=len(node.log),
        revision=revision,
        founding=node.founding,
        change_pending=node.configurations.latest_index > node.commit,
        quorum=_silent_seconds(node, now) < election_max,
        failure=repr(node.failure) if node.failure is not None else None,
    )


def _silent_seconds(node: RaftNode, now: float) -> float:
    """Since a majority was known to be there: heard from as a leader, or heard of from one."""
    if not node.leading:
        return now - node.leader_contact
    heard = sorted(now - node.heard.get(node.member(voter), 0.0) for voter in node.voters if voter != node.own)
    needed = len(node.voters) // 2
    return heard[needed - 1] if needed else 0.0


def peer_statuses(node: RaftNode, now: float) -> list[PeerStatus]:
    """What a member knows of the others; matches and silences are a leader's knowledge."""
    found = []
    for peer in sorted(node.others | node.connected, key=str):
        flow = node.flows.get(peer)
        found.append(
            PeerStatus(
                member=str(peer.id),
                voter=str(peer.id) in node.voters,
                connected=peer in node.connected,
                match=node.match.get(peer, 0) if node.leading else 0,
                silent_seconds=now - node.heard[peer] if node.leading and peer in node.heard else float("inf"),
                receives_snapshot=flow is not None and flow.transfer is not None,
            )
        )
    return found
