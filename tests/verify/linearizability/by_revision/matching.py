"""Which operation caused which commit, where the record does not say it.

A write of unknown outcome is found by the value that it writes, which a workload makes unique. Where several operations
could have caused several commits, a matching in the bipartite graph of the two tells whether one cause for each is
possible at all.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from tests.verify.linearizability.histories.history import Commit, KeyDeleted, KeyEvent, KeyPut, Operation
from tests.verify.linearizability.histories.requests import Delete, DeleteRange, Put, Txn


class Producers:
    """Every operation, by the changes that it might make."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._putting: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
        self._deleting: defaultdict[str, list[Operation]] = defaultdict(list)
        self._sweeping: list[Operation] = []
        for operation in operations:
            request = operation.request
            for part in dict.fromkeys((*request.then, *request.orelse)) if isinstance(request, Txn) else (request,):
                match part:
                    case Put(key=key, value=value):
                        self._putting[key, value].append(operation)
                    case Delete(key=key):
                        self._deleting[key].append(operation)
                    case DeleteRange():
                        self._sweeping.append(operation)

    def writers(self, key: str, value: str) -> Sequence[Operation]:
        """The operations that put this value under this key."""
        return self._putting.get((key, value), ())

    def candidates(self, events: Sequence[KeyEvent]) -> Sequence[Operation]:
        """The operations that might make these changes: at least those that do."""
        for event in events:
            if isinstance(event, KeyPut):
                return self.writers(event.key, event.value)
        for event in events:
            if isinstance(event, KeyDeleted):
                return (*self._deleting.get(event.key, ()), *self._sweeping)
        return ()


def assign(orphans: Sequence[tuple[Commit, Sequence[Operation]]]) -> Mapping[int, Operation]:
    """Give as many commits as possible a cause of their own, out of the candidates of each: by revision."""
    candidates = {commit.revision: found for commit, found in orphans}
    cause: dict[int, Operation] = {}
    taken: dict[str, int] = {}
    for revision in candidates:
        _augment(revision, candidates, cause, taken)
    return cause


def _augment(
    start: int,
    candidates: Mapping[int, Sequence[Operation]],
    cause: dict[int, Operation],
    taken: dict[str, int],
) -> None:
    """Find a shortest augmenting path from the commit at `start` to a free operation, and flip it."""
    reached_from: dict[str, int] = {}
    queue = deque([start])
    while queue:
        revision = queue.popleft()
        for operation in candidates[revision]:
            if operation.id in reached_from:
                continue
            reached_from[operation.id] = revision
            if operation.id in taken:
                queue.append(taken[operation.id])
                continue
            moving: Operation | None = operation
            while moving is not None:
                giver = reached_from[moving.id]
                taken[moving.id] = giver
                cause[giver], moving = moving, cause.get(giver)
            return
