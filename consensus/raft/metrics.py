"""What a node counts of itself, for operators: plain numbers, which nothing here decides by."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from coterie.consensus.raft.errors import RaftError, RaftRefusedError, RaftUnavailableError

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: what somebody waits for."""

DISK_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: one sync, from flash with a battery behind it to a disk that is about to fail."""


class Histogram:
    """How many observations were at most as large as each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Iterable[float]) -> None:
        """`bounds`: ascending. One bucket more takes what is above the last."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def cumulated(self) -> list[tuple[float, int]]:
        """(bound, observations up to it), the last bound being infinite."""
        found, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


class RaftMetrics:
    """Since the node's start."""

    __slots__ = (
        "campaigns",
        "leader_changes",
        "pre_campaigns",
        "proposal_outcomes",
        "proposal_seconds",
        "snapshots",
        "sync_seconds",
    )

    def __init__(self) -> None:
        self.campaigns = 0
        """Elections that this node called for, with a term of their own."""
        self.pre_campaigns = 0
        """How often it asked whether it would be elected (pre-vote)."""
        self.leader_changes = 0
        """How often it came to follow another leader than before, or to lead."""
        self.snapshots: Counter[str] = Counter()
        """By what became of them: taken, failed (the disk was full), sent, received, refused (one that came could not
        be read), damaged (the own one could not)."""
        self.sync_seconds = Histogram(DISK_BOUNDS)
        """Syncs of the log in the disk thread, writing included."""
        self.proposal_seconds = Histogram(LATENCY_BOUNDS)
        """From a proposal of this node's own users to its result; those that failed are not in here."""
        self.proposal_outcomes: Counter[str] = Counter()
        """done, refused, unavailable, unknown."""

    def proposal_ended(self, error: RaftError | None, seconds: float) -> None:
        if error is None:
            self.proposal_outcomes["done"] += 1
            self.proposal_seconds.observe(seconds)
        elif isinstance(error, RaftUnavailableError):
            self.proposal_outcomes["unavailable"] += 1
        elif isinstance(error, RaftRefusedError):
            self.proposal_outcomes["refused"] += 1
        else:
            self.proposal_outcomes["unknown"] += 1
