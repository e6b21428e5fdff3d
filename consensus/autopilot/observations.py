"""What gossip shows of every node, as plain data, and which observation counts for a member (raft spec 4).

A node that restarts is seen under several generations, a copied data directory under several names. One observation
counts for each member id, and a contradiction is reported instead of being believed.
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
class Observation:
    """One identity that gossip knows, at one moment."""

    node: str
    generation: int
    presence: Presence
    announcement: Announcement | None = None
    problem: str | None = None
    """Why its announcement cannot be read."""
    dead_for: float | None = None
    """Seconds since gossip declared it dead."""

    @property
    def live(self) -> bool:
        return self.presence is Presence.LIVE

    @property
    def member(self) -> str | None:
        return None if self.announcement is None else self.announcement.member


@dataclass(frozen=True, slots=True)
class Observations:
    all: tuple[Observation, ...]
    """By node name and generation."""
    of_member: Mapping[str, Observation] = field(default_factory=dict)
    """The one that counts for each member id, the own one included."""
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Member ids that several live nodes claim: a data directory was copied. Node names, sorted."""

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> Observations:
        ordered = tuple(sorted(observations, key=lambda each: (each.node, each.generation)))
        best: dict[str, Observation] = {}
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

    def clusters(self, *, live: bool) -> dict[str, list[str]]:
        """Cluster ids that live (or all other) nodes report, with the names of the nodes."""
        reported: dict[str, list[str]] = {}
        for each in self.all:
            if each.live == live and each.announcement is not None and each.announcement.cluster_id is not None:
                reported.setdefault(each.announcement.cluster_id, []).append(each.node)
        return reported

    def newer_namesake(self, node: str, generation: int) -> Observation | None:
        """A live process of the same name with a higher generation: gossip goes on with that one alone."""
        later = [each for each in self.all if each.live and each.node == node and each.generation > generation]
        return max(later, key=lambda each: each.generation, default=None)


_PRESENCE_WEIGHT = {Presence.LIVE: 2, Presence.UNSEEN: 0, Presence.DEAD: 1}


def _weight(observation: Observation) -> tuple[int, int, int, str]:
    incarnation = observation.announcement.incarnation if observation.announcement is not None else 0
    return _PRESENCE_WEIGHT[observation.presence], incarnation, observation.generation, observation.node
