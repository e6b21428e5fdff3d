"""How far apart the nodes were, and how soon they agreed again: figures, beside the final equality, which is a claim.

A pair (observer, owner) is behind by the age of the oldest acknowledged write of the owner's running process that the
observer's view does not hold. After a moment, such as the healing of a partition, the nodes have converged once every
running observer holds of every running identity all that was acknowledged until then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.verify.consistency.judging.gossip.history import GossipHistory, Identity, Life


@dataclass(frozen=True, slots=True)
class Lag:
    """At time `at` an observer's view of an identity was `seconds` behind."""

    at: float
    observer: str
    owner: Identity
    seconds: float


class Writes:
    """When each identity's versions were acknowledged."""

    def __init__(self, history: GossipHistory) -> None:
        acknowledged: defaultdict[Identity, list[tuple[int, float]]] = defaultdict(list)
        for operation in history.writes():
            identity = operation.identity
            assert operation.version is not None
            assert operation.returned is not None
            if identity is not None:
                acknowledged[identity].append((operation.version, operation.returned))
        self._by_version = {identity: sorted(writes) for identity, writes in acknowledged.items()}
        self._by_time = {
            identity: sorted((at, version) for version, at in writes) for identity, writes in acknowledged.items()
        }

    def oldest_above(self, identity: Identity, version: int) -> float:
        """When the first write above a version was acknowledged; infinity if none was."""
        writes = self._by_version.get(identity, [])
        at = bisect_right(writes, version, key=lambda write: write[0])
        return min((when for _, when in writes[at : at + 16]), default=float("inf"))

    def highest_until(self, identity: Identity, when: float) -> int:
        """The highest version acknowledged by a time."""
        writes = self._by_time.get(identity, [])
        return max((version for _, version in writes[: bisect_right(writes, (when, 1 << 62))]), default=0)


class Convergence:
    def __init__(self, history: GossipHistory) -> None:
        self._history = history
        self._writes = Writes(history)
        self._lives: defaultdict[str, list[Life]] = defaultdict(list)
        for life in history.lives:
            self._lives[life.node].append(life)
        self._identity_of = self._identities()
        self._known: defaultdict[tuple[str, Identity], list[tuple[float, int]]] = defaultdict(list)
        self._asked: defaultdict[str, list[float]] = defaultdict(list)
        for view in history.views:
            self._asked[view.observer].append(view.asked)
            for change in view.changes:
                self._known[view.observer, change.identity].append((view.asked, change.max_version))

    def _identities(self) -> Mapping[tuple[str, float], Identity]:
        """The identity of each life: what the node called itself during it."""
        found: dict[tuple[str, float], Identity] = {}
        for view in self._history.views:
            for life in self._lives[view.observer]:
                if life.started <= view.asked and view.answered <= life.ended:
                    found.setdefault((life.node, life.started), view.by)
        return found

    def running(self, at: float) -> dict[str, Identity]:
        """The identities whose processes run, by node."""
        return {
            life.node: self._identity_of[life.node, life.started]
            for lives in self._lives.values()
            for life in lives
            if life.awake(at, at) and (life.node, life.started) in self._identity_of
        }

    def lags(self) -> Iterator[Lag]:
        """Where a view was behind, of running owners, by running observers."""
        for (observer, identity), known in self._known.items():
            times = self._asked[observer]
            for index, (at, version) in enumerate(known):
                until = known[index + 1][0] if index + 1 < len(known) else float("inf")
                oldest = self._writes.oldest_above(identity, version)
                # It is behind in every view of this version that was asked for after that write.
                for when in times[bisect_left(times, max(at, oldest)) : bisect_left(times, until)]:
                    yield Lag(when, observer, identity, when - oldest)

    def longest_lag(self, start: float, end: float) -> Lag | None:
        """Of those running, between two times."""
        return self.longest([lag for lag in self.lags() if start <= lag.at <= end])

    def longest(self, lags: Sequence[Lag]) -> Lag | None:
        of_running = (lag for lag in lags if lag.owner in self.running(lag.at).values())
        return max(of_running, key=lambda lag: lag.seconds, default=None)

    def converged_after(self, moment: float, before: float = float("inf")) -> float | None:
        """Seconds from a moment until all who run throughout held what was acknowledged by then; None: not in time."""
        owners = self.running(moment)
        latest = 0.0
        for observer in owners:
            for owner, identity in owners.items():
                goal = self._writes.highest_until(identity, moment)
                if owner == observer or not goal:
                    continue
                known = self._known.get((observer, identity), [])
                held = [version for at, version in known if at <= moment][-1:]
                if held and held[0] >= goal:
                    continue
                reached = next((at for at, version in known if at > moment and version >= goal), None)
                if reached is None or reached > before:
                    return None
                latest = max(latest, reached - moment)
        return latest
