"""A network that can go wrong in every way that UDP can: latency, loss, duplication, reordering, one-way cuts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from coterie.gossip import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What happens to datagrams between any two nodes. Times are in seconds."""

    latency: tuple[float, float] = (0.000_2, 0.002)
    loss: float = 0.0
    duplication: float = 0.0
    straggling: float = 0.0
    """The share of datagrams that come late, and so out of order."""
    straggling_latency: tuple[float, float] = (0.05, 2.0)


class Network:
    """Decides, for each datagram, when its copies arrive."""

    def __init__(self, link: Link, rng: Random) -> None:
        self.link = link
        self._rng = rng
        self._cut: set[tuple[Address, Address]] = set()

    def cut(self, sources: Iterable[Address], targets: Iterable[Address]) -> None:
        """Drop whatever is sent from `sources` to `targets`, one way."""
        targets = list(targets)
        self._cut.update((source, target) for source in sources for target in targets)

    def partition(self, one: Iterable[Address], other: Iterable[Address]) -> None:
        """Cut both ways."""
        one, other = list(one), list(other)
        self.cut(one, other)
        self.cut(other, one)

    def heal(self) -> None:
        self._cut.clear()

    def delays(self, source: Address, target: Address) -> list[float]:
        """One delay per copy that arrives; none where the datagram is lost."""
        if self._cut and (source, target) in self._cut:
            return []
        link, rng = self.link, self._rng
        copies = 2 if link.duplication and rng.random() < link.duplication else 1
        delays = []
        for _ in range(copies):
            if link.loss and rng.random() < link.loss:
                continue
            late = link.straggling and rng.random() < link.straggling
            delays.append(rng.uniform(*(link.straggling_latency if late else link.latency)))
        return delays
