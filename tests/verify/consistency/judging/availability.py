"""How long nothing was acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise


def gaps(acknowledged: Iterable[float]) -> Iterator[tuple[float, float]]:
    """The spans between one acknowledgement and the next."""
    yield from pairwise(sorted(acknowledged))


def longest_gap(acknowledged: Iterable[float]) -> float:
    """Seconds; 0 where fewer than two things were acknowledged."""
    return max((end - start for start, end in gaps(acknowledged)), default=0.0)
