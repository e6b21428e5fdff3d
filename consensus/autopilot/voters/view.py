"""The cluster as its leader sees it, as plain data: gossip's picture and Raft's own knowledge side by side.

Times are readings of the leader's monotonic clock, in seconds; None where it never was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.consensus.autopilot.voters.removal import BanReason


@dataclass(frozen=True, slots=True)
class MemberView:
    member: str
    node: str = ""
    zone: str = ""
    live: bool = False
    """By gossip."""
    live_since: float | None = None
    answered_at: float | None = None
    """When it last answered this leader, in the present term."""
    silent_since: float = 0.0
    """The same, or the time of the leader's election."""
    match: int = 0
    """Index up to which it is known to hold the leader's log durably."""
    caught_up_since: float | None = None
    ban: BanReason | None = None
    went_back: str = ""
    """The proof that it has lost what it acknowledged; empty where there is none."""
    problem: str | None = None
    """Why it must not vote, whatever else holds: a copied directory, another cluster, another protocol."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    own: str
    leading: bool
    settled: bool
    """An entry of this leader's own term is committed."""
    change_pending: bool
    """The latest change of voters is not committed."""
    transferring: bool
    voters: tuple[str, ...]
    """The latest configuration, committed or not."""
    last_index: int
    members: Mapping[str, MemberView] = field(default_factory=dict)
    """Voters and others, by member id."""
    answer_window: float = 0.8
    """Seconds: an answer younger than this is recent. The election timeout."""
    pending_replacement: str | None = None
    """The observer whose promotion completes a replacement that has begun."""

    def member(self, member: str) -> MemberView:
        return self.members.get(member) or MemberView(member)
