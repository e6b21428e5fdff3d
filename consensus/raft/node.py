"""A member's node: carries out what Raft's core decides. It owns no socket, thread or timer.

It is made and loaded in the disk thread. Then its driver calls `start` once, and `tick` on every loop turn in which
something happened and at `next_wakeup` at the latest; the transport calls it with messages, the disk with ended jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from coterie.consensus.raft.core.calls import queue_proposal, queue_read
from coterie.consensus.raft.core.events import (
    Event,
    HandOver,
    Job,
    JobDone,
    LinkDown,
    LinkUp,
    Ready,
    Received,
    RolledBack,
    Start,
    Stored,
    Synced,
    Tick,
    must_succeed,
)
from coterie.consensus.raft.core.model.configuration import encode_change
from coterie.consensus.raft.core.model.entries import MEMBERSHIP, REGULAR
from coterie.consensus.raft.core.model.pending import Callback, Proposal, Read
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import snapshot_taking
from coterie.consensus.raft.core.parts.pings import staleness
from coterie.consensus.raft.core.step import next_wakeup, step, stop
from coterie.consensus.raft.errors import StoppedError
from coterie.consensus.raft.messages import Message
from coterie.consensus.raft.metrics import RaftMetrics
from coterie.consensus.raft.ports import (
    SAYS_NOTHING,
    Clock,
    Disk,
    Greeting,
    Journal,
    SnapshotStore,
    StateMachine,
    Transport,
)
from coterie.consensus.raft.recovery import recover
from coterie.consensus.raft.settings import RaftConfig

logger = logging.getLogger(__name__)


class RaftNode:
    def __init__(
        self,
        member_id: str,
        bootstrap_voters: tuple[str, ...],
        *,
        journal: Journal,
        snapshots: SnapshotStore,
        machine: StateMachine,
        transport: Transport,
        disk: Disk,
        clock: Clock,
        settings: RaftConfig,
        on_stop: Callable[[BaseException | None], None] | None = None,
        on_work: Callable[[], None] | None = None,
    ) -> None:
        """`bootstrap_voters`: the cluster's founding configuration, or () for a member that joined later.

        Raises CorruptStateError or OSError where the data directory must not be started from.
        """
        self.own = member_id
        self.clock = clock
        self.failure: BaseException | None = None
        self._journal = journal
        self._transport = transport
        self._disk = disk
        self._on_stop = on_stop
        self._on_work = on_work
        self.state = RaftState(
            member_id,
            recover(journal, snapshots, bootstrap_voters),
            machine=machine,
            snapshots=snapshots,
            settings=settings,
            random=clock.random,
        )
        self._linked = self.state.voters
        transport.bind(self.received, self.link_up, self.link_down, self.rolled_back)

    # running

    def load(self) -> None:
        """Load the installed snapshot, in the disk thread: nobody else knows the node yet. Raises what went wrong."""
        snapshot_taking.load(self.state)

    def start(self) -> None:
        """Take part, loaded. The transport delivers nothing before (fault 28). Raises what went wrong."""
        self._event(Start())
        self.tick()
        if self.failure is not None:
            raise self.failure

    def tick(self) -> None:
        """Do what is due: deadlines, campaigns, commits, applying, sending, snapshots, one sync."""
        self._event(Tick())

    def next_wakeup(self) -> float:
        """When a tick is due although nothing happens (the clock's seconds)."""
        return next_wakeup(self.state)

    def stop(self) -> None:
        """Leave: every waiting call gets its outcome. The journal is its owner's to close, once the disk is idle."""
        if not self.stopped:
            self._stop(Ready())

    # calls

    def propose(self, op: bytes, callback: Callback, timeout: float, trace: str = "") -> None:
        """Replicate one operation; `callback(error, result)` with the state machine's result. `trace` goes along to the
        leader.

        Errors: RefusedError and UnavailableError (nothing happened), UnknownOutcomeError. Raises StoppedError.
        """
        self._propose(REGULAR + op, callback, timeout, trace)

    def change_voters(self, member: str, callback: Callback, timeout: float, *, add: bool) -> None:
        """Add or remove one voter, at the leader; `callback(error, voters)`. Errors as for `propose`."""
        self._propose(MEMBERSHIP + encode_change(member, add=add), callback, timeout)

    def _propose(self, command: bytes, callback: Callback, timeout: float, trace: str = "") -> None:
        now = self._running()
        queue_proposal(self.state, Proposal(callback, command, now, timeout, trace))
        self._wake()

    def read(self, callback: Callback, timeout: float, trace: str = "") -> None:
        """Wait until what is applied here is as fresh as anything acknowledged before now.

        `callback(error, index)`. Failures are UnavailableError or RefusedError: a read can be made again. `trace` goes
        along to the leader. Raises StoppedError.
        """
        now = self._running()
        queue_read(self.state, Read(callback, now + timeout, trace))
        self._wake()

    def transfer(self, callback: Callback, target: str | None = None) -> None:
        """Hand leadership to `target`, or to the connected voter that holds most of the log; `callback(error,
        target)`, without an error once the target leads. UnknownOutcomeError: it was asked, and may yet take over."""
        self._running()
        self._event(HandOver(callback, target))

    def upkeep(self) -> None:
        """To be called once a second: what is due of the journal's upkeep, in the disk thread. An error of it is the
        disk's, and stops the node."""
        job = None if self.stopped else self._journal.begin_upkeep()
        if job is not None:
            self._disk.submit(job, partial(self._job_done, Job(job, must_succeed)))

    def compact(self) -> None:
        """Take a snapshot soon, however short the log is."""
        self.state.save_forced = True

    def _running(self) -> float:
        if self.stopped:
            raise StoppedError("stopped", repr(self.failure) if self.failure else "")
        self.state.now = self.clock.monotonic()
        return self.state.now

    def _wake(self) -> None:
        """There is work for a tick."""
        if self._on_work is not None:
            self._on_work()

    # what the transport reports

    def received(self, sender: str, message: Message) -> None:
        self._event(Received(sender, message))

    def link_up(self, member: str, greeting: Greeting = SAYS_NOTHING) -> None:
        self._event(LinkUp(member, greeting))

    def rolled_back(self, member: str, words: str) -> None:
        """A proved member counts fewer starts of its directory than were seen."""
        self._event(RolledBack(member, words))

    def link_down(self, member: str) -> None:
        self._event(LinkDown(member))

    # events

    def _event(self, event: Event) -> None:
        """Decide, store, and only then send and call back."""
        if self.stopped:
            return
        ready = Ready()
        try:
            ready = step(self.state, event, self.clock.monotonic())
            self._store(ready)
        except BaseException as error:
            self.failure = error
            logger.critical("the Raft node %s stops: %r", self.own, error, exc_info=error)
            self._stop(ready)
            if not isinstance(error, Exception):
                raise
            return
        self._publish(ready)
        if not isinstance(event, Tick):
            self._wake()

    def _store(self, ready: Ready) -> None:
        if ready.hard_state is not None:
            self._disk.submit(partial(self._journal.store_vote, *ready.hard_state), self._stored)
        self._submit(ready)
        if ready.sync:
            self._disk.submit(self._timed(self._journal.begin_sync()), self._synced)

    def _submit(self, ready: Ready) -> None:
        jobs, ready.jobs = ready.jobs, []
        for job in jobs:
            self._disk.submit(job.run, partial(self._job_done, job))

    def _timed(self, write: Callable[[], None]) -> Callable[[], float]:
        def timed() -> float:
            began = self.clock.monotonic()
            write()
            return self.clock.monotonic() - began

        return timed

    def _stored(self, _: None, error: BaseException | None) -> None:
        self._event(Stored(error))

    def _synced(self, seconds: float | None, error: BaseException | None) -> None:
        if seconds is not None:
            self.state.metrics.sync_seconds.observe(seconds)
        self._event(Synced(error))

    def _job_done(self, job: Job, result: Any, error: BaseException | None) -> None:
        self._event(JobDone(job.then, result, error))

    def _publish(self, ready: Ready) -> None:
        for member, error in ready.refused:
            logger.warning("the link to %s is closed: %s", member, error)
            self._transport.drop(member)
        voters = self.state.voters
        if voters is not self._linked:
            for member in voters:
                if member not in self._linked and member != self.own:
                    self._transport.add(member)
            self._linked = voters
        for member, message in ready.messages:
            self._transport.send(member, message)
        self._complete(ready)

    def _complete(self, ready: Ready) -> None:
        """Call back, those too whose call a callback makes and that end at once."""
        while ready.completions:
            for callback, error, result, _ in ready.completions:
                try:
                    callback(error, result)
                except Exception:
                    logger.exception("a caller's callback failed")
            ready.completions, self.state.ready.completions = self.state.ready.completions, []

    def _stop(self, unfinished: Ready) -> None:
        """Nothing is sent, voted or answered any more, but what was decided is completed."""
        ready = stop(self.state, self.clock.monotonic())
        ready.jobs = unfinished.jobs + ready.jobs
        ready.completions = unfinished.completions + ready.completions
        self._submit(ready)
        self._complete(ready)
        if self._on_stop is not None:
            self._on_stop(self.failure)

    # views

    @property
    def stopped(self) -> bool:
        """Has it left, or failed? `failure` says why."""
        return self.state.stopped

    @property
    def term(self) -> int:
        return self.state.term

    @property
    def leading(self) -> bool:
        return self.state.leading

    @property
    def leader(self) -> str | None:
        """The leader's member id, as far as this node knows."""
        return self.state.leader

    @property
    def voters(self) -> tuple[str, ...]:
        """The latest configuration, committed or not."""
        return self.state.voters

    @property
    def commit(self) -> int:
        return self.state.commit

    @property
    def applied(self) -> int:
        return self.state.applied

    @property
    def last_index(self) -> int:
        return self.state.log.last_index

    @property
    def snapshot_index(self) -> int:
        """Index of the last entry in the installed snapshot; 0 without one."""
        return self.state.snapshot_index

    @property
    def metrics(self) -> RaftMetrics:
        return self.state.metrics

    def staleness(self) -> float:
        """How old what is applied here may be at most, in seconds; infinite where that is not known."""
        return staleness(self.state, self.clock.monotonic())
