"""The smallest failing part of a history that the search rejects, by delta debugging.

Leaving operations out may itself make a history fail, as when a read stays and its write goes. So only steps are taken
after which a failure proves that the whole fails: the history is cut off at a time (a prefix of a linearizable history
is linearizable); a read is left out; a write becomes optional, to be placed where it was or left out; an optional write
goes when it can explain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.checkers.history import Operation
from tests.checkers.parts import Part, search_some
from tests.checkers.search import Answer

ItemT = TypeVar("ItemT")

TRIAL_STEPS = 50_000
"""A trial that takes longer counts as not failing."""


def minimise(part: Part[Any]) -> tuple[list[Operation], list[Operation]]:
    """The operations that must all be placed, and cannot; and those that may be placed, and do not help."""

    def fails(required: Sequence[Operation], optional: Sequence[Operation]) -> bool:
        return search_some(part, required, optional, TRIAL_STEPS).answer is Answer.VIOLATION

    required, optional = _cut(part.operations, fails)
    if not fails(required, optional):
        return required, optional

    def weakened(kept: Sequence[Operation]) -> list[Operation]:
        names = {operation.id for operation in kept}
        # What became optional must fit as it was answered: an answer that changed nothing explains nothing.
        return [*optional, *(o for o in required if o.id not in names and o.wrote)]

    kept = ddmin(required, lambda some: fails(some, weakened(some)))
    return kept, part.prune(kept, weakened(kept))


def _cut(
    operations: Sequence[Operation], fails: Callable[[Sequence[Operation], Sequence[Operation]], bool]
) -> tuple[list[Operation], list[Operation]]:
    """The shortest prefix in time that fails: what had returned by then, and what had begun."""
    ends = sorted({operation.returned for operation in operations if operation.returned is not None})

    def prefix(end: float) -> tuple[list[Operation], list[Operation]]:
        required = [o for o in operations if o.returned is not None and o.returned <= end]
        begun = [o for o in operations if o.invoked <= end and (o.returned is None or o.returned > end)]
        return required, [o for o in begun if o.unknown or o.wrote]

    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if fails(*prefix(ends[middle])):
            high = middle
        else:
            low = middle + 1
    return prefix(ends[low])


def ddmin(items: Sequence[ItemT], fails: Callable[[Sequence[ItemT]], bool]) -> list[ItemT]:
    """A part of the items that fails, and of which no single item can be left out (Zeller and Hildebrandt).

    `fails` holds for all the items.
    """
    kept = list(items)
    pieces = 2
    while len(kept) > 1:
        size = -(-len(kept) // pieces)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if fails(rest):
                kept, pieces = rest, max(pieces - 1, 2)
                break
        else:
            if size == 1:
                break
            pieces = min(pieces * 2, len(kept))
    return kept
