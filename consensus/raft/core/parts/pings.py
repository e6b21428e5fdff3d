"""Pings: heartbeat, check-quorum and read-index round in one, answered at once and not behind a sync (thesis 6.4;
faults 12, 25). They also carry how old a stale read may be at most."""

from __future__ import annotations

from math import inf

from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.staleness import confirmed
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import snapshot_receiving
from coterie.consensus.raft.messages import Ping, Pong


def ping_if_due(s: RaftState) -> None:
    if s.now >= s.ping_due:
        ping(s)


def ping(s: RaftState) -> None:
    """To everybody connected, under a number of its own."""
    s.ping_due = s.now + s.settings.heartbeat
    s.round += 1
    # A new leader's commit index is older than what was acknowledged; its log holds all of that (paper 8).
    settled = s.noop_index is not None and s.commit >= s.noop_index
    commit = s.commit if settled else s.log.last_index
    known = confirmed(s.progress, s.voters, s.own, s.now)
    age = s.now - known if known > -inf else None
    for member in sorted(s.links):
        s.ready.send(member, Ping(s.term, s.round, commit, s.now, s.progress[member].clock, age))


def on_ping(s: RaftState, leader: str, message: Ping) -> None:
    if message.term >= s.term:
        become.see_term(s, message.term)
        become.hear_leader(s, leader)
        snapshot_receiving.still_receiving(s, leader)
        if message.reading is not None and message.age is not None:
            s.freshness.heard(message.reading - message.age, message.commit, s.applied)
    s.ready.send(leader, Pong(s.term, message.round, message.at, s.now, room=not s.log.journal.disk_full))


def staleness(s: RaftState, now: float) -> float:
    """How old what is applied here may be at most, in seconds; infinite where that is not known."""
    # Before its no-op is applied a new leader does not know what was committed before it.
    if s.leading and s.noop_applied:
        return now - confirmed(s.progress, s.voters, s.own, now)
    return now - s.freshness.at
