"""What the search judges: parts of a history that have nothing to do with each other.

Linearizability is local: a history is linearizable when its operations on each object are (Herlihy and Wing), so each
part is searched alone. Objects are locks, and keys, where keys that one operation touches together are one object.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

from tests.verify.linearizability.by_search.search import Call, Searched, search
from tests.verify.linearizability.histories.history import Operation

StateT = TypeVar("StateT", bound=Hashable)


class Part(Protocol[StateT]):
    """The operations on one object, and the object's sequential behaviour."""

    @property
    def name(self) -> str: ...
    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those that bear on the object's state: neither refused, nor reads of unknown outcome."""
        ...

    @property
    def initial(self) -> StateT: ...
    def call(self, operation: Operation, optional: bool) -> Call[StateT]:
        """The operation as the search sees it. An optional one that has an answer fits as answered, or is left out."""
        ...

    def prune(self, required: Sequence[Operation], optional: Sequence[Operation]) -> list[Operation]:
        """The optional operations without those that can be taken out of any linearization: they explain nothing."""
        ...

    def show(self, state: StateT) -> str:
        """A state in a few words."""
        ...


def search_some(
    part: Part[StateT], required: Sequence[Operation], optional: Sequence[Operation], max_steps: int
) -> Searched[StateT]:
    """Search for a linearization of some of a part's operations."""
    calls = [part.call(operation, False) for operation in required]
    calls += [part.call(operation, True) for operation in part.prune(required, optional)]
    return search(part.initial, calls, max_steps)


def search_part(part: Part[StateT], max_steps: int) -> Searched[StateT]:
    """Search for a linearization of a part."""
    required = [operation for operation in part.operations if not operation.unknown]
    return search_some(part, required, [operation for operation in part.operations if operation.unknown], max_steps)
