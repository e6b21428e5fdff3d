"""For an operator: why each member that does not vote does not (raft spec 4, the last rule)."""

from __future__ import annotations

from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.readiness import blocked, readiness
from coterie.consensus.autopilot.voters.rules import DecisionKind, VoterDecision, decide, waits_for_pair
from coterie.consensus.autopilot.voters.view import ClusterView


def non_voters(view: ClusterView, policy: Policy, now: float) -> dict[str, str]:
    """Member id -> the reason. Empty where this node does not lead: then it does not know."""
    if not view.leading:
        return {}
    others = {member: it for member, it in sorted(view.members.items()) if member not in view.voters}
    reasons = {member: readiness(view, it, policy, now) for member, it in others.items()}
    ready = [member for member, reason in reasons.items() if reason is None]
    wait = _why_wait(view, policy, now, len(ready)) if ready else ""
    decision = decide(view, policy, now)
    return {member: reason or wait for member, reason in reasons.items()} | _next(decision)


def _next(decision: VoterDecision | None) -> dict[str, str]:
    if decision is None:
        return {}
    if decision.kind is DecisionKind.PROMOTE:
        return {decision.member: "ready: promoted next"}
    if decision.replacement is not None:
        return {decision.replacement: "ready: replaces a dead voter next"}
    return {}


def _why_wait(view: ClusterView, policy: Policy, now: float, ready: int) -> str:
    """Why no ready member is promoted."""
    count = len(view.voters)
    reason = blocked(view)
    if reason is not None:
        return f"ready: {reason}"
    if count >= policy.max_voters:
        return f"ready: max_voters = {policy.max_voters} reached"
    if waits_for_pair(view, policy, ready):
        return f"ready: {count + 1} voters are no better than {count}; waits for one more"
    if decide(view, policy, now) is None:
        return "ready: without it, no majority of the next configuration answers"
    return "ready: another member comes first"
