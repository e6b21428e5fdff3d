"""Whether a member is ready to vote, and if not, why, in words that an operator can act upon (raft spec 4)."""

from __future__ import annotations

from math import ceil

from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView


def blocked(view: ClusterView) -> str | None:
    """Why nothing can be decided now; None where something can."""
    if not view.leading:
        return "this node does not lead"
    if view.own not in view.voters:
        return "the leader itself is being removed"
    if not view.settled:
        return "the leader is too new: nothing of its own is committed yet"
    if view.change_pending:
        return "a change of the voters is under way"
    if view.transferring:
        return "leadership is being handed over"
    return None


def readiness(view: ClusterView, it: MemberView, policy: Policy, now: float) -> str | None:
    """Why a member that does not vote is not ready to; None where it is."""
    if it.ban is not None:
        return f"barred for ever ({it.ban.cause.value})"
    if it.problem is not None:
        return it.problem
    if not it.live or it.live_since is None:
        return "not alive"
    if it.answered_at is None:
        return "has not answered the leader"
    silence = now - it.answered_at
    if not 0 <= silence <= view.answer_window:
        return f"has not answered the leader for {silence:.1f} s"
    lag = view.last_index - it.match
    if it.caught_up_since is None or lag > policy.max_lag_entries:
        return f"log {lag} entries behind"
    left = policy.stabilization_time - (now - max(it.live_since, it.caught_up_since))
    if left > 0:
        return f"stabilizing, {ceil(left)} s left"
    return None
