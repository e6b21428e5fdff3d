"""How founders agree: who may, who proposes, which proposal stands, when an agreement may go (raft spec 4, bootstrap).

The lowest eligible node proposes; the others agree to the highest proposal that can still come to pass. An agreement
that has led to no vote yet goes when its proposer is dead or went on, or in favour of a higher proposal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coterie.consensus.autopilot.announcement import PROTOCOL_VERSION, Announcement
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    BootstrapAction,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.founding_vote import (
    MAX_ATTEMPT,
    Founder,
    FoundingProposal,
    FoundingVote,
    short_name,
)
from coterie.consensus.autopilot.observations import Observations, Presence

SETTLE_SECONDS = 3.0
"""A node gossips for so long before it proposes: one that has just started knows of nobody."""

UNSEEN_SECONDS = 30.0
"""A proposer counts as dead where nothing was seen of it for so long since this node started."""

FOUNDING_PATIENCE = 30.0
"""Once all founders had agreed, the death of one must last so long before the agreement goes. By then the others may
have voted, and would wait for this one in vain; an election takes a second or two."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """The input of one step."""

    own: OwnState
    seen: Observations
    eligible: dict[str, str]
    """Live nodes that may still found with this one: member id -> node name."""


def _eligible(own: OwnState, seen: Observations) -> dict[str, str]:
    live: dict[str, str] = {}
    names: dict[str, int] = {}
    for member, observation in seen.of_member.items():
        it = observation.announcement
        if member == own.member or not observation.live or it is None or member in seen.copies:
            continue
        if it.role == "candidate" and it.rule == own.rule and it.version == PROTOCOL_VERSION:
            live[member] = observation.node
            names[observation.node] = names.get(observation.node, 0) + 1
    twice = {name for name, count in names.items() if count > 1} | {own.node}
    live = {member: node for member, node in live.items() if node not in twice}
    if own.member not in seen.copies:
        live[own.member] = own.node
    if own.rule.names:
        live = {member: node for member, node in live.items() if node in own.rule.names}
    return live


def found(own: OwnState, seen: Observations, fresh_cluster_id: str) -> BootstrapAction:
    """The step of a node without data, while nobody reports a cluster."""
    scene = _Scene(own, seen, _eligible(own, seen))
    vote = own.founding_vote
    agreed = vote.agrees_to
    standing = [proposal for proposal in _proposals(scene) if _stands(scene, proposal)]
    mine = [proposal for proposal in standing if own.member in proposal.members]
    fallen = None
    if agreed is not None:
        unanimous = all(_agrees(scene, member, agreed) for member in agreed.members)
        if own.running is not None:
            broken = None if unanimous else _broken(scene, agreed)
            return RunRaft(agreed.cluster_id, agreed.members) if broken is None else StopRaft(broken)
        if unanimous:
            return RunRaft(agreed.cluster_id, agreed.members)
        fallen = _fallen(scene, agreed, standing)
    elif own.running is not None:
        return StopRaft("no part in a founding")
    ineligible = _why_ineligible(scene)
    best = max(mine, key=lambda each: (each.attempt, _Reversed(each.proposer)), default=None)
    if ineligible is None and best is not None and vote.accepts(best):
        return StoreVote(vote.agreeing(best), f"agreeing to attempt {best.attempt} of {best.proposer}")
    if agreed is not None:
        if fallen is not None:
            return StoreVote(vote.dropping(), f"attempt {agreed.attempt} of {agreed.proposer} fell: {fallen}")
        waits = [member for member in agreed.members if not _agrees(scene, member, agreed)]
        missing = ", ".join(f"member {member} of node {agreed.node_of(member)}" for member in waits)
        return Wait(ineligible or f"waiting for the agreement of {missing}")
    problem = ineligible or _why_not_proposing(scene, standing)
    if problem is not None:
        return Wait(problem)
    proposal = _propose(scene, fresh_cluster_id)
    return StoreVote(vote.agreeing(proposal), f"proposing cluster {fresh_cluster_id} to {len(proposal.members)}")


@dataclass(frozen=True, slots=True)
class _Reversed:
    """Orders proposers so that the lowest is the greatest."""

    value: str

    def __lt__(self, other: _Reversed) -> bool:
        return other.value < self.value


def _broken(scene: _Scene, agreed: FoundingProposal) -> str | None:
    """Why a founding that all had agreed to, and that runs, can come to nothing; None while it still may succeed."""
    for founder in agreed.founders:
        seen = scene.seen.of_member.get(founder.member)
        if founder.member == scene.own.member or seen is None:
            continue
        if seen.live:
            it = seen.announcement
            if it is not None and it.agrees_to != agreed and not agreed.rank.above(it.highest_rank):
                return f"{founder.node} has dropped its agreement"
        elif seen.dead_for is not None and seen.dead_for >= FOUNDING_PATIENCE:
            return f"{founder.node} is dead"
    return None


def _announced(scene: _Scene, member: str) -> Announcement | None:
    seen = scene.seen.of_member.get(member)
    return seen.announcement if seen is not None and seen.live else None


def _vote_of(scene: _Scene, member: str) -> FoundingVote:
    """A member's founding vote, as far as this node knows."""
    if member == scene.own.member:
        return scene.own.founding_vote
    it = _announced(scene, member)
    return FoundingVote() if it is None else FoundingVote(it.agrees_to, it.highest_rank)


def _agrees(scene: _Scene, member: str, proposal: FoundingProposal) -> bool:
    return _vote_of(scene, member).agrees_to == proposal


def _proposals(scene: _Scene) -> Iterable[FoundingProposal]:
    """Those whose own proposers are live and agree to them."""
    for member in sorted({*scene.seen.of_member, scene.own.member}):
        agreed = _vote_of(scene, member).agrees_to
        if agreed is not None and agreed.proposer == member:
            yield agreed


def _stands(scene: _Scene, proposal: FoundingProposal) -> bool:
    """Whether it can still come to pass, as far as this node knows."""
    rule = scene.own.rule
    if len(proposal.founders) != rule.count or proposal.proposer not in scene.eligible:
        return False
    for founder in proposal.founders:
        if founder.member not in scene.eligible:
            return False
        vote = _vote_of(scene, founder.member)
        if vote.agrees_to != proposal and not vote.accepts(proposal):
            return False
    return True


def _fallen(scene: _Scene, agreed: FoundingProposal, standing: list[FoundingProposal]) -> str | None:
    """Why the own agreement may go; None while it may not, or need not."""
    proposer = agreed.proposer
    if proposer == scene.own.member:
        return None if agreed in standing else "a founder of it is gone, or has agreed to another one"
    seen = scene.seen.of_member.get(proposer)
    if seen is None or seen.presence is Presence.UNSEEN:
        return "nothing was seen of its proposer" if scene.own.up_for >= UNSEEN_SECONDS else None
    if not seen.live:
        return "its proposer is dead"
    if seen.announcement is not None and seen.announcement.agrees_to != agreed:
        return "its proposer went on"
    return None


def _why_ineligible(scene: _Scene) -> str | None:
    """Why this node takes part in no founding; None where it may."""
    own, rule = scene.own, scene.own.rule
    if rule.count == 0:
        return "bootstrap_expect is not set: waiting for a cluster to join"
    problem = rule.problem()
    if problem is not None:
        return problem
    if own.member in scene.seen.copies:
        return f"{' and '.join(scene.seen.copies[own.member])} are the same member: one data directory is a copy"
    if rule.names and own.node not in rule.names:
        return f"waiting for {', '.join(rule.names)} to found the cluster"
    possible = _possible_founders(scene)
    if not rule.names and 2 * rule.expect <= possible:
        return (
            f"bootstrap_expect = {rule.expect} is not more than half of the {possible} nodes that could found: two "
            "clusters could arise. Raise it, or name the founders"
        )
    return None


def _possible_founders(scene: _Scene) -> int:
    """How many nodes could found a cluster: dead ones count, unless a live one has taken their name or address."""
    live = dict(scene.eligible)
    taken = {scene.own.node}
    addresses = set()
    dead = []
    for member, observation in scene.seen.of_member.items():
        it = observation.announcement
        if it is None or it.role not in {"candidate", "founder"} or it.rule.count == 0:
            continue
        if observation.live:
            live[member] = observation.node
            taken.add(observation.node)
            addresses.add(it.address)
        else:
            dead.append((observation.node, it.address))
    return len(live) + len({address for node, address in dead if node not in taken and address not in addresses})


def _why_not_proposing(scene: _Scene, standing: list[FoundingProposal]) -> str | None:
    own, rule = scene.own, scene.own.rule
    have = len(scene.eligible)
    if have < rule.count:
        if rule.names:
            absent = sorted(set(rule.names) - set(scene.eligible.values()))
            return f"waiting for {', '.join(absent)}"
        return f"waiting for {rule.count - have} more of bootstrap_expect = {rule.expect} nodes"
    if own.up_for < SETTLE_SECONDS:
        return "has just started: looking for others"
    if standing:
        return f"{scene.eligible[standing[0].proposer]} proposes to found the cluster"
    lowest = min(scene.eligible)
    if lowest != own.member:
        return f"waiting for a proposal of {scene.eligible[lowest]}"
    return None


def _propose(scene: _Scene, fresh_cluster_id: str) -> FoundingProposal:
    """The lowest eligible nodes, and a newer attempt than any that is known."""
    ranks = [_vote_of(scene, member).highest_rank for member in {*scene.seen.of_member, scene.own.member}]
    # The dead may come back.
    ranks += [each.announcement.highest_rank for each in scene.seen.all if each.announcement is not None]
    attempts = [rank.attempt for rank in ranks if rank is not None and rank.attempt < MAX_ATTEMPT]
    attempt = 1 + max(attempts, default=0)
    chosen = sorted(scene.eligible)[: scene.own.rule.count]
    founders = tuple(Founder(member, short_name(scene.eligible[member])) for member in chosen)
    return FoundingProposal(fresh_cluster_id, attempt, scene.own.member, founders)
