"""How a cluster is founded, and how a node finds one to join: one pure step (spec section 4, bootstrap).

The only state is durable: the ballot, the identity's cluster id, term and log. A step looks at them and at what gossip
shows, and says what to do next; it is asked again after each change. What makes it safe needs no gossip: a member gives
a vote only to the cluster of its answer, an answer that has led to a vote is never dropped, one that was dropped is
never accepted again, and a founding leader needs the votes of all founders. So of two clusters that share a member, one
at the most has ever had a leader. Gossip proposes; a lie of it costs time.
"""

from __future__ import annotations

from coterie.consensus.autopilot.founding.agreement import found
from coterie.consensus.autopilot.founding.bootstrap_actions import Bind, Halt, Keep, Move, Own, Run, SetAside, Wait
from coterie.consensus.autopilot.founding_vote import Proposal
from coterie.consensus.autopilot.observations import Presence, Sighting, Sightings


def step(own: Own, seen: Sightings, fresh_cluster_id: str) -> Move:
    """What to do next. `fresh_cluster_id` is used by nobody else, ever: it is taken if this node proposes now."""
    answer = own.ballot.answer
    if own.cluster_id is not None:
        founders = answer.members if answer is not None and answer.cluster_id == own.cluster_id else ()
        return Run(own.cluster_id, founders, _strangers(own.cluster_id, seen))
    if own.frozen:
        return _resume(own, seen, answer)
    namesake = seen.newer_namesake(own.node, own.generation)
    if namesake is not None:
        return _quiet(own) or Wait(
            f"another process runs under the name {own.node}, started later"
            f"{_at(namesake)}: give one of the two another node_id"
        )
    elsewhere = _existing(own, seen)
    if elsewhere is not None:
        return elsewhere
    return found(own, seen, fresh_cluster_id)


def give_up(own: Own) -> Keep | SetAside | None:
    """The operator's command for a founder that waits for a member which will never come back. None: not founding.

    Where a vote was given nothing can take it back, so the member ends with its directory, and its node starts anew.
    """
    if own.bound or (own.ballot.answer is None and not own.frozen):
        return None
    if own.frozen:
        return SetAside("the operator gave up the founding in which this member has voted")
    return Keep(own.ballot.dropping(), "the operator gave up the founding")


def _strangers(cluster_id: str, seen: Sightings) -> str | None:
    """What is to be told of another cluster that this one's gossip meets."""
    others = sorted((cluster, nodes) for cluster, nodes in seen.clusters(live=True).items() if cluster != cluster_id)
    if not others:
        return None
    told = "; ".join(f"{cluster} ({', '.join(nodes)})" for cluster, nodes in others)
    return f"nodes of another cluster gossip with this one, and clusters never merge: {told}"


# -- a vote was given ----------------------------------------------------------------------------------------------


def _resume(own: Own, seen: Sightings, answer: Proposal | None) -> Move:
    if own.ballot.joining is not None:
        return Bind(own.ballot.joining, (), "a leader of the cluster was heard: this node has joined it")
    if answer is None:
        return Wait(
            "this directory has a vote or a log, but neither a cluster id nor an answer to a proposal: files of it are "
            "missing. Set it aside, and let this node start with an empty one"
        )
    if own.last_index > 1:
        return Bind(answer.cluster_id, answer.members, "the cluster has had a leader: it is founded")
    return Run(answer.cluster_id, answer.members, _missing(own, seen, answer))


def _missing(own: Own, seen: Sightings, answer: Proposal) -> str | None:
    """Whom the founding election waits for, as far as gossip knows."""
    waits = [
        f"member {member} of node {answer.node_of(member)} ({_state(seen.of_member.get(member), answer)})"
        for member in answer.members
        if member != own.member and not _agrees(seen.of_member.get(member), answer)
    ]
    if not waits:
        return None
    return (
        f"this founder has voted and waits for {', '.join(waits)}: the founding needs the votes of all. "
        "If it is lost for good, give the founding up on every founder that is left"
    )


def _agrees(sighting: Sighting | None, answer: Proposal) -> bool:
    return (
        sighting is not None
        and sighting.live
        and sighting.announcement is not None
        and (sighting.announcement.answer == answer or sighting.announcement.cluster_id == answer.cluster_id)
    )


def _state(sighting: Sighting | None, answer: Proposal) -> str:
    if sighting is None:
        return "not seen"
    if not sighting.live:
        return "dead" if sighting.presence is Presence.DEAD else "no sign of life yet"
    it = sighting.announcement
    if it is not None and it.cluster_id is not None:
        return f"it belongs to cluster {it.cluster_id}"
    if it is not None and it.answer != answer and not answer.rank.above(it.floor):
        return "it has dropped its agreement for ever"
    return "it has not agreed yet"


# -- a cluster is there already ------------------------------------------------------------------------------------


def _existing(own: Own, seen: Sightings) -> Move | None:
    """Join the one cluster that live nodes report. None: nobody, alive or dead, reports any.

    It is joined on gossip's word, and for ever only once a leader of it was heard over a proven link.
    """
    joining = own.ballot.joining
    live, dead = seen.clusters(live=True), seen.clusters(live=False)
    if joining is not None and (joining in live or (not live and joining in dead)):
        wait = f"joining cluster {joining}: not a word of its leader yet"
        return Run(joining, (), wait) if own.running in {None, joining} else _quiet(own)
    if live or joining is not None:
        quiet = _quiet(own)
        if quiet is not None:
            return quiet
    if len(live) > 1:
        told = "; ".join(f"{cluster} by {', '.join(nodes)}" for cluster, nodes in sorted(live.items()))
        return Wait(f"two clusters meet here, and they never merge: {told}. Give one other seeds")
    if live:
        ((cluster, nodes),) = live.items()
        return _join(own, cluster, nodes[0])
    if joining is not None:
        return Keep(own.ballot.dropping(), f"nobody reports cluster {joining} any more")
    if dead:
        cluster, nodes = min(dead.items())
        return _quiet(own) or Wait(
            f"cluster {cluster} was reported by {', '.join(nodes)}, not alive now: waiting for a node of it, "
            "for nobody founds a second cluster beside it"
        )
    return None


def _join(own: Own, cluster: str, reporter: str) -> Move:
    answer = own.ballot.answer
    if answer is not None and answer.cluster_id == cluster:
        # Founded without this member's vote: impossible, so its own vote was lost with a part of its disk.
        return Wait(
            f"cluster {cluster} was founded with this member, whose disk knows nothing of it: it was rolled back. "
            "Set its directory aside"
        )
    return Keep(own.ballot.joining_cluster(cluster), f"{reporter} reports cluster {cluster}: joining as an observer")


def _quiet(own: Own) -> Halt | None:
    return Halt("no part in this founding any more") if own.running is not None else None


def _at(sighting: Sighting) -> str:
    if sighting.announcement is None:
        return ""
    host, port = sighting.announcement.address
    return f", Raft address {host} port {port}"
