"""Views of small clusters for tests, written as words: who votes, who is dead, who stands ready."""

from __future__ import annotations

from typing import Any

from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.autopilot.voters.removal import BanReason, RemovalCause
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView

NOW = 1_000.0
LAST = 5_000
POLICY = Policy()


def healthy(member: str, **but: Any) -> MemberView:
    """Alive, heard of just now, and caught up for a long time."""
    fields: dict[str, Any] = {
        "node": f"node-{member}",
        "live": True,
        "live_since": NOW - 500,
        "answered_at": NOW - 0.05,
        "silent_since": NOW - 0.05,
        "match": LAST,
        "caught_up_since": NOW - 500,
    }
    return MemberView(member, **{**fields, **but})


def dead(member: str, silent: float = 60.0, **but: Any) -> MemberView:
    """Dead by gossip, and silent."""
    answered = NOW - silent
    return healthy(
        member, live=False, live_since=None, answered_at=answered, silent_since=answered, caught_up_since=None, **but
    )


def silent(member: str, seconds: float = 60.0, **but: Any) -> MemberView:
    """Alive by gossip, and silent towards the leader."""
    return healthy(member, answered_at=NOW - seconds, silent_since=NOW - seconds, caught_up_since=None, **but)


def fresh(member: str, seconds: float = 4.0, **but: Any) -> MemberView:
    """An observer that has just come."""
    return healthy(member, live_since=NOW - seconds, caught_up_since=NOW - seconds, **but)


def leaving(member: str, cause: RemovalCause = RemovalCause.LEAVE, **but: Any) -> MemberView:
    return healthy(member, ban=BanReason(cause, "asked"), **but)


def cluster(voters: str, *members: MemberView, own: str = "a", ready: str = "", **but: Any) -> ClusterView:
    """`voters` and `ready` are one-letter ids; all are well but where `members` says otherwise. `a` leads."""
    known = {member: healthy(member) for member in voters + ready}
    known.update({it.member: it for it in members})
    fields: dict[str, Any] = {
        "own": own,
        "leading": True,
        "settled": True,
        "change_pending": False,
        "transferring": False,
        "voters": tuple(sorted(voters)),
        "last_index": LAST,
        "members": known,
    }
    return ClusterView(**{**fields, **but})
