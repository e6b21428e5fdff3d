"""The one function: an event and the time in, what to store, send and complete out.

An event is all or nothing. It does all its work on the state first; where that raises, nothing is stored or sent, and
the node's part in Raft is over, for memory and disk may differ (faults 8, 26).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.consensus.raft.core import calls, invariants
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.events import (
    Event,
    HandOver,
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
)
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import (
    elections,
    forwarding,
    links,
    pings,
    proposals,
    reads,
    replication,
    rollback,
    snapshot_receiving,
    snapshot_sending,
    snapshot_taking,
    transfer,
)
from coterie.consensus.raft.errors import ProtocolError, RaftUnavailableError
from coterie.consensus.raft.messages import (
    AppendEntries,
    Forward,
    ForwardReply,
    NextNodeIdx,
    Ping,
    Pong,
    RequestVote,
    ResponseVote,
    SnapshotAck,
    SnapshotChunk,
    TimeoutNow,
    WentBack,
)


def step(s: RaftState, event: Event, now: float) -> Ready:
    """`now`: seconds of a clock that never goes back. Whatever is raised stops the node: see `stop`."""
    s.now = now
    term, commit = s.term, s.commit
    try:
        EVENTS[type(event)](s, event)
        _begin_sync(s)
        invariants.check(s, term, commit)
    except BaseException:
        s.ready.completions = [completion.doubted() for completion in s.ready.completions]
        raise
    return _take_ready(s)


def _begin_sync(s: RaftState) -> None:
    """While one is in flight, the next waits for it."""
    durability = s.log.durability
    if durability.dirty and not durability.in_flight:
        durability.begin(s.log.last_index)
        s.sync_began = s.now
        s.ready.sync = True


def stop(s: RaftState, now: float) -> Ready:
    """The end of the node's part: nothing is sent any more, and every waiting call gets its outcome."""
    s.now = now
    become.stop(s)
    ready = _take_ready(s)
    ready.hard_state, ready.sync = None, False
    ready.messages.clear()
    return ready


def _take_ready(s: RaftState) -> Ready:
    answers, s.pending.answers = s.pending.answers, []
    for call, error, result in answers:
        forwarding.answer(s, call, error, result)
    ready, s.ready = s.ready, Ready()
    if ready.hard_state is not None:
        s.outbox.store(s.now)
    ready.messages = s.outbox.leaving(ready.messages)
    for member in s.outbox.overflow():
        ready.refused.append(
            (member, RaftUnavailableError("busy", "the disk takes too long to store a term or a vote"))
        )
    return ready


def tick(s: RaftState, _: Tick) -> None:
    """Do what is due, in an order in which each finds what the one before made possible."""
    calls.expire(s)
    elections.campaign_if_due(s)
    if s.leading:
        replication.advance_commit(s)
        elections.check_quorum(s)
        elections.check_disk(s)
    proposals.apply_entries(s)
    if elections.check_removed(s):
        replication.send_append_entries(s)
        become.step_down(s)
    proposals.take_queue(s)
    reads.serve(s)
    if s.leading:
        transfer.yield_full_disk(s)
        transfer.hand_over(s)
        pings.ping_if_due(s)
        replication.send_append_entries(s)
    snapshot_taking.compact_if_due(s)


def receive(s: RaftState, event: Received) -> None:
    """A member that breaks the protocol loses its link."""
    sender, message = event
    try:
        handler = MESSAGES.get(type(message))
        if handler is None or not s.started or sender == s.own:
            raise ProtocolError(f"{type(message).__name__} cannot be taken")
        handler(s, sender, message)
    except ProtocolError as error:
        s.ready.refused.append((sender, error))


def next_wakeup(s: RaftState) -> float:
    """When a tick is due although nothing happens (the clock's seconds)."""
    due = s.election_deadline
    if s.leading:
        notices = [progress.notice_due for progress in s.progress.values() if progress.notice_due is not None]
        due = min([s.ping_due, *notices])
    if s.transfer is not None:
        due = min(due, s.transfer.deadline)
    first = s.pending.deadlines.next
    return due if first is None else min(due, first)


def start(s: RaftState, _: Start) -> None:
    become.postpone_election(s)
    s.started = True


def stored(s: RaftState, event: Stored) -> None:
    """What rests on this term and vote may leave. A failure is fatal, and never tried again (fault 26)."""
    if event.error is not None:
        raise event.error
    s.outbox.stored(s.now)


def synced(s: RaftState, event: Synced) -> None:
    replication.synced(s, event.error)


def rolled_back(s: RaftState, event: RolledBack) -> None:
    rollback.condemn(s, event.member, event.words)


def job_done(s: RaftState, event: JobDone) -> None:
    event.then(s, event.result, event.error)


EVENTS: dict[type, Callable[[RaftState, Any], None]] = {
    Start: start,
    Tick: tick,
    Received: receive,
    LinkUp: links.link_up,
    LinkDown: links.link_down,
    RolledBack: rolled_back,
    Stored: stored,
    Synced: synced,
    JobDone: job_done,
    HandOver: transfer.begin,
}

MESSAGES: dict[type, Callable[[RaftState, str, Any], None]] = {
    RequestVote: elections.on_request_vote,
    ResponseVote: elections.on_response_vote,
    AppendEntries: replication.on_append_entries,
    NextNodeIdx: replication.on_next_node_idx,
    Ping: pings.on_ping,
    Pong: reads.on_pong,
    SnapshotChunk: snapshot_receiving.on_snapshot_chunk,
    SnapshotAck: snapshot_sending.on_snapshot_ack,
    TimeoutNow: elections.on_timeout_now,
    Forward: forwarding.on_forward,
    ForwardReply: forwarding.on_forward_reply,
    WentBack: rollback.on_went_back,
}
