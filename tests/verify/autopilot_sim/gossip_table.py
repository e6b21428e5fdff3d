"""A cheap stand-in for gossip: what one process knows of all others, told whole to a few peers each round."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observation, Observations, Presence

Identity = tuple[str, int]
"""Node name and generation."""

Told = dict[Identity, tuple[Announcement | None, int, int]]
"""What is known of each identity: announcement, its version, heartbeat."""


@dataclass(slots=True)
class Seen:
    announcement: Announcement | None
    version: int
    heartbeat: int
    heard_at: float | None = None  # None until a second sign of life
    dead_since: float | None = None


class GossipTable:
    """`silence`: seconds without a sign of life until a node counts as dead."""

    def __init__(self, node: str, generation: int, silence: float) -> None:
        self.node = node
        self.generation = generation
        self.silence = silence
        self.view: dict[Identity, Seen] = {}
        self.said: Announcement | None = None
        self._version = 0
        self._heartbeat = 0

    @property
    def id(self) -> Identity:
        return self.node, self.generation

    def say(self, announcement: Announcement) -> bool:
        """Announce. True where it is news."""
        news = announcement != self.said
        if news:
            self.said = announcement
            self._version += 1
        return news

    def beat(self) -> None:
        self._heartbeat += 1

    def tell(self) -> Told:
        told: Told = {who: (seen.announcement, seen.version, seen.heartbeat) for who, seen in self.view.items()}
        told[self.id] = (self.said, self._version, self._heartbeat)
        return told

    def hear(self, told: Told, now: float, forgotten: frozenset[Identity] | set[Identity] = frozenset()) -> None:
        for who, (announcement, version, heartbeat) in told.items():
            if who == self.id or who in forgotten:
                continue
            seen = self.view.get(who)
            if seen is None:
                self.view[who] = Seen(announcement, version, heartbeat)
                continue
            if heartbeat > seen.heartbeat:
                seen.heartbeat = heartbeat
                seen.heard_at = now
            if version > seen.version:
                seen.version, seen.announcement = version, announcement

    def observations(self, now: float) -> list[Observation]:
        """Of several generations of a name that are alive, only the newest is, as in gossip itself."""
        live = {
            who for who, seen in self.view.items() if seen.heard_at is not None and now - seen.heard_at < self.silence
        }
        live.add(self.id)
        newest: dict[str, int] = {}
        for name, generation in live:
            newest[name] = max(newest.get(name, 0), generation)
        found = [Observation(self.node, self.generation, Presence.LIVE, self.said)]
        for who, seen in self.view.items():
            if who in live and newest[who[0]] == who[1]:
                presence, seen.dead_since = Presence.LIVE, None
            elif seen.heard_at is not None:
                presence = Presence.DEAD
                seen.dead_since = now if seen.dead_since is None else seen.dead_since
            else:
                presence = Presence.UNSEEN
            dead_for = None if seen.dead_since is None else now - seen.dead_since
            found.append(Observation(*who, presence, seen.announcement, dead_for=dead_for))
        return found

    def all(self, now: float) -> Observations:
        return Observations.of(self.observations(now))
