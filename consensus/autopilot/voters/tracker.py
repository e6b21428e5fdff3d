"""How long things have been so: the one memory of the leader's loop, fed by observations and asked for a view.

Every node keeps one. What is Raft's begins anew with each term of office, as a new leader has heard nobody yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.consensus.autopilot.announcement import PROTOCOL_VERSION
from coterie.consensus.autopilot.observations import Sighting, Sightings
from coterie.consensus.autopilot.voters.removal import read_ban
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView

OWED_SECONDS = 30.0
"""For so long a promised promotion goes before the preference for odd counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftFacts:
    """What the Raft node of this process knows. Other members' matches and answers are a leader's knowledge."""

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
    """When each member last answered; the beginning of the term of office where it has not."""
    bans: Mapping[str, str] = field(default_factory=dict)
    """Member id -> reason, as applied."""
    answer_window: float = 0.8


class Tracker:
    def __init__(self, max_lag_entries: int) -> None:
        self._max_lag = max_lag_entries
        self._live: dict[str, tuple[int, float]] = {}  # member -> (incarnation, since when)
        self._caught_up: dict[str, float] = {}
        self._office: tuple[int, float] | None = None  # term led, and since when
        self._owed: tuple[str, float] | None = None

    def owes(self, member: str, now: float) -> None:
        """The removal of a dead voter is in the log; this observer is to follow."""
        self._owed = (member, now)

    def observe(self, seen: Sightings, facts: RaftFacts, now: float) -> ClusterView:
        """Take in how things are at `now`, and give the view of them."""
        self._observe_office(facts, now)
        self._observe_live(seen, now)
        known = {*seen.of_member, *facts.voters, *facts.match}
        members = {member: self._member(member, seen, facts, now) for member in sorted(known)}
        self._caught_up = {m: it.caught_up_since for m, it in members.items() if it.caught_up_since is not None}
        if self._owed is not None and (
            not facts.leading or self._owed[0] in facts.voters or now - self._owed[1] > OWED_SECONDS
        ):
            self._owed = None
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
            owed=self._owed[0] if self._owed is not None else None,
        )

    def _observe_office(self, facts: RaftFacts, now: float) -> None:
        if not facts.leading:
            self._office = None
            self._caught_up.clear()
        elif self._office is None or self._office[0] != facts.term:
            self._office = (facts.term, now)
            self._caught_up.clear()

    def _observe_live(self, seen: Sightings, now: float) -> None:
        live: dict[str, tuple[int, float]] = {}
        for member, sighting in seen.of_member.items():
            if sighting.live and sighting.announcement is not None:
                incarnation = sighting.announcement.incarnation
                known = self._live.get(member)
                live[member] = known if known is not None and known[0] == incarnation else (incarnation, now)
        self._live = live

    def _member(self, member: str, seen: Sightings, facts: RaftFacts, now: float) -> MemberView:
        sighting = seen.of_member.get(member)
        live = self._live.get(member)
        office = self._office[1] if self._office is not None else now
        heard = facts.heard_at.get(member, office) if facts.leading else office
        answered = heard if facts.leading and office < heard <= now else None
        match = facts.match.get(member, 0) if facts.leading else 0
        recent = answered is not None and now - answered <= facts.answer_window
        close = recent and match >= facts.last_index - self._max_lag
        it = sighting.announcement if sighting is not None else None
        reason = facts.bans.get(member)
        return MemberView(
            member=member,
            node=sighting.node if sighting is not None else "",
            zone=it.zone if it is not None else "",
            live=live is not None,
            live_since=live[1] if live is not None else None,
            answered_at=answered,
            silent_since=max(office, heard) if heard <= now else office,
            match=match,
            caught_up_since=self._caught_up.get(member, now) if close else None,
            barred=read_ban(reason) if reason is not None else None,
            problem=_problem(member, sighting, seen, facts),
        )


def _problem(member: str, sighting: Sighting | None, seen: Sightings, facts: RaftFacts) -> str | None:
    if member in seen.copies:
        return f"{' and '.join(seen.copies[member])} claim the same member id: one data directory is a copy"
    it = sighting.announcement if sighting is not None else None
    if it is None:
        return None
    if it.cluster_id is not None and it.cluster_id != facts.cluster_id:
        return f"it belongs to cluster {it.cluster_id}"
    if it.cluster_id is None and member not in facts.voters:
        return "it has not joined the cluster yet"
    if it.version != PROTOCOL_VERSION:
        return f"it speaks version {it.version} of the hybrid protocol, not {PROTOCOL_VERSION}"
    if it.role in {"left", "removed"}:
        return f"it has {'left' if it.role == 'left' else 'been removed'}"
    return None
