"""Linearizable reads without writing: read-index rounds, shared by all that wait (thesis 6.4; raft spec 3)."""

from __future__ import annotations

from coterie.consensus.raft.core import calls, rules
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.pending import Round
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import forwarding, pings
from coterie.consensus.raft.messages import Pong


def serve(s: RaftState) -> None:
    """Start the next round for the reads that have arrived, or pass them to the leader."""
    if not s.reads_arrived:
        return
    if not s.leading:
        forwarding.forward_reads(s)
        return
    if s.read_round is not None or not s.noop_applied:
        return
    reads = [read for read in s.reads_arrived if not read.ended]
    s.reads_arrived.clear()
    if not reads:
        return
    pings.ping(s)  # the round's number must be younger than every read in it
    s.read_round = Round(s.round, s.commit, reads, s.own)
    _close_round(s)


def on_pong(s: RaftState, member: str, message: Pong) -> None:
    progress = become.hear_answer(s, member, message.term)
    if progress is not None and member not in s.went_back:
        progress.asked = max(progress.asked, min(message.asked, s.now))
        progress.clock = message.at
        progress.room = message.room
        round_answered(s, member, message.round)


def round_answered(s: RaftState, member: str, number: int) -> None:
    if s.read_round is not None and number >= s.read_round.number:
        s.read_round.answered.add(member)
        _close_round(s)


def _close_round(s: RaftState) -> None:
    """Only voters of the latest configuration count."""
    current = s.read_round
    if current is None or not rules.is_quorum(s.voters, current.answered):
        return
    s.read_round = None
    for read in current.reads:
        if read.origin is not None:
            calls.end(s, read, None, current.index)
        else:
            s.reads_confirmed.append((current.index, read))
    calls.finish_reads(s)
