"""Since when each member is live and caught up: the one memory of the leader's loop, which makes views of observations.

Every node keeps one. The times of Raft's answers begin anew with each term led, as a new leader has heard nobody yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.consensus.autopilot.announcement import PROTOCOL_VERSION
from coterie.consensus.autopilot.observations import Observation, Observations
from coterie.consensus.autopilot.voters.removal import parse_ban_reason
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView

PENDING_REPLACEMENT_SECONDS = 30.0
"""A pending replacement goes before the preference for odd counts for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftFacts:
    """What the Raft node of this process knows; the matches and answers of other members, while it leads."""

    own: str
    cluster_id: str
    term: int
    leading: bool
    settled: bool
    change_pending: bool
    transferring: bool
    voters: tuple[str, ...]
    last_index: int
    match: Mapping[str, int] = field(default_factory=dict)
    heard_at: Mapping[str, float] = field(default_factory=dict)
    """When each member last answered; the time of the election where it has not."""
    went_back: Mapping[str, str] = field(default_factory=dict)
    """Members that have lost what they acknowledged, and the proof."""
    bans: Mapping[str, str] = field(default_factory=dict)
    """Member id -> reason, as applied."""
    answer_window: float = 0.8


class Tracker:
    def __init__(self, max_lag_entries: int) -> None:
        self._max_lag = max_lag_entries
        self._live: dict[str, tuple[int, float]] = {}  # member -> (incarnation, since when)
        self._caught_up: dict[str, float] = {}
        self._led: tuple[int, float] | None = None  # the term led, and since when
        self._pending_replacement: tuple[str, float] | None = None

    def expect_replacement(self, member: str, now: float) -> None:
        """The removal of a dead voter is in the log; this observer takes its place."""
        self._pending_replacement = (member, now)

    def observe(self, seen: Observations, facts: RaftFacts, now: float) -> ClusterView:
        """Remember the observations of `now`, and give the view of them. `now`: the monotonic clock, in seconds."""
        self._observe_leading(facts, now)
        self._observe_live(seen, now)
        known = {*seen.of_member, *facts.voters, *facts.match}
        members = {member: self._member(member, seen, facts, now) for member in sorted(known)}
        self._caught_up = {m: it.caught_up_since for m, it in members.items() if it.caught_up_since is not None}
        if self._pending_replacement is not None and (
            not facts.leading
            or self._pending_replacement[0] in facts.voters
            or now - self._pending_replacement[1] > PENDING_REPLACEMENT_SECONDS
        ):
            self._pending_replacement = None
        return ClusterView(
            own=facts.own,
            leading=facts.leading,
            settled=facts.settled,
            change_pending=facts.change_pending,
            transferring=facts.transferring,
            voters=facts.voters,
            last_index=facts.last_index,
            members=members,
            answer_window=facts.answer_window,
            pending_replacement=self._pending_replacement[0] if self._pending_replacement is not None else None,
        )

    def _observe_leading(self, facts: RaftFacts, now: float) -> None:
        if not facts.leading:
            self._led = None
            self._caught_up.clear()
        elif self._led is None or self._led[0] != facts.term:
            self._led = (facts.term, now)
            self._caught_up.clear()

    def _observe_live(self, seen: Observations, now: float) -> None:
        live: dict[str, tuple[int, float]] = {}
        for member, observation in seen.of_member.items():
            if observation.live and observation.announcement is not None:
                incarnation = observation.announcement.incarnation
                known = self._live.get(member)
                live[member] = known if known is not None and known[0] == incarnation else (incarnation, now)
        self._live = live

    def _member(self, member: str, seen: Observations, facts: RaftFacts, now: float) -> MemberView:
        observation = seen.of_member.get(member)
        live = self._live.get(member)
        elected = self._led[1] if self._led is not None else now
        heard = facts.heard_at.get(member, elected) if facts.leading else elected
        went_back = facts.went_back.get(member, "")
        answered = heard if facts.leading and elected < heard <= now and not went_back else None
        match = facts.match.get(member, 0) if facts.leading else 0
        recent = answered is not None and now - answered <= facts.answer_window
        close = recent and match >= facts.last_index - self._max_lag
        it = observation.announcement if observation is not None else None
        reason = facts.bans.get(member)
        return MemberView(
            member=member,
            node=observation.node if observation is not None else "",
            zone=it.zone if it is not None else "",
            live=live is not None,
            live_since=live[1] if live is not None else None,
            answered_at=answered,
            silent_since=max(elected, heard) if heard <= now else elected,
            match=match,
            caught_up_since=self._caught_up.get(member, now) if close else None,
            ban=parse_ban_reason(reason) if reason is not None else None,
            went_back=went_back,
            problem=_problem(member, observation, seen, facts),
        )


def _problem(member: str, observation: Observation | None, seen: Observations, facts: RaftFacts) -> str | None:
    if member in facts.went_back:
        return f"its directory went back in time: {facts.went_back[member]}"
    if member in seen.copies:
        return f"{' and '.join(seen.copies[member])} claim the same member id: one data directory is a copy"
    it = observation.announcement if observation is not None else None
    if it is None:
        return None
    if it.cluster_id is not None and it.cluster_id != facts.cluster_id:
        return f"it belongs to cluster {it.cluster_id}"
    if it.cluster_id is None and member not in facts.voters:
        return "it has not joined the cluster yet"
    if it.version != PROTOCOL_VERSION:
        return f"it speaks version {it.version} of the announcements, not {PROTOCOL_VERSION}"
    if it.role in {"left", "removed"}:
        return f"it has {'left' if it.role == 'left' else 'been removed'}"
    return None
