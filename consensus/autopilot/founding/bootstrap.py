"""How a cluster is founded, and how a node finds one to join: one pure step (raft spec 4, bootstrap).

The only state is durable: the founding vote, the identity's cluster id, term and log. A step looks at them and at what
gossip shows, and returns the next action; it is asked again after each change. Its safety needs no gossip: a member
votes only in the cluster that it agrees to, an agreement that has led to a vote is never dropped, a dropped one is
never given again, and a founding leader needs the votes of all founders. So at most one of two clusters that share a
member has ever had a leader. Gossip proposes; a lie of gossip costs time.
"""

from __future__ import annotations

from coterie.consensus.autopilot.founding.agreement import found
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    ArchiveDirectory,
    BindCluster,
    BootstrapAction,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.founding_vote import FoundingProposal
from coterie.consensus.autopilot.observations import Observation, Observations, Presence


def step(own: OwnState, seen: Observations, fresh_cluster_id: str) -> BootstrapAction:
    """What to do next. `fresh_cluster_id` is used nowhere else, ever: this node takes it if it proposes now."""
    agreed = own.founding_vote.agrees_to
    if own.cluster_id is not None:
        founders = agreed.members if agreed is not None and agreed.cluster_id == own.cluster_id else ()
        return RunRaft(own.cluster_id, founders, other_clusters(own.cluster_id, seen))
    if own.may_have_voted:
        return _resume(own, seen, agreed)
    namesake = seen.newer_namesake(own.node, own.generation)
    if namesake is not None:
        return _stop_raft(own) or Wait(
            f"another process runs under the name {own.node}, started later"
            f"{_at(namesake)}: give one of the two another node_id"
        )
    return _existing(own, seen) or found(own, seen, fresh_cluster_id)


def give_up(own: OwnState) -> StoreVote | ArchiveDirectory | None:
    """The operator's command for a founder that waits for a member which will never come back. None: not founding.

    Nothing can take a vote back, so a member that has voted ends with its directory, and its node starts anew.
    """
    if own.bound or (own.founding_vote.agrees_to is None and not own.may_have_voted):
        return None
    if own.may_have_voted:
        return ArchiveDirectory("the operator gave up the founding in which this member has voted")
    return StoreVote(own.founding_vote.dropping(), "the operator gave up the founding")


def other_clusters(cluster_id: str, seen: Observations) -> str | None:
    """What is wrong where this cluster's gossip meets another one; None where it does not.

    Nodes that are left of a cluster which this one was recovered from are no harm to it: they have to go themselves.
    """
    replaced = seen.replaced()
    successor = replaced.get(cluster_id)
    if successor is not None and successor != cluster_id:
        return (
            f"cluster {successor} was recovered from the state of this node's cluster {cluster_id}, and takes its "
            "place: stop this node, set its raft directory aside, and let it join that one"
        )
    others = sorted(
        (cluster, nodes)
        for cluster, nodes in seen.clusters(live=True).items()
        if cluster != cluster_id and replaced.get(cluster) != cluster_id
    )
    if not others:
        return None
    met = "; ".join(f"{cluster} ({', '.join(nodes)})" for cluster, nodes in others)
    return f"nodes of another cluster gossip with this one, and clusters never merge: {met}"


# -- a vote was given ----------------------------------------------------------------------------------------------


def _resume(own: OwnState, seen: Observations, agreed: FoundingProposal | None) -> BootstrapAction:
    if own.founding_vote.joining is not None:
        return BindCluster(own.founding_vote.joining, (), "a leader of the cluster was heard: this node has joined it")
    if agreed is None:
        return Wait(
            "this directory has a vote or a log, but neither a cluster id nor an answer to a proposal: files of it are "
            "missing. Set it aside, and let this node start with an empty one"
        )
    if own.last_index > 1:
        return BindCluster(agreed.cluster_id, agreed.members, "the cluster has had a leader: it is founded")
    return RunRaft(agreed.cluster_id, agreed.members, _missing(own, seen, agreed))


def _missing(own: OwnState, seen: Observations, agreed: FoundingProposal) -> str | None:
    """The founders that the founding election waits for, by gossip."""
    waits = [
        f"member {member} of node {agreed.node_of(member)} ({_state(seen.of_member.get(member), agreed)})"
        for member in agreed.members
        if member != own.member and not _agrees(seen.of_member.get(member), agreed)
    ]
    if not waits:
        return None
    return (
        f"this founder has voted and waits for {', '.join(waits)}: the founding needs the votes of all. "
        "If it is lost for good, give the founding up on every founder that is left"
    )


def _agrees(observation: Observation | None, agreed: FoundingProposal) -> bool:
    return (
        observation is not None
        and observation.live
        and observation.announcement is not None
        and (observation.announcement.agrees_to == agreed or observation.announcement.cluster_id == agreed.cluster_id)
    )


def _state(observation: Observation | None, agreed: FoundingProposal) -> str:
    if observation is None:
        return "not seen"
    if not observation.live:
        return "dead" if observation.presence is Presence.DEAD else "no sign of life yet"
    it = observation.announcement
    if it is not None and it.cluster_id is not None:
        return f"it belongs to cluster {it.cluster_id}"
    if it is not None and it.agrees_to != agreed and not agreed.rank.above(it.highest_rank):
        return "it has dropped its agreement for ever"
    return "it has not agreed yet"


# -- a cluster is there already ------------------------------------------------------------------------------------


def _existing(own: OwnState, seen: Observations) -> BootstrapAction | None:
    """Join the one cluster that live nodes report. None: no node, alive or dead, reports any.

    The node joins on gossip's word, and for ever only once it has heard a leader of the cluster over a proven link.
    """
    joining = own.founding_vote.joining
    live, dead, replaced = seen.clusters(live=True), seen.clusters(live=False), seen.replaced()
    live = {cluster: nodes for cluster, nodes in live.items() if cluster not in replaced}
    if joining is not None and (joining in live or (not live and joining in dead)):
        wait = f"joining cluster {joining}: not a word of its leader yet"
        return RunRaft(joining, (), wait) if own.running in {None, joining} else _stop_raft(own)
    if live or joining is not None:
        stop = _stop_raft(own)
        if stop is not None:
            return stop
    if len(live) > 1:
        reports = "; ".join(f"{cluster} by {', '.join(nodes)}" for cluster, nodes in sorted(live.items()))
        return Wait(f"two clusters meet here, and they never merge: {reports}. Give one other seeds")
    if live:
        ((cluster, nodes),) = live.items()
        return _join(own, cluster, nodes[0])
    if joining is not None:
        return StoreVote(own.founding_vote.dropping(), f"nobody reports cluster {joining} any more")
    if dead:
        cluster, nodes = min(dead.items())
        return _stop_raft(own) or Wait(
            f"cluster {cluster} was reported by {', '.join(nodes)}, not alive now: waiting for a node of it, "
            "for nobody founds a second cluster beside it"
        )
    return None


def _join(own: OwnState, cluster: str, reporter: str) -> BootstrapAction:
    agreed = own.founding_vote.agrees_to
    if agreed is not None and agreed.cluster_id == cluster:
        # Founded without this member's vote: impossible, so its own vote was lost with a part of its disk.
        return Wait(
            f"cluster {cluster} was founded with this member, whose disk knows nothing of it: it was rolled back. "
            "Set its directory aside"
        )
    vote = own.founding_vote.joining_cluster(cluster)
    return StoreVote(vote, f"{reporter} reports cluster {cluster}: joining as an observer")


def _stop_raft(own: OwnState) -> StopRaft | None:
    return StopRaft("no part in this founding any more") if own.running is not None else None


def _at(observation: Observation) -> str:
    if observation.announcement is None:
        return ""
    host, port = observation.announcement.address
    return f", Raft address {host} port {port}"
