"""The ground the node's layers stand on: PySyncObj's private state under plain names, the outbox, and failing.

Every private name of PySyncObj that the overrides read or write is listed in this file once, so that an upgrade has one
list to check. An event (a message, a tick, a finished sync) does all its work first and sends at its end: when it
raises, nothing is sent and the node's part in Raft is over (faults 8, 26).
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coterie.consensus.raft.durability import Durability
from coterie.consensus.raft.engine import FOLLOWER, LEADER, Node, SyncObj
from coterie.consensus.raft.errors import SafetyError, StoppedError
from coterie.consensus.raft.figures import RaftFigures
from coterie.consensus.raft.flow import Flow
from coterie.consensus.raft.messages import Message
from coterie.consensus.raft.ports import Clock, Disk, Entry, Journal, SnapshotStore, StateMachine
from coterie.consensus.raft.settings import RaftSettings

logger = logging.getLogger(__name__)


class Member(Node):  # type: ignore[misc]
    """PySyncObj's node, by member id, with a hash that is the same in every process."""

    def __init__(self, member_id: str) -> None:
        super().__init__(member_id)
        object.__setattr__(self, "_hash", zlib.crc32(member_id.encode()))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[no-any-return]


class _Alias(property):
    """One of PySyncObj's private fields under a plain name; None until its constructor sets it."""

    def __init__(self, name: str) -> None:
        self._private = private = f"_SyncObj__{name}"

        def set_(node: Any, value: Any) -> None:
            node.__dict__[private] = value

        super().__init__(attrgetter(private), set_)

    def __set_name__(self, owner: type, name: str) -> None:
        setattr(owner, self._private, None)  # the constructor looks at properties before all of them are there


def _alias(name: str) -> Any:
    return _Alias(name)


class Core(SyncObj):
    if TYPE_CHECKING:
        log: Journal
        term: int
        voted_for: str | None
        role: int
        leader: Member | None
        commit: int
        applied: int
        noop_index: int | None
        election_deadline: float
        others: set[Member]
        learners: set[Member]
        connected: set[Member]
        match: dict[Member, int]
        next: dict[Member, int]
        heard: dict[Member, float]
        waiting: dict[int, list[tuple[int, Any]]]
        queue: Any
        transport: Any
        ping_due: float
        leader_commit: int | None
        load_pending: bool
    else:
        log = _alias("raftLog")
        term = _alias("raftCurrentTerm")
        voted_for = _alias("votedForNodeId")
        role = _alias("raftState")
        leader = _alias("raftLeader")
        commit = _alias("raftCommitIndex")
        applied = _alias("raftLastApplied")
        noop_index = _alias("noopIDx")
        election_deadline = _alias("raftElectionDeadline")
        others = _alias("otherNodes")  # the latest configuration without this node
        learners = _alias("readonlyNodes")  # connected members that do not vote
        connected = _alias("connectedNodes")
        match = _alias("raftMatchIndex")
        next = _alias("raftNextIndex")
        heard = _alias("lastResponseTime")
        waiting = _alias("commandsWaitingCommit")
        queue = _alias("commandsQueue")
        transport = _alias("transport")
        ping_due = _alias("newAppendEntriesTime")
        leader_commit = _alias("leaderCommitIndex")
        load_pending = _alias("needLoadDumpFile")

    own: str
    me: Member
    settings: RaftSettings
    clock: Clock
    disk: Disk
    machine: StateMachine
    snapshots: SnapshotStore
    durability: Durability
    failure: BaseException | None
    stopped: bool

    def _prepare_core(self) -> None:
        """Fields that must be there before PySyncObj's constructor runs."""
        self.failure = None
        self.stopped = False
        self.figures = RaftFigures()
        self.members: dict[str, Member] = {self.own: self.me}
        self.flows: dict[Member, Flow] = {}
        self.links: dict[Member, int] = {}  # how often each member's link has come up
        self._outbox: list[tuple[Member, Message]] = []
        self._completions: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._depth = 0
        self._sync_began = 0.0

    # the log

    @property
    def first_index(self) -> int:
        return self.log[0][1]

    @property
    def last_index(self) -> int:
        return self.log[-1][1]

    @property
    def last_term(self) -> int:
        return self.log[-1][2]

    def term_at(self, index: int) -> int:
        """The term of an entry in the log. Raises SafetyError for an index outside of it."""
        first = self.log[0][1]
        if not 0 <= index - first < len(self.log):
            raise SafetyError(f"entry {index} is not in the log")
        return self.log[index - first][2]

    def entries_from(self, index: int, count: int) -> list[Entry]:
        """Up to `count` entries from `index` on. Raises SafetyError where the log begins later."""
        at = index - self.log[0][1]
        if at < 0:
            raise SafetyError(f"entry {index} is no longer in the log")
        return self.log[at : at + count]

    # who

    def member(self, member_id: str) -> Member:
        found = self.members.get(member_id)
        if found is None:
            found = self.members[member_id] = Member(member_id)
        return found

    @property
    def leading(self) -> bool:
        return self.role == LEADER

    # events

    def _send(self, to: Member, message: Message) -> None:
        self._outbox.append((to, message))

    def _complete(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back at the end of the event: what a callback does, or raises, cannot reach into it (fault 8)."""
        self._completions.append((callback, args))

    def _event(self, work: Callable[..., None], *args: Any) -> None:
        """Run one event: all its work, then what it sends, then its callbacks."""
        if self.stopped:
            return
        if self._depth:  # called from a callback at the end of another event: part of that one
            work(*args)
            return
        self._depth = 1
        try:
            work(*args)
            self._start_sync()
        except BaseException as error:
            self._outbox.clear()
            self._depth = 0
            self._fail(error)
            if not isinstance(error, Exception):
                raise
            return
        self._depth = 0
        outbox, self._outbox = self._outbox, []
        for to, message in outbox:
            self.transport.send(to, message)
        self._run_completions()
        if self.on_work is not None and work != self._tick:
            self.on_work()

    def _run_completions(self) -> None:
        while self._completions:
            completions, self._completions = self._completions, []
            for callback, args in completions:
                try:
                    callback(*args)
                except Exception:
                    logger.exception("a caller's callback failed")

    def _start_sync(self) -> None:
        """One sync of everything buffered by this event; while one is in flight, the next waits for it."""
        if self.durability.dirty and not self.durability.in_flight and not self.stopped:
            self.durability.begin(self.last_index)
            self._sync_began = self.clock.monotonic()
            write = self.log.begin_sync()

            def timed() -> float:
                began = self.clock.monotonic()
                write()
                return self.clock.monotonic() - began

            self.disk.submit(timed, self._sync_ended)

    def disk_hangs(self) -> bool:
        """A sync has been in flight for too long."""
        late = self._sync_began + self.settings.disk_patience
        return self.durability.in_flight and self.clock.monotonic() > late

    def _sync_ended(self, seconds: float | None, error: BaseException | None) -> None:
        if seconds is not None:
            self.figures.sync_seconds.observe(seconds)
        self._event(self._synced, error)

    def _synced(self, error: BaseException | None) -> None:
        if error is not None:
            raise error
        self.durability.done()

    def _fail(self, error: BaseException) -> None:
        """Stop this node's part in Raft: nothing is sent, voted or answered any more."""
        if self.stopped:
            return
        self.failure = error
        logger.critical("the Raft node %s stops: %r", self.own, error, exc_info=error)
        self._stop()

    def _stop(self) -> None:
        self.stopped = True
        self.role = FOLLOWER
        self._outbox.clear()
        self._abandon()
        self._run_completions()
        if self.on_stop is not None:
            self.on_stop(self.failure)

    on_stop: Callable[[BaseException | None], None] | None = None
    on_work: Callable[[], None] | None = None

    def _tick(self) -> None:
        raise NotImplementedError

    def _abandon(self) -> None:
        """The node has stopped: give every waiting call its outcome. Each layer adds its own."""
        for flow in self.flows.values():
            flow.drop_transfer()

    def _lost_leadership(self) -> None:
        """This node leads no longer. Each layer adds its own."""
        for flow in self.flows.values():
            flow.drop_transfer()
        self.flows.clear()

    def _check_running(self) -> None:
        if self.stopped:
            raise StoppedError("stopped", repr(self.failure) if self.failure else "")
