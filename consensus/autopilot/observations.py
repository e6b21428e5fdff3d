"""What gossip shows of every node, as plain data, and which of it counts for a member (spec section 4).

A node that restarts is seen under several generations, a copied data directory under several names: for each member id
one sighting counts, and what contradicts itself is told instead of being believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from coterie.consensus.autopilot.announcement import Announcement


class Presence(Enum):
    LIVE = "live"
    DEAD = "dead"
    """It was alive, and no sign of life has come for too long."""
    UNSEEN = "unseen"
    """Hearsay so far: it has not shown signs of life here."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One identity that gossip knows, at one moment."""

    node: str
    generation: int
    presence: Presence
    announcement: Announcement | None = None
    problem: str | None = None
    """Why what it announces cannot be read."""
    dead_for: float | None = None
    """Seconds since gossip took it for dead."""

    @property
    def live(self) -> bool:
        return self.presence is Presence.LIVE

    @property
    def member(self) -> str | None:
        return None if self.announcement is None else self.announcement.member


@dataclass(frozen=True, slots=True)
class Sightings:
    """All of them. `of_member`: the one that counts for each member id, the own one included."""

    all: tuple[Sighting, ...]
    of_member: Mapping[str, Sighting] = field(default_factory=dict)
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Member ids that several live nodes claim: a data directory was copied. Node names, sorted."""

    @classmethod
    def of(cls, sightings: Iterable[Sighting]) -> Sightings:
        ordered = tuple(sorted(sightings, key=lambda each: (each.node, each.generation)))
        best: dict[str, Sighting] = {}
        claims: dict[str, set[str]] = {}
        for each in ordered:
            member = each.member
            if member is None:
                continue
            if each.live:
                claims.setdefault(member, set()).add(each.node)
            known = best.get(member)
            if known is None or _weight(each) > _weight(known):
                best[member] = each
        copies = {member: tuple(sorted(nodes)) for member, nodes in claims.items() if len(nodes) > 1}
        return cls(ordered, best, copies)

    def is_live(self, member: str) -> bool:
        found = self.of_member.get(member)
        return found is not None and found.live

    def clusters(self, *, live: bool) -> dict[str, list[str]]:
        """Cluster ids that live (or all other) nodes report, with the names of the nodes."""
        reported: dict[str, list[str]] = {}
        for each in self.all:
            if each.live == live and each.announcement is not None and each.announcement.cluster_id is not None:
                reported.setdefault(each.announcement.cluster_id, []).append(each.node)
        return reported

    def newer_namesake(self, node: str, generation: int) -> Sighting | None:
        """A live process of the same name with a higher generation, as gossip goes on with that one alone."""
        later = [each for each in self.all if each.live and each.node == node and each.generation > generation]
        return max(later, key=lambda each: each.generation, default=None)


_PRESENCE_WEIGHT = {Presence.LIVE: 2, Presence.UNSEEN: 0, Presence.DEAD: 1}


def _weight(sighting: Sighting) -> tuple[int, int, int, str]:
    incarnation = sighting.announcement.incarnation if sighting.announcement is not None else 0
    return _PRESENCE_WEIGHT[sighting.presence], incarnation, sighting.generation, sighting.node
