"""Appending: the follower's answer to an append, the leader's sending, acknowledgements and the commit index
(paper 5.3, 5.4; faults 5, 7, 17, 25, 27, 29)."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.consensus.raft.core import rules
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.progress import PROBE, SNAPSHOT, STREAM, Progress
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import rollback, snapshot_sending
from coterie.consensus.raft.core.parts.snapshot_taking import ask_room
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import AppendEntries, NextNodeIdx
from coterie.consensus.raft.ports import Entry

# the follower


def on_append_entries(s: RaftState, leader: str, message: AppendEntries) -> None:
    if message.term < s.term:  # a leader of the past learns the term
        s.ready.send(leader, NextNodeIdx(s.term, success=False, match=0, seq=message.seq))
        return
    rules.check_append(message)
    become.see_term(s, message.term)
    become.hear_leader(s, leader)
    log = s.log
    plan = rules.plan_append(message, log.first_index, log.last_index, log.term_at, s.commit)
    if not plan.ok:
        s.ready.send(leader, NextNodeIdx(s.term, success=False, match=plan.hint, seq=message.seq))
        return
    if plan.truncate_from is not None:
        log.truncate(plan.truncate_from)
    full = bool(plan.entries) and not _has_room(s, plan.entries)
    if full:  # it takes nothing, but goes on following, and learns what is committed of what it holds
        plan = plan.without_entries()
    for entry in plan.entries:
        log.append(entry)
    s.verified = max(s.verified, plan.verified)
    become.commit_to(s, rules.follower_commit(s.commit, message.commit, plan.verified))
    s.ack_owed = leader
    if s.verified <= log.durability.durable:
        acknowledge(s)  # otherwise when the sync ends
    if full:
        s.ready.send(leader, NextNodeIdx(s.term, success=False, match=plan.verified, full=True))


def _has_room(s: RaftState, entries: Sequence[Entry]) -> bool:
    return ask_room(s, sum(len(entry[0]) for entry in entries), len(entries)) is None


def acknowledge(s: RaftState) -> None:
    """Acknowledge what is verified *and* durable (fault 5)."""
    leader = s.ack_owed
    if leader is None:
        return
    match = min(s.verified, s.log.durability.durable)
    if match == s.verified:
        s.ack_owed = None
    s.ready.send(leader, NextNodeIdx(s.term, success=True, match=match))


def synced(s: RaftState, error: BaseException | None) -> None:
    """A failed sync is fatal, and never tried again (fault 26)."""
    if error is not None:
        raise error
    s.log.durability.done()
    if s.ack_owed is not None:
        acknowledge(s)


# the leader


def on_next_node_idx(s: RaftState, member: str, message: NextNodeIdx) -> None:
    progress = become.hear_answer(s, member, message.term)
    if progress is None:
        return
    if message.success:
        if message.match > s.log.last_index:
            raise ProtocolError(f"{member} acknowledges {message.match}, which was never sent")
        progress.acknowledged(message.match, s.now)
    elif message.full:
        progress.probe(s.now)
        progress.probe_due = s.now + s.settings.leader_fallback
        progress.restart()
    elif progress.mode == STREAM or (progress.mode == PROBE and message.seq == progress.probe_seq):
        refused = progress.next if progress.mode == PROBE else s.log.last_index + 1
        if progress.mode == PROBE and refused == progress.match + 1:
            rollback.refused_what_it_has(s, member, progress.match)
        progress.probe(s.now)
        # A refusal never takes back what was acknowledged (fault 18).
        progress.next = max(progress.match + 1, min(message.match + 1, refused))


def advance_commit(s: RaftState) -> None:
    held = {member: progress.match for member, progress in s.progress.items() if member not in s.went_back}
    held[s.own] = s.log.durability.durable
    become.commit_to(s, rules.leader_commit(s.voters, held, s.commit, s.term, s.log.term_at))


def send_append_entries(s: RaftState) -> None:
    """Send every connected member, voter or not, what it lacks, as far as its window allows."""
    for member in sorted(s.links):
        progress = s.progress[member]
        if progress.mode == SNAPSHOT:
            snapshot_sending.send_chunks(s, member, progress)
        elif progress.next <= s.log.first_index:
            snapshot_sending.begin_transfer(s, member, progress)
        elif progress.mode == PROBE:
            if s.now >= progress.probe_due:
                progress.probe_due = s.now + s.settings.leader_fallback
                progress.probe_seq = _send_one(s, member, progress, _batch(s, progress.next))
        else:
            _stream(s, member, progress)


def _stream(s: RaftState, member: str, progress: Progress) -> None:
    if progress.in_flight and s.now - progress.progress_at > 4 * s.settings.leader_fallback:
        # Nothing acknowledged for long: a full disk there, or a slow one. Ask where it stands.
        progress.probe(s.now)
        progress.restart()
        return
    while (
        progress.next <= s.log.last_index
        and len(progress.in_flight) < s.settings.max_appends_in_flight
        and progress.in_flight_bytes < s.settings.max_bytes_in_flight
    ):
        entries = _batch(s, progress.next)
        _send_one(s, member, progress, entries)
        progress.sent(entries[-1][1], sum(len(entry[0]) for entry in entries), s.now)
        progress.next = entries[-1][1] + 1
    if progress.commit_sent < s.commit and _notice_is_due(s, progress):
        _send_one(s, member, progress, ())


def _notice_is_due(s: RaftState, progress: Progress) -> bool:
    """An append that only names the commit index is held back a little, for the next one names it too, unless a call of
    that member waits for it."""
    if progress.commit_sent < progress.awaited:
        return True
    if progress.notice_due is None:
        progress.notice_due = s.now + s.settings.commit_notice_delay
    return s.now >= progress.notice_due


def _send_one(s: RaftState, member: str, progress: Progress, entries: tuple[Entry, ...]) -> int:
    prev = progress.next - 1
    s.append_seq += 1
    progress.commit_sent = s.commit
    progress.notice_due = None
    s.ready.send(member, AppendEntries(s.term, prev, s.log.term_at(prev), s.commit, entries, s.append_seq))
    return s.append_seq


def _batch(s: RaftState, index: int) -> tuple[Entry, ...]:
    """Entries from `index` on that fit one append; at least one, where there is one."""
    entries: list[Entry] = []
    size = 0
    for entry in s.log.entries_from(index, s.settings.max_appends_in_flight * 4):
        size += len(entry[0])
        if entries and size > s.settings.max_append_bytes:
            break
        entries.append(entry)
    return tuple(entries)
