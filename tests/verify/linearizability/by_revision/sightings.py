"""Real time: which revisions had been seen by when.

Whoever is told a revision has seen it committed, from the moment of the answer on. So no later linearizable read may
answer from before it, and no later write may take it or one below it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from tests.verify.linearizability.histories.history import History, Operation
from tests.verify.linearizability.rendering.findings import Sight


@dataclass(frozen=True, slots=True)
class Sighting:
    """At time `at`, `source` was told that `revision` exists."""

    at: float
    revision: int
    source: Operation | Sight


class Sightings:
    """Sightings in the order of time."""

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self._times: list[float] = []
        self._highest: list[Sighting] = []
        highest: Sighting | None = None
        for sighting in sorted(sightings, key=lambda sighting: sighting.at):
            if highest is None or sighting.revision > highest.revision:
                highest = sighting
                self._times.append(sighting.at)
                self._highest.append(sighting)

    def before(self, time: float) -> Sighting | None:
        """The first sighting of the highest revision seen before a time."""
        at = bisect_left(self._times, time)
        return self._highest[at - 1] if at else None

    def first_of(self, revision: int) -> float:
        """When this revision, or one above it, was first seen; infinity if never."""
        at = bisect_left(self._highest, revision, key=lambda sighting: sighting.revision)
        return self._times[at] if at < len(self._times) else float("inf")


def sightings_of(history: History) -> list[Sighting]:
    """Everything in a history that tells of a revision that is in its record."""
    seen = [
        Sighting(operation.returned, operation.revision, operation)
        for operation in history.operations
        if operation.returned is not None and operation.revision is not None and history.knows(operation.revision)
    ]
    seen += [
        Sighting(delivery.at, delivery.revision, Sight(watch, delivery))
        for watch in history.watches
        for delivery in watch.deliveries
        if history.knows(delivery.revision)
    ]
    return seen
