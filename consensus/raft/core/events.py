"""What happens to a node, and what it answers: the two sides of `step`.

A `Ready` is carried out in this order: hand `hard_state` and `jobs` to the disk, begin a sync of the log where `sync`
says so; then send `messages`, then complete calls. The messages of an event with a hard state, and of those after it,
come with the event that reports it as stored. Where storing fails none is sent: the node stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from coterie.consensus.raft.errors import RaftError, RaftUnknownOutcomeError, StoppedError
from coterie.consensus.raft.messages import Message
from coterie.consensus.raft.ports import SAYS_NOTHING, Greeting


class Start(NamedTuple):
    """Once, before everything else: the state is that of the installed snapshot."""


class Tick(NamedTuple):
    """Time has passed, or calls have been queued: do what is due."""


class Received(NamedTuple):
    sender: str
    message: Message


class LinkUp(NamedTuple):
    member: str
    greeting: Greeting = SAYS_NOTHING


class LinkDown(NamedTuple):
    member: str


class RolledBack(NamedTuple):
    """A member's process counts fewer starts of its directory than were seen: `words` say which."""

    member: str
    words: str


class Stored(NamedTuple):
    """A hard state is durable: the oldest of those under way."""

    error: BaseException | None


class Synced(NamedTuple):
    """The sync that was begun last has ended."""

    error: BaseException | None


class JobDone(NamedTuple):
    """A disk job has ended; `then` came with it."""

    then: Callable[[Any, Any, BaseException | None], None]
    result: Any
    error: BaseException | None


class HandOver(NamedTuple):
    """Give leadership to `target`, or to the connected voter that holds most of the log."""

    callback: Callable[[Any, Any], None]
    target: str | None


Event = Start | Tick | Received | LinkUp | LinkDown | RolledBack | Stored | Synced | JobDone | HandOver


class HardState(NamedTuple):
    """What must be durable before anything is sent that rests on it (paper, Figure 2, persistent state; the log goes by
    `sync`)."""

    term: int
    voted_for: str | None


class Job(NamedTuple):
    """`run` waits for the disk; its result goes back as `JobDone(then, result, error)`."""

    run: Callable[[], Any]
    then: Callable[[Any, Any, BaseException | None], None]


class Completion(NamedTuple):
    """A call that ended: `callback(error, result)`."""

    callback: Callable[[Any, Any], None]
    error: RaftError | None
    result: Any
    late: RaftError | None = None
    """What it would have ended with at its deadline."""

    def doubted(self) -> Completion:
        """Where the rest of the event fails: what the event decided may be wrong."""
        return self if self.error is not None else Completion(self.callback, in_doubt(self.late), None)


def in_doubt(late: RaftError | None) -> RaftError:
    """What a call ends with that the node cannot serve to its end: nothing happened, unless it is in some log."""
    return late if isinstance(late, RaftUnknownOutcomeError) else StoppedError("stopped")


class Ready:
    __slots__ = ("completions", "hard_state", "jobs", "messages", "refused", "sync")

    def __init__(self) -> None:
        self.hard_state: HardState | None = None
        """Term and vote, where they changed: to be stored, and its end to be reported as `Stored`."""
        self.jobs: list[Job] = []
        self.sync = False
        """The log has changed, and no sync of it is in flight: begin one, and report its end as `Synced`."""
        self.messages: list[tuple[str, Message]] = []
        self.refused: list[tuple[str, RaftError]] = []
        """Members whose links are to be closed, and why."""
        self.completions: list[Completion] = []

    def send(self, to: str, message: Message) -> None:
        self.messages.append((to, message))

    def job(self, run: Callable[[], Any], then: Callable[[Any, Any, BaseException | None], None]) -> None:
        self.jobs.append(Job(run, then))


def must_succeed(_state: object, _result: object, error: BaseException | None) -> None:
    """After a job of which only a failure matters: it stops the node."""
    if error is not None:
        raise error


def ignore(_state: object, _result: object, _error: BaseException | None) -> None:
    """After a job whose end nobody waits for."""
