"""Calls that wait for an outcome, and how they end: every call ends, at the latest at its deadline (raft spec 1,
promise 4; fault 9)."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from coterie.consensus.raft.errors import RaftError, RaftUnavailableError, RaftUnknownOutcomeError
from coterie.consensus.raft.traces import Ended

Callback = Callable[[RaftError | None, Any], None]
"""`callback(error, result)`; called exactly once, never from inside the call that registered it."""


class Origin(NamedTuple):
    """Of a call that another member forwarded: it is answered over the link that it came by, or not at all."""

    member: str
    link: int
    request: int
    ended: Ended


def _nobody(_error: RaftError | None, _result: object) -> None:
    """For a forwarded call, which is answered by a message."""


class Call:
    """One call of a user of this node, or of another member on behalf of one."""

    __slots__ = ("callback", "deadline", "ended", "late", "origin")

    def __init__(self, callback: Callback | Origin, deadline: float, late: RaftError) -> None:
        self.origin = callback if isinstance(callback, Origin) else None
        self.callback = _nobody if isinstance(callback, Origin) else callback
        self.deadline = deadline
        self.late = late
        """What the call ends with should its deadline come now."""
        self.ended = False


class Proposal(Call):
    """An operation, or a change of the configuration, on its way into the log."""

    __slots__ = ("began", "command", "trace")

    def __init__(self, callback: Callback | Origin, command: bytes, began: float, timeout: float, trace: str) -> None:
        super().__init__(callback, began + timeout, RaftUnavailableError("timed_out", "it never reached the log"))
        self.command = command
        self.began = began
        self.trace = trace

    def logged(self) -> None:
        self.late = RaftUnknownOutcomeError("it is in the log, but was not committed in time")


class Read(Call):
    """A forwarded one is answered as soon as its round is confirmed; one of this node waits until that is applied."""

    __slots__ = ("trace",)

    def __init__(self, callback: Callback | Origin, deadline: float, trace: str) -> None:
        super().__init__(
            callback, deadline, RaftUnavailableError("timed_out", "no majority confirmed the read in time")
        )
        self.trace = trace


class Deadlines:
    """Open calls by deadline."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Call]] = []
        self._count = 0

    def add(self, call: Call) -> None:
        self._count += 1
        heapq.heappush(self._heap, (call.deadline, self._count, call))

    def due(self, now: float) -> list[Call]:
        """Remove and return the open calls whose deadline has come."""
        late = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].ended):
            call = heapq.heappop(self._heap)[2]
            if not call.ended:
                late.append(call)
        return late

    def all(self) -> list[Call]:
        """Every open call, in order of deadline."""
        return [call for _, _, call in sorted(self._heap, key=lambda item: item[:2]) if not call.ended]

    @property
    def next(self) -> float | None:
        while self._heap and self._heap[0][2].ended:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        self._heap.clear()


class EntryProposals(NamedTuple):
    """Proposals whose outcome the entry at one index, of one term, decides: (position among its results, proposal)."""

    term: int
    proposals: list[tuple[int, Proposal]]


class Pending:
    """All open calls."""

    __slots__ = (
        "answers",
        "applied_term",
        "asked_in_term",
        "bytes",
        "deadlines",
        "decisions",
        "forwarded",
        "proposals",
        "queue",
        "reads",
        "requests",
        "term_since",
    )

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.queue: deque[Proposal] = deque()
        """Proposals that no log and no leader has taken yet."""
        self.decisions: defaultdict[int, list[EntryProposals]] = defaultdict(list)
        """What waits for the entry at an index to be applied."""
        self.forwarded: dict[int, tuple[str, Call]] = {}
        """Calls at the leader, by request number: (leader, call)."""
        self.answers: list[tuple[Call, RaftError | None, Any]] = []
        """Calls of other members that ended in this event."""
        self.proposals = 0
        self.bytes = 0
        """How many proposals are open, and what they take together."""
        self.reads = 0
        self.requests = 0
        """The number of the latest forwarded call."""
        self.term_since = 0.0
        self.asked_in_term = 0
        """All forwarded calls are at the leader of this term, or a later one."""
        self.applied_term = 0
        """The term of the last applied entry."""


class Transfer(Call):
    """A leadership transfer. `deadline`: when the leader resumes, or, once it has given way, when its caller hears that
    no leader was heard of."""

    __slots__ = ("asked", "target")

    def __init__(self, target: str, callback: Callback, deadline: float) -> None:
        late = RaftUnavailableError("target_behind", f"{target} did not hold the whole log in time")
        super().__init__(callback, deadline, late)
        self.target = target
        self.asked = False

    def ask(self) -> None:
        """From now on it may campaign whenever it reads the request, however late."""
        self.asked = True
        self.late = RaftUnknownOutcomeError(f"{self.target} was asked to take over and is not known to lead yet")


class Round:
    """Reads that wait for a majority to answer ping `number` or a later one; `index` was committed when it was sent."""

    __slots__ = ("answered", "index", "number", "reads")

    def __init__(self, number: int, index: int, reads: list[Read], own: str) -> None:
        self.number = number
        self.index = index
        self.reads = reads
        self.answered = {own}
