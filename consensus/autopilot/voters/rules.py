"""The decision function: a view of the cluster in, at most one decision with its reason out (raft spec 4).

Gossip's word alone decides nothing here: an addition needs the newcomer's own recent answers, a removal the silence of
the removed towards this leader, and both the recent answers of majorities. Every decision changes the voters by one, or
none; while one is under way there is no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.readiness import blocked, readiness
from coterie.consensus.autopilot.voters.removal import RemovalCause
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView


class DecisionKind(Enum):
    PROMOTE = "promote"
    REMOVE = "remove"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class VoterDecision:
    kind: DecisionKind
    member: str
    """The member that is promoted, removed, or made leader."""
    reason: str
    cause: RemovalCause | None = None
    """Of a removal: the cause in its ban."""
    replacement: str | None = None
    """Of a removal: the observer to be promoted at once after it."""


def decide(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
    """The leader's next decision; None where there is none to take, or none can be taken."""
    if blocked(view) is not None:
        return None
    return (
        _requested_removal(view, now)
        or _dead_removal(view, policy, now)
        or _begun_removal(view, policy, now)
        or _promotion(view, policy, now)
    )


# -- answers ----------------------------------------------------------------------------------------------------


def answering(view: ClusterView, now: float) -> set[str]:
    """The members that answered this leader within an election timeout, the leader itself included."""
    found = {
        member
        for member, it in view.members.items()
        if it.answered_at is not None and 0 <= now - it.answered_at <= view.answer_window
    }
    return found | {view.own}


def is_majority(of: Collection[str], agreeing: Collection[str]) -> bool:
    return 2 * sum(1 for member in of if member in agreeing) > len(of)


# -- removals ------------------------------------------------------------------------------------------------------


def _requested_removal(view: ClusterView, now: float) -> VoterDecision | None:
    """A voter that asked to leave, or that an operator removes. It may go below `min_voters`; the last voter stays."""
    for member in view.voters:
        ban = view.member(member).ban
        if ban is None or not ban.requested:
            continue
        asks = "it asked to leave" if ban.cause is RemovalCause.LEAVE else f"an operator removes it ({ban.words})"
        if member == view.own:
            target = _successor(view, now)
            if target is not None:
                return VoterDecision(DecisionKind.TRANSFER, target, f"the leader is to go: {asks}")
        elif _may_remove(view, member, now):
            return VoterDecision(DecisionKind.REMOVE, member, asks, ban.cause)
    return None


def _successor(view: ClusterView, now: float) -> str | None:
    heard = answering(view, now)
    fit = [
        view.member(member)
        for member in view.voters
        if member != view.own and member in heard and view.member(member).ban is None
    ]
    best = max(fit, key=lambda it: (it.live, it.match, it.member), default=None)
    return best.member if best is not None else None


def _may_remove(view: ClusterView, member: str, now: float) -> bool:
    """Whether majorities of the voters with and without `member` answer."""
    after = [voter for voter in view.voters if voter != member]
    heard = answering(view, now)
    return bool(after) and is_majority(view.voters, heard) and is_majority(after, heard)


def is_dead(view: ClusterView, member: str, policy: Policy, now: float) -> bool:
    """Gossip holds it dead, *and* it has not answered this leader for the whole grace. Or it has lost what it
    acknowledged, which no waiting mends."""
    it = view.member(member)
    silent = not it.live and now - it.silent_since >= policy.dead_voter_grace
    return member != view.own and (silent or bool(it.went_back))


def _dead_removal(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
    """Replace a dead voter: it goes first, and the observer that stands ready follows."""
    dead = [voter for voter in view.voters if is_dead(view, voter, policy, now)]
    zones = Counter(view.member(voter).zone for voter in view.voters)
    dead.sort(key=lambda voter: (-zones[view.member(voter).zone], view.member(voter).silent_since, voter))
    for member in dead:
        it = view.member(member)
        silent = (
            f"its directory went back in time: {it.went_back}"
            if it.went_back
            else f"dead by gossip and silent for {now - it.silent_since:.0f} s"
        )
        replacement = _replacement(view, member, policy, now)
        if replacement is not None:
            why = f"{silent}; {view.member(replacement).node or replacement} stands ready"
            return VoterDecision(DecisionKind.REMOVE, member, why, RemovalCause.DEAD, replacement)
        if _gains(view, dead, policy) and _may_remove(view, member, now):
            return VoterDecision(
                DecisionKind.REMOVE, member, f"{silent}; without it, fewer answers make a majority", RemovalCause.DEAD
            )
    return None


def _begun_removal(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
    """A voter that was banned as dead, and came back before its removal: it goes once it can be replaced."""
    for member in view.voters:
        ban = view.member(member).ban
        if ban is None:
            continue
        replacement = _replacement(view, member, policy, now)
        if replacement is None or len(view.voters) < 3:
            continue  # of two, each is needed, and this one answers
        if member == view.own:
            target = _successor(view, now)
            if target is not None:
                return VoterDecision(DecisionKind.TRANSFER, target, "the leader is barred, and can be replaced")
            continue
        why = f"its removal was begun; {view.member(replacement).node or replacement} stands ready"
        return VoterDecision(DecisionKind.REMOVE, member, why, ban.cause, replacement)
    return None


def _replacement(view: ClusterView, member: str, policy: Policy, now: float) -> str | None:
    """The observer that may vote in the place of `member`, which is removed first; None where there is none."""
    after = [voter for voter in view.voters if voter != member]
    if not policy.min_voters - 1 <= len(after) < policy.max_voters or not _may_remove(view, member, now):
        return None
    ready = [it for it in _ready(view, policy, now) if _may_add(view, after, it.member, now)]
    return _ordered(view, after, ready)[0].member if ready else None


def _gains(view: ClusterView, dead: Collection[str], policy: Policy) -> bool:
    """Whether the voters would survive more further failures if (some of) the dead were no voters."""
    count, alive = len(view.voters), len(view.voters) - len(dead)
    most = min(len(dead), count - policy.min_voters)
    spare = alive - _majority(count)
    return any(alive - _majority(count - gone) > spare for gone in range(1, most + 1))


def _majority(count: int) -> int:
    return count // 2 + 1


# -- promotions ----------------------------------------------------------------------------------------------------


def _promotion(view: ClusterView, policy: Policy, now: float) -> VoterDecision | None:
    ready = _ready(view, policy, now)
    count = len(view.voters)
    if not ready or count >= policy.max_voters:
        return None
    replacing = [it for it in ready if it.member == view.pending_replacement]
    if not replacing and waits_for_pair(view, policy, len(ready)):
        return None
    for it in replacing or _ordered(view, view.voters, ready):
        if _may_add(view, view.voters, it.member, now):
            why = (
                "replaces the voter that was removed"
                if replacing
                else f"alive and caught up for {_stable_for(it, now):.0f} s"
            )
            return VoterDecision(DecisionKind.PROMOTE, it.member, f"{why}; {count} of at most {policy.max_voters} vote")
    return None


def waits_for_pair(view: ClusterView, policy: Policy, ready: int) -> bool:
    """Whether one more voter makes an even count, which is of no use without another one after it."""
    count = len(view.voters)
    if not policy.prefer_odd or count % 2 == 0:
        return False
    if ready >= 2 and count + 2 <= policy.max_voters:
        return False
    if count == 1:  # two voters are worse than one: each of them can stop the cluster
        return policy.max_voters > 2
    return count >= policy.min_voters


def _may_add(view: ClusterView, voters: Collection[str], newcomer: str, now: float) -> bool:
    """Whether a majority of the voters with `newcomer` answers without it. A single voter has no other way to grow."""
    heard = answering(view, now) - {newcomer}
    return is_majority(voters, heard) and (len(voters) == 1 or is_majority([*voters, newcomer], heard))


def _ready(view: ClusterView, policy: Policy, now: float) -> list[MemberView]:
    return [
        it
        for member, it in sorted(view.members.items())
        if member not in view.voters and readiness(view, it, policy, now) is None
    ]


def _ordered(view: ClusterView, voters: Collection[str], ready: Iterable[MemberView]) -> list[MemberView]:
    """Zones with the fewest voters first, then the members that have been ready for longest."""
    zones = Counter(view.member(voter).zone for voter in voters)
    return sorted(ready, key=lambda it: (zones[it.zone] if it.zone else 0, _since(it), it.member))


def _since(it: MemberView) -> float:
    return max(it.live_since or 0.0, it.caught_up_since or 0.0)


def _stable_for(it: MemberView, now: float) -> float:
    return now - _since(it)
