"""The smallest failing part of a history that the search rejects.

Leaving operations out may itself make a history fail, as when a read stays and its write goes. So only steps are taken
after which a failure proves that the whole fails: the history is cut off at a time (a prefix of a linearizable history
is linearizable); a read is left out; a write becomes optional, to be placed where it was or left out; an optional write
goes when it can explain nothing. The start is what ended last before the search was stuck, and as much before it as it
takes to fail; delta debugging does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tests.verify.linearizability.by_search.parts import Part, search_some
from tests.verify.linearizability.by_search.search import Answer, Searched
from tests.verify.linearizability.histories.history import Operation

ItemT = TypeVar("ItemT")

TRIAL_STEPS = 50_000
"""A trial on some of the operations that takes longer counts as not failing."""


def minimise(part: Part[Any], searched: Searched[Any]) -> tuple[list[Operation], list[Operation]]:
    """The operations that must all be placed, and cannot; and those that may be placed, and do not help.

    `searched` is the search that rejected the part. Where every trial gives up, all operations are returned.
    """
    for end in _ends(part.operations, searched.stuck):
        begun = [operation for operation in part.operations if operation.invoked <= end]
        ended = [operation for operation in begun if operation.returned is not None and operation.returned <= end]
        ended.sort(key=lambda operation: operation.returned or 0.0)
        for size in _doubling(len(ended)):
            steps = TRIAL_STEPS + (2 * searched.steps if size == len(ended) else 0)
            if _fails(part, ended[-size:], begun, steps):
                return _shrink(part, ended[-size:], begun)
    required = [operation for operation in part.operations if not operation.unknown]
    return required, [operation for operation in part.operations if operation.unknown]


def _shrink(
    part: Part[Any], required: Sequence[Operation], begun: Sequence[Operation]
) -> tuple[list[Operation], list[Operation]]:
    kept = ddmin(required, lambda some: _fails(part, some, begun, TRIAL_STEPS))
    return kept, part.prune(kept, _optional(kept, begun))


def _fails(part: Part[Any], required: Sequence[Operation], begun: Sequence[Operation], steps: int) -> bool:
    return search_some(part, required, _optional(required, begun), steps).answer is Answer.VIOLATION


def _optional(required: Sequence[Operation], begun: Sequence[Operation]) -> list[Operation]:
    """The others that may have had an effect. Those that have answers must fit as answered, where they are placed."""
    names = {operation.id for operation in required}
    return [o for o in begun if o.id not in names and (o.wrote or o.unknown)]


def _ends(operations: Sequence[Operation], stuck: Sequence[Operation]) -> Iterator[float]:
    """When to cut the history off: where the search was stuck, then later and later."""
    ends = sorted({operation.returned for operation in operations if operation.returned is not None})
    first = min((operation.returned for operation in stuck if operation.returned is not None), default=ends[-1])
    later = [end for end in ends if end >= first]
    for size in _doubling(len(later)):
        yield later[size - 1]


def _doubling(last: int) -> Iterator[int]:
    """1, 2, 4 and so on, and `last` in the end."""
    size = 1
    while size < last:
        yield size
        size *= 2
    yield last


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
