"""Founding a cluster: who may, who proposes, whose proposal stands, when an answer may go (spec section 4, bootstrap).

The lowest candidate proposes; the others agree to the highest proposal that can still come to pass. An answer that has
led to no vote yet goes when its proposer is dead or went on, or in favour of a higher proposal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coterie.consensus.autopilot.announcement import PROTOCOL_VERSION, Announcement
from coterie.consensus.autopilot.founding.bootstrap_actions import Halt, Keep, Move, Own, Run, Wait
from coterie.consensus.autopilot.founding_vote import MAX_ATTEMPT, Ballot, Founder, Proposal, short_name
from coterie.consensus.autopilot.observations import Presence, Sightings

SETTLE_SECONDS = 3.0
"""A candidate gossips for so long before it proposes: who has just started knows of nobody."""

UNSEEN_SECONDS = 30.0
"""A proposer of which nothing was seen since this node started counts as dead after so long."""

FOUNDING_PATIENCE = 30.0
"""Once all founders had agreed, the death of one must last so long before the answer goes. By then the others may have
voted, and would wait for this one in vain; an election takes a second or two."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a founding step looks at."""

    own: Own
    seen: Sightings
    candidates: dict[str, str]
    """Live nodes that may still found with this one: member id -> node name."""


def _candidates(own: Own, seen: Sightings) -> dict[str, str]:
    live: dict[str, str] = {}
    names: dict[str, int] = {}
    for member, sighting in seen.of_member.items():
        it = sighting.announcement
        if member == own.member or not sighting.live or it is None or member in seen.copies:
            continue
        if it.role == "candidate" and it.rule == own.rule and it.version == PROTOCOL_VERSION:
            live[member] = sighting.node
            names[sighting.node] = names.get(sighting.node, 0) + 1
    twice = {name for name, count in names.items() if count > 1} | {own.node}
    live = {member: node for member, node in live.items() if node not in twice}
    if own.member not in seen.copies:
        live[own.member] = own.node
    if own.rule.names:
        live = {member: node for member, node in live.items() if node in own.rule.names}
    return live


def found(own: Own, seen: Sightings, fresh_cluster_id: str) -> Move:
    """The step of a node without data, while nobody reports a cluster."""
    scene = _Scene(own, seen, _candidates(own, seen))
    answer = own.ballot.answer
    standing = [proposal for proposal in _proposals(scene) if _stands(scene, proposal)]
    mine = [proposal for proposal in standing if own.member in proposal.members]
    fallen = None
    if answer is not None:
        agreed = all(_holds(scene, member, answer) for member in answer.members)
        if own.running is not None:
            broken = None if agreed else _broken(scene, answer)
            return Run(answer.cluster_id, answer.members) if broken is None else Halt(broken)
        if agreed:
            return Run(answer.cluster_id, answer.members)
        fallen = _fallen(scene, answer, standing)
    elif own.running is not None:
        return Halt("no part in a founding")
    unfit = _unfit(scene)
    best = max(mine, key=lambda each: (each.attempt, _Reversed(each.proposer)), default=None)
    if unfit is None and best is not None and own.ballot.accepts(best):
        return Keep(own.ballot.answering(best), f"agreeing to attempt {best.attempt} of {best.proposer}")
    if answer is not None:
        if fallen is not None:
            return Keep(own.ballot.dropping(), f"attempt {answer.attempt} of {answer.proposer} fell: {fallen}")
        waits = [member for member in answer.members if not _holds(scene, member, answer)]
        told = ", ".join(f"member {member} of node {answer.node_of(member)}" for member in waits)
        return Wait(unfit or f"waiting for the agreement of {told}")
    problem = unfit or _not_proposing(scene, standing)
    if problem is not None:
        return Wait(problem)
    proposal = _proposal(scene, fresh_cluster_id)
    return Keep(own.ballot.answering(proposal), f"proposing cluster {fresh_cluster_id} to {len(proposal.members)}")


@dataclass(frozen=True, slots=True)
class _Reversed:
    """Orders proposers so that the lowest is the greatest."""

    value: str

    def __lt__(self, other: _Reversed) -> bool:
        return other.value < self.value


def _broken(scene: _Scene, answer: Proposal) -> str | None:
    """Why a founding that all had agreed to, and that runs, can come to nothing; None while it still may."""
    for founder in answer.founders:
        found = scene.seen.of_member.get(founder.member)
        if founder.member == scene.own.member or found is None:
            continue
        if found.live:
            it = found.announcement
            if it is not None and it.answer != answer and not answer.rank.above(it.floor):
                return f"{founder.node} has dropped its agreement"
        elif found.dead_for is not None and found.dead_for >= FOUNDING_PATIENCE:
            return f"{founder.node} is dead"
    return None


def _announced(scene: _Scene, member: str) -> Announcement | None:
    found = scene.seen.of_member.get(member)
    return found.announcement if found is not None and found.live else None


def _held(scene: _Scene, member: str) -> Ballot:
    """A member's ballot, as far as is known."""
    if member == scene.own.member:
        return scene.own.ballot
    it = _announced(scene, member)
    return Ballot() if it is None else Ballot(it.answer, it.floor)


def _holds(scene: _Scene, member: str, proposal: Proposal) -> bool:
    return _held(scene, member).answer == proposal


def _proposals(scene: _Scene) -> Iterable[Proposal]:
    """Those that their own proposers hold, and are live."""
    for member in sorted({*scene.seen.of_member, scene.own.member}):
        answer = _held(scene, member).answer
        if answer is not None and answer.proposer == member:
            yield answer


def _stands(scene: _Scene, proposal: Proposal) -> bool:
    """Can it still come to pass, as far as is known?"""
    rule = scene.own.rule
    if len(proposal.founders) != rule.count or proposal.proposer not in scene.candidates:
        return False
    for founder in proposal.founders:
        if founder.member not in scene.candidates:
            return False
        ballot = _held(scene, founder.member)
        if ballot.answer != proposal and not ballot.accepts(proposal):
            return False
    return True


def _fallen(scene: _Scene, answer: Proposal, standing: list[Proposal]) -> str | None:
    """Why the own answer may go; None while it may not, or need not."""
    proposer = answer.proposer
    if proposer == scene.own.member:
        return None if answer in standing else "a founder of it is gone, or has agreed to another one"
    found = scene.seen.of_member.get(proposer)
    if found is None or found.presence is Presence.UNSEEN:
        return "nothing was seen of its proposer" if scene.own.up_for >= UNSEEN_SECONDS else None
    if not found.live:
        return "its proposer is dead"
    if found.announcement is not None and found.announcement.answer != answer:
        return "its proposer went on"
    return None


def _unfit(scene: _Scene) -> str | None:
    """Why this node does not take part in any founding; None where it may."""
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
    possible = _possible(scene)
    if not rule.names and 2 * rule.expect <= possible:
        return (
            f"bootstrap_expect = {rule.expect} is not more than half of the {possible} nodes that could found: two "
            "clusters could arise. Raise it, or name the founders"
        )
    return None


def _possible(scene: _Scene) -> int:
    """How many nodes could found a cluster: dead ones count, unless a live one has taken their name or address."""
    live = dict(scene.candidates)
    taken = {scene.own.node}
    addresses = set()
    dead = []
    for member, sighting in scene.seen.of_member.items():
        it = sighting.announcement
        if it is None or it.role not in {"candidate", "founder"} or it.rule.count == 0:
            continue
        if sighting.live:
            live[member] = sighting.node
            taken.add(sighting.node)
            addresses.add(it.address)
        else:
            dead.append((sighting.node, it.address))
    return len(live) + len({address for node, address in dead if node not in taken and address not in addresses})


def _not_proposing(scene: _Scene, standing: list[Proposal]) -> str | None:
    own, rule = scene.own, scene.own.rule
    have = len(scene.candidates)
    if have < rule.count:
        if rule.names:
            absent = sorted(set(rule.names) - set(scene.candidates.values()))
            return f"waiting for {', '.join(absent)}"
        return f"waiting for {rule.count - have} more of bootstrap_expect = {rule.expect} nodes"
    if own.up_for < SETTLE_SECONDS:
        return "has just started: looking for others"
    if standing:
        return f"{scene.candidates[standing[0].proposer]} proposes to found the cluster"
    lowest = min(scene.candidates)
    if lowest != own.member:
        return f"waiting for a proposal of {scene.candidates[lowest]}"
    return None


def _proposal(scene: _Scene, fresh_cluster_id: str) -> Proposal:
    """The lowest candidates, and a newer try than any that is known of."""
    ranks = [_held(scene, member).floor for member in {*scene.seen.of_member, scene.own.member}]
    ranks += [
        each.announcement.floor for each in scene.seen.all if each.announcement is not None
    ]  # the dead may come back
    attempts = [rank.attempt for rank in ranks if rank is not None and rank.attempt < MAX_ATTEMPT]
    attempt = 1 + max(attempts, default=0)
    chosen = sorted(scene.candidates)[: scene.own.rule.count]
    founders = tuple(Founder(member, short_name(scene.candidates[member])) for member in chosen)
    return Proposal(fresh_cluster_id, attempt, scene.own.member, founders)
