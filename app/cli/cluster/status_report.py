"""What is well in a cluster, and what is not, why, and what to do: from what one node tells. Pure."""

from __future__ import annotations

import msgspec

from coterie.app.wire.cluster import Cluster, ClusterMember, Members, Node, RaftLayer, RaftMember
from coterie.app.wire.names import PROGRAM

VOTING = frozenset({"leader", "voter"})


class Problem(msgspec.Struct, frozen=True):
    """Something that is not well."""

    problem: str
    advice: str
    """What to do."""


class Nodes(msgspec.Struct, frozen=True):
    """How many nodes the node knows, by state."""

    live: int
    dead: int
    joining: int
    left: int


class RaftReport(msgspec.Struct, frozen=True):
    """The Raft layer."""

    enabled: bool
    """Whether the node that answered takes part."""
    cluster_id: str | None
    leader: str | None
    term: int
    quorum: bool | None
    """Whether a majority of the voters is there, as Raft sees it; null where that node cannot know."""
    membership_epoch: int
    voters: tuple[str, ...]
    voters_live: int
    """As gossip sees it."""
    voters_needed: int
    """For a majority."""
    observers: tuple[str, ...]
    candidates: tuple[str, ...]


class NodeReport(msgspec.Struct, frozen=True):
    """A node, in both layers."""

    node_id: str
    status: str
    role: str | None
    """Its part in the Raft layer; null where nobody knows it."""
    votes: bool
    note: str | None
    """Why it does not vote."""
    phi: float | None
    last_heartbeat_seconds: float | None
    keys: int
    zone: str | None
    gossip_advertise_addr: str
    generation: int


class StatusReport(msgspec.Struct, frozen=True):
    """The cluster at a glance, as one node sees it."""

    cluster_id: str
    node_id: str
    """The node that answered."""
    version: str | None
    """Of the program that it runs."""
    healthy: bool
    problems: tuple[Problem, ...]
    nodes: Nodes
    raft: RaftReport
    members: tuple[NodeReport, ...]


def report(cluster: Cluster, members: Members, not_ready: str | None, log_shortage: str | None = None) -> StatusReport:
    """Of the node that answered: why it should not be sent requests; what its log is short of."""
    raft = _raft_report(cluster.raft)
    found = [*_twins(cluster.gossip.twins), *_problems(cluster.raft, raft, members.members, not_ready)]
    if log_shortage is not None:
        found.append(_short(log_shortage))
    of_raft = {each.node_id: each for each in cluster.raft.members if each.node_id is not None}
    return StatusReport(
        cluster_id=members.cluster_id,
        node_id=members.node_id,
        version=cluster.version,
        healthy=not found,
        problems=tuple(found),
        nodes=_count(members.members),
        raft=raft,
        members=tuple(_node_report(each, of_raft.get(each.node_id)) for each in members.members),
    )


def _count(members: tuple[ClusterMember, ...]) -> Nodes:
    words = [each.status for each in members]
    return Nodes(*(words.count(word) for word in ("live", "dead", "joining", "left")))


def _raft_report(raft: RaftLayer) -> RaftReport:
    voting = [each for each in raft.members if each.role in VOTING]
    return RaftReport(
        enabled=raft.enabled,
        cluster_id=raft.cluster_id,
        leader=raft.leader,
        term=raft.term,
        quorum=raft.quorum,
        membership_epoch=raft.membership_epoch,
        voters=raft.voters,
        voters_live=sum(each.live for each in voting),
        voters_needed=len(raft.voters) // 2 + 1 if raft.voters else 0,
        observers=raft.observers,
        candidates=raft.candidates,
    )


def _node_report(member: ClusterMember, of_raft: RaftMember | None) -> NodeReport:
    newest = of_raft if member.status in {"live", "dead"} else None
    role = member.role or (newest.role if newest is not None else None)
    votes = role in VOTING
    return NodeReport(
        node_id=member.node_id,
        status=member.status,
        role=role,
        votes=votes,
        note=None if newest is None or votes else newest.reason,
        phi=member.phi,
        last_heartbeat_seconds=member.last_heartbeat_seconds,
        keys=member.keys,
        zone=(newest.zone or None) if newest is not None else None,
        gossip_advertise_addr=member.gossip_advertise_addr,
        generation=member.generation,
    )


def _twins(twins: tuple[Node, ...]) -> list[Problem]:
    places: dict[str, list[str]] = {}
    for each in twins:
        places.setdefault(each.node_id, []).append(each.gossip_advertise_addr)
    return [
        Problem(
            f"{len(at)} running processes have the node_id {node_id}: at {' and '.join(at)}; each hides what the other "
            "says",
            "stop all but one of them, or give each a node_id and a data_dir of its own",
        )
        for node_id, at in places.items()
    ]


def _problems(
    raft: RaftLayer, told: RaftReport, members: tuple[ClusterMember, ...], not_ready: str | None
) -> list[Problem]:
    found: list[Problem] = []
    in_use = bool(raft.voters)
    if in_use and raft.quorum is False:
        found.append(
            Problem(
                f"Raft sees no majority: {told.voters_needed} of {len(raft.voters)} voters are needed (gossip holds "
                f"{told.voters_live} live); the metadata can be neither written nor read for certain",
                f"bring voters back; if they are lost for good: {PROGRAM} recover --help",
            )
        )
    elif in_use and raft.leader is None:
        found.append(
            Problem(
                "no leader is known: the metadata can be neither written nor read for certain",
                "an election takes a second or two; if it lasts, see whether the voters reach each other's Raft ports",
            )
        )
    waiting = [each for each in raft.members if each.role == "candidate" and each.live and each.reason]
    # What the node that answers waits for is told below, with all that wait.
    if not_ready is not None and not_ready not in {f"raft: {each.reason}" for each in waiting}:
        found.append(Problem(f"the node that answers is not ready: {not_ready}", "its log says more"))
    dead_voters = {each.node_id for each in raft.members if each.role in VOTING and not each.live}
    found += (_lost_voter(each, told) for each in raft.members if each.role in VOTING and not each.live)
    alive = {each.node_id for each in members if each.status == "live"}
    found += (
        Problem(
            f"{each.node_id} is dead" + _for(each.last_heartbeat_seconds),
            f"start it again; if it is lost for good: {PROGRAM} members forget {each.node_id}",
        )
        for each in members
        if each.status == "dead" and each.node_id not in dead_voters | alive
    )
    if len(raft.voters) == 2:
        found.append(
            Problem("two voters survive no failure", "start a third node with raft.enabled; it votes by itself, soon")
        )
    found += (
        Problem(
            f"{each.node_id or each.member_id} waits to be in a Raft cluster: {each.reason}",
            "if it lasts: the first nodes need raft.bootstrap_expect, the number of them (1, 3 or 5), and later ones a "
            "seed that leads to them",
        )
        for each in waiting
    )
    return found


def _short(log_shortage: str) -> Problem:
    if log_shortage == "disk_full":
        return Problem(
            "the node that answers has no space on its disk: its log takes no writes, and while it leads nobody's",
            f"make room on its disk, and it goes on by itself; meanwhile: {PROGRAM} raft transfer",
        )
    return Problem(
        "the log of the node that answers is full: it takes no writes until a snapshot has cut it",
        "wait for the snapshot, which is under way",
    )


def _lost_voter(each: RaftMember, told: RaftReport) -> Problem:
    spare = told.voters_live - told.voters_needed
    more = "no further failure is survived" if spare == 0 else f"{spare} more can fail"
    return Problem(
        f"the voter {each.node_id or each.member_id} is not live" + (f"; {more}" if spare >= 0 else ""),
        "start it again; else one that stands ready takes its place, after raft.dead_voter_grace",
    )


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f", silent for {seconds:.0f} s"
