"""A history: what clients did and saw, and the record of what the cluster says became of it.

Times are monotonic, of one clock, in any unit. Where one operation's return and another's invocation bear the same
time, the two are concurrent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tests.verify.linearizability.histories.requests import (
    Acquire,
    Busy,
    Decided,
    Delete,
    DeleteRange,
    Found,
    Get,
    Granted,
    Put,
    Range,
    Release,
    Released,
    Request,
    Result,
    SubRequest,
    Txn,
    Written,
)


class HistoryError(ValueError):
    """The history itself is malformed: a fault of whoever wrote it down, not of the system under test."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client: all its tries under one request id, from the first invocation to the last answer.

    Answered: `returned` and `result` are given. Definitely failed, never applied: `returned` alone. Unknown outcome,
    also of a client that gave up: neither.
    """

    id: str
    client: str
    request: Request
    invoked: float
    returned: float | None = None
    result: Result | None = None
    error: str = ""
    node: str = ""
    """Who answered, or was asked last; where nobody wrote that down, nothing."""

    @property
    def ok(self) -> bool:
        return self.result is not None

    @property
    def failed(self) -> bool:
        return self.returned is not None and self.result is None

    @property
    def unknown(self) -> bool:
        return self.returned is None

    @property
    def revision(self) -> int | None:
        """The revision that the answer names."""
        return None if self.result is None else self.result.revision

    @property
    def wrote(self) -> bool:
        """Whether the answer says that the state changed: the operation took a revision of its own."""
        match self.result:
            case Written():
                return changes(self.request, self.result)
            case Decided(succeeded=succeeded, responses=responses):
                assert isinstance(self.request, Txn)
                branch = self.request.then if succeeded else self.request.orelse
                return any(changes(part, answer) for part, answer in zip(branch, responses, strict=True))
            case Granted() | Released(released=True):
                return True
            case _:
                return False


def changes(request: Request, result: object) -> bool:
    """Whether a simple request changed the state, by its answer."""
    return isinstance(request, Put) or (isinstance(result, Written) and result.deleted > 0)


# -- the record --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyPut:
    """Of what is None, the watch told nothing."""

    key: str
    value: str
    lease: str = ""
    create_revision: int | None = None
    version: int | None = None
    kind: Literal["key_put"] = "key_put"


@dataclass(frozen=True, slots=True)
class KeyDeleted:
    key: str
    kind: Literal["key_deleted"] = "key_deleted"


@dataclass(frozen=True, slots=True)
class LockGranted:
    lock: str
    owner: str
    token: int
    kind: Literal["lock_granted"] = "lock_granted"


@dataclass(frozen=True, slots=True)
class LockReleased:
    lock: str
    token: int
    kind: Literal["lock_released"] = "lock_released"


KeyEvent = KeyPut | KeyDeleted
LockEvent = LockGranted | LockReleased
Event = KeyEvent | LockEvent


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that happened at one revision, and, where it is known, the id of the operation that caused it."""

    revision: int
    events: tuple[Event, ...] = ()
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """All key events under the watch's prefix at one revision; without events, word that none are missing up to it."""

    at: float
    revision: int
    events: tuple[KeyEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """One connection of one watcher. Those of the same `watcher` continue each other, in the order they were opened."""

    id: str
    watcher: str
    prefix: str
    start: int
    """The first revision asked for."""
    opened: float
    deliveries: tuple[Delivery, ...] = ()
    compacted: int | None = None
    """The watch was refused: history begins at this revision."""


@dataclass(frozen=True)
class History:
    """What the checkers judge."""

    operations: tuple[Operation, ...]
    commits: tuple[Commit, ...] = ()
    """The record: all that a watch of everything from revision 1 delivered, in the order it came."""
    watches: tuple[Watch, ...] = ()
    until: int | None = None
    """The record is complete up to this revision; None means up to its last commit."""
    dense: bool = True
    """Every revision is in the record. Otherwise a revision may pass that no watch shows."""
    leases_expire: bool = False
    """Locks may be released, and keys bound to a lease deleted, without a request."""
    capacities: Mapping[str, int] = field(default_factory=dict)
    """How many may hold a semaphore; a lock that is not listed is held by one."""

    @cached_property
    def last_revision(self) -> int:
        return max((commit.revision for commit in self.commits), default=0) if self.until is None else self.until

    @cached_property
    def by_id(self) -> Mapping[str, Operation]:
        return {operation.id: operation for operation in self.operations}

    @cached_property
    def by_revision(self) -> Mapping[int, Commit]:
        """The first commit that the record shows at each revision."""
        first: dict[int, Commit] = {}
        for commit in self.commits:
            first.setdefault(commit.revision, commit)
        return first

    def knows(self, revision: int) -> bool:
        """Whether there is such a revision, by the record."""
        return 0 <= revision <= self.last_revision and (not self.dense or revision == 0 or revision in self.by_revision)


# -- well-formedness ---------------------------------------------------------------------------------------------------

_ANSWERS: Mapping[type, tuple[type, ...]] = {
    Put: (Written,),
    Delete: (Written,),
    DeleteRange: (Written,),
    Get: (Found,),
    Range: (Found,),
    Txn: (Decided,),
    Acquire: (Granted, Busy),
    Release: (Released,),
}


def check_shape(history: History) -> None:
    """Raises HistoryError where the history is not one that clients could have written down."""
    if len(history.by_id) != len(history.operations):
        raise HistoryError("two operations have the same id: write all tries of a request down as one operation")
    for operation in history.operations:
        wrong = _misshapen(operation)
        if wrong:
            raise HistoryError(f"operation {operation.id}: {wrong}")
    if len({watch.id for watch in history.watches}) != len(history.watches):
        raise HistoryError("two watches have the same id")
    for watch in history.watches:
        times = [watch.opened, *(delivery.at for delivery in watch.deliveries)]
        if times != sorted(times):
            raise HistoryError(f"watch {watch.id}: its deliveries are not in the order they came")


def _misshapen(operation: Operation) -> str:
    request, result = operation.request, operation.result
    if operation.returned is None:
        return "" if result is None else "it has a result, but did not return"
    if operation.returned < operation.invoked:
        return "it returned before it was invoked"
    if result is None:
        return ""
    if not isinstance(result, _ANSWERS[type(request)]):
        return f"a {request.kind} cannot be answered by {result.kind}"
    if isinstance(request, Txn) and isinstance(result, Decided):
        branch: tuple[SubRequest, ...] = request.then if result.succeeded else request.orelse
        fitting = [isinstance(r, _ANSWERS[type(p)]) for p, r in zip(branch, result.responses, strict=False)]
        if len(branch) != len(result.responses) or not all(fitting):
            return "the responses are not those of the branch it took"
    return ""
