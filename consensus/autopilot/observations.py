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
    proved: bool = True
    """Its announcement proves the Raft secret, or all of gossip is believed: it is sealed, or there is no secret."""
    address: tuple[str, int] | None = None
    """Of its HTTP API, as its identity names it."""

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
    """Member ids that several live nodes claim: a data directory was copied. Node names, sorted. A claim that proves
    nothing counts only where none does."""

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> Observations:
        ordered = tuple(sorted(observations, key=lambda each: (each.node, each.generation)))
        best: dict[str, Observation] = {}
        claims: dict[str, list[Observation]] = {}
        for each in ordered:
            member = each.member
            if member is None:
                continue
            if each.live:
                claims.setdefault(member, []).append(each)
            known = best.get(member)
            if known is None or _weight(each) > _weight(known):
                best[member] = each
        copies = {}
        for member, claiming in claims.items():
            nodes = {each.node for each in claiming if each.proved == best[member].proved}
            if len(nodes) > 1:
                copies[member] = tuple(sorted(nodes))
        return cls(ordered, best, copies)

    def proved(self) -> Observations:
        """Those alone whose announcements are proved: what founding and joining look at."""
        if all(each.proved for each in self.all):
            return self
        return Observations.of(each for each in self.all if each.proved)

    def claims(self, member: str) -> list[Observation]:
        """Everybody who says to be this member, the likeliest first."""
        return sorted((each for each in self.all if each.member == member), key=_weight, reverse=True)

    def took_over(self, member: str, incarnation: int) -> Observation | None:
        """The live process of a member that took the place of every other process that had this start of its directory;
        None where there is no such process, or none that it replaced.

        The place is the node's name and address: nobody else can be there now. One that is only silent may live on.
        """
        found = [each for each in self.all if each.proved and each.member == member]
        live = [each for each in found if each.live]
        same = [each for each in found if each.announcement and each.announcement.incarnation == incarnation]
        if len(live) != 1 or live[0] not in same or len(same) == 1:
            return None
        place = (live[0].node, live[0].address)
        replaced = all((each.node, each.address) == place and each.generation <= live[0].generation for each in same)
        return live[0] if replaced else None

    def unproved(self) -> tuple[str, ...]:
        """Names of the live nodes that speak of Raft and prove nothing."""
        return tuple(each.node for each in self.all if each.live and each.member is not None and not each.proved)

    def clusters(self, *, live: bool) -> dict[str, list[str]]:
        """Cluster ids that live (or all other) nodes report, with the names of the nodes."""
        reported: dict[str, list[str]] = {}
        for each in self.all:
            if each.live == live and each.announcement is not None and each.announcement.cluster_id is not None:
                reported.setdefault(each.announcement.cluster_id, []).append(each.node)
        return reported

    def replaced(self) -> dict[str, str]:
        """Clusters that another one, which live nodes report, goes on from: id -> the other's."""
        return {
            former: each.announcement.cluster_id
            for each in self.all
            if each.live and each.announcement is not None and each.announcement.cluster_id is not None
            for former in each.announcement.replaces
        }

    def newer_namesake(self, node: str, generation: int) -> Observation | None:
        """A live process of the same name with a higher generation: gossip goes on with that one alone."""
        later = [each for each in self.all if each.live and each.node == node and each.generation > generation]
        return max(later, key=lambda each: each.generation, default=None)


_PRESENCE_WEIGHT = {Presence.LIVE: 2, Presence.UNSEEN: 0, Presence.DEAD: 1}


def _weight(observation: Observation) -> tuple[bool, bool, int, int, int, str]:
    incarnation = observation.announcement.incarnation if observation.announcement is not None else 0
    return (
        observation.live,
        observation.proved,
        _PRESENCE_WEIGHT[observation.presence],
        incarnation,
        observation.generation,
        observation.node,
    )
