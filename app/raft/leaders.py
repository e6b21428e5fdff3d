"""Which cluster's leader a node without metadata turns to, and where that may be: gossip's advice, put in order.

Terms count within one cluster alone. A node keeps to the cluster whose leader it has spoken to, and follows where that
was recovered as another one. What nodes announce with a proof of the Raft secret goes before what others announce. What
is left to decide is decided by the proof of whoever answers (`app/http/peers/`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coterie.app.raft.pin import RESTART
from coterie.consensus.autopilot.announcement import ClusterStatus
from coterie.consensus.autopilot.observations import Observation, Observations
from coterie.gossip import Address

MAX_CANDIDATES = 16
"""Addresses that are tried for one request."""


@dataclass(frozen=True, slots=True)
class LeaderCandidate:
    """Where the leader may be."""

    address: Address
    """Of the HTTP API."""
    cluster: str | None
    """The cluster that it is to lead; None: whichever it says."""
    member: str | None = None
    """Who it must be, where Raft itself says so."""


@dataclass(frozen=True, slots=True)
class LeaderChoice:
    """What gossip advises."""

    cluster: str | None = None
    leader: str | None = None
    """Member id: the leader that is likeliest."""
    term: int = 0
    epoch: int = 0
    leaders: tuple[tuple[str, str], ...] = ()
    """Cluster and member id of each that may lead, the likeliest first."""
    problem: str | None = None
    """Why no cluster can be chosen."""


def choose(seen: Observations, pinned: str | None, way_out: str = RESTART) -> LeaderChoice:
    """`pinned`: the cluster that this node has spoken to. `way_out`: how it forgets that."""
    live = [each for each in seen.all if each.live and each.announcement is not None and each.announcement.cluster_id]
    proved = [each for each in live if each.proved]
    pool = proved or live
    clusters = _in_order(pool, Observations.of(pool).replaced(), pinned)
    if not clusters:
        return LeaderChoice(problem=_lost(pool, pinned, way_out))
    if len(clusters) > 1 and proved:
        return LeaderChoice(problem=_met(pool, clusters))
    found: list[tuple[str, str]] = []
    for cluster in clusters:
        found += [(cluster, leader) for leader in _leaders([each for each in pool if _is_of(each, cluster)])]
    cluster, leader = found[0] if found else (clusters[0], None)
    statuses = [status for each in pool if _is_of(each, cluster) and (status := _status(each)) is not None]
    of_leader = [each.term for each in statuses if each.leader == leader] or [each.term for each in statuses]
    return LeaderChoice(
        cluster,
        leader,
        max(of_leader, default=0),
        max((each.epoch for each in statuses), default=0),
        tuple(found),
    )


def meeting(seen: Observations) -> str | None:
    """Why a node without Raft is not to be relied on where two clusters meet; None where they do not."""
    proved = seen.proved()
    replaced = proved.replaced()
    clusters = [each for each in proved.clusters(live=True) if each not in replaced]
    return _met(proved.all, clusters) if len(clusters) > 1 else None


def _is_of(each: Observation, cluster: str) -> bool:
    return each.announcement is not None and each.announcement.cluster_id == cluster


def _in_order(pool: list[Observation], replaced: dict[str, str], pinned: str | None) -> list[str]:
    """The clusters that may be turned to, the one that most nodes report first."""
    reporters: dict[str, int] = {}
    for each in pool:
        if each.announcement is not None and each.announcement.cluster_id is not None:
            reporters[each.announcement.cluster_id] = reporters.get(each.announcement.cluster_id, 0) + 1
    standing = [cluster for cluster in reporters if cluster not in replaced]
    if pinned is not None:
        successor, seen = pinned, {pinned}
        while (following := replaced.get(successor)) is not None and following not in seen:
            successor = following
            seen.add(following)
        # A stranger may claim to replace it: where nothing is proved, both are tried.
        standing = [cluster for cluster in dict.fromkeys((successor, pinned)) if cluster in reporters]
        return standing[:1] if all(each.proved for each in pool) else standing
    return sorted(standing, key=lambda cluster: (-reporters[cluster], cluster))


def _leaders(reports: Iterable[Observation]) -> list[str]:
    """Whom nodes of one cluster hold for the leader: by the term where all is proved, else by how many they are."""
    terms: dict[str, int] = {}
    number: dict[str, int] = {}
    proved, newest = True, 0
    for each in reports:
        status = _status(each)
        proved = proved and each.proved
        if status is None:
            continue
        newest = max(newest, status.term)
        if status.leader is not None:
            terms[status.leader] = max(terms.get(status.leader, 0), status.term)
            number[status.leader] = number.get(status.leader, 0) + 1
    if proved:
        return [leader for leader, term in terms.items() if term == newest]
    return sorted(terms, key=lambda leader: (-number[leader], -terms[leader], leader))


def _status(each: Observation) -> ClusterStatus | None:
    return None if each.announcement is None else each.announcement.status


def _met(pool: Iterable[Observation], clusters: Iterable[str]) -> str:
    known = Observations.of(pool).clusters(live=True)
    reports = "; ".join(f"{cluster} ({', '.join(known.get(cluster, ()))})" for cluster in sorted(clusters))
    return f"two Raft clusters gossip with each other here, and clusters never merge: {reports}. Give one other seeds"


def _lost(pool: Iterable[Observation], pinned: str | None, way_out: str) -> str | None:
    others = Observations.of(pool).clusters(live=True)
    if pinned is None or not others:
        return None
    return (
        f"this node has spoken to the Raft cluster {pinned}, of which no node is here; {', '.join(sorted(others))} is "
        f"another one, which was not recovered from it: {way_out} to have it go over to that"
    )
