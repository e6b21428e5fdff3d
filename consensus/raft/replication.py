"""Appending: the follower's answer to an append, the leader's sending, acknowledgements and the commit index
(paper 5.3, 5.4; faults 5, 7, 17, 25, 27, 29)."""

from __future__ import annotations

from math import inf

from coterie.consensus.raft import flow as flows
from coterie.consensus.raft import rules
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.flow import Flow
from coterie.consensus.raft.freshness import Freshness
from coterie.consensus.raft.messages import AppendEntries, NextNodeIdx, Ping, Pong
from coterie.consensus.raft.ports import Entry
from coterie.consensus.raft.snapshot_receiving import SnapshotReceiving


class Replication(SnapshotReceiving):
    def _prepare_replication(self) -> None:
        self.verified = 0
        """Up to here this log is as the current term's leader's: what a follower may acknowledge once it is durable."""
        self.ack_owed: Member | None = None
        """The leader that waits for an acknowledgement of what is being synced."""
        self.round = 0
        """Number of this leader's latest ping; never starts over."""
        self._append_seq = 0
        self.freshness = Freshness()

    def _term_changed(self) -> None:
        super()._term_changed()
        self.verified = 0
        self.ack_owed = None

    def _become_leader(self) -> None:
        self.freshness.new_office()
        super()._become_leader()

    def _disconnected(self, member: Member) -> None:
        super()._disconnected(member)
        self.freshness.link_lost(member.id)

    # the follower

    def _on_append_entries(self, leader: Member, message: AppendEntries) -> None:
        if message.term < self.term:
            self._send(
                leader, NextNodeIdx(self.term, success=False, match=0, seq=message.seq)
            )  # tell it its time is over
            return
        rules.check_append(message)
        self._see_term(message.term)
        self._hear_leader(leader)
        size = sum(len(entry[0]) for entry in message.entries)
        if size and not self.log.has_room(size, len(message.entries)):  # a full disk: keep following, take nothing
            self._send(leader, NextNodeIdx(self.term, success=False, match=message.prev_index, full=True))
            return
        plan = rules.plan_append(message, self.first_index, self.last_index, self.term_at, self.commit)
        if not plan.ok:
            self._send(leader, NextNodeIdx(self.term, success=False, match=plan.hint, seq=message.seq))
            return
        if plan.truncate_from is not None:
            self._truncate(plan.truncate_from)
        for entry in plan.entries:
            self._append(entry)
        self.verified = max(self.verified, plan.verified)
        self._commit_to(rules.follower_commit(self.commit, message.commit, plan.verified))
        self.leader_commit = message.commit
        self.ack_owed = leader
        if self.verified <= self.durability.durable:
            self._acknowledge()  # otherwise when the sync ends

    def _acknowledge(self) -> None:
        """Acknowledge what is verified *and* durable (fault 5)."""
        leader = self.ack_owed
        if leader is None:
            return
        match = min(self.verified, self.durability.durable)
        if match == self.verified:
            self.ack_owed = None
        self._send(leader, NextNodeIdx(self.term, success=True, match=match))

    def _synced(self, error: BaseException | None) -> None:
        super()._synced(error)
        if self.ack_owed is not None:
            self._acknowledge()

    def _on_ping(self, leader: Member, message: Ping) -> None:
        if message.term >= self.term:
            self._see_term(message.term)
            self._hear_leader(leader)
            self._send_still_receiving(leader)
            if message.reading is not None and message.age is not None:
                self.freshness.told(message.reading - message.age, message.commit, self.applied)
        self._send(leader, Pong(self.term, message.round, message.at, self.clock.monotonic()))

    def _freshen(self) -> None:
        """More has been applied."""
        self.freshness.applied(self.applied)

    def staleness(self) -> float:
        """How old what is applied here may be at most, in seconds; infinite where that is not known."""
        now = self.clock.monotonic()
        # Before its no-op is applied a new leader does not know what was committed before it.
        if self.leading and self.noop_index is not None and self.applied >= self.noop_index:
            return now - self.freshness.confirmed(self.voters, self.own, now)
        return now - self.freshness.at

    # the leader

    def _answered(self, member: Member, term: int) -> bool:
        """An answer came in: True where it concerns the term that this node leads."""
        self._see_term(term)
        if not self.leading or term != self.term or member not in self.flows:
            return False
        self.heard[member] = self.clock.monotonic()
        return True

    def _on_pong(self, member: Member, message: Pong) -> None:
        if self._answered(member, message.term):
            self.freshness.answered(member.id, min(message.asked, self.clock.monotonic()), message.at)
            self._round_answered(member, message.round)

    def _round_answered(self, member: Member, number: int) -> None:
        """A member echoed a ping of this term. Reads add their own."""

    def _on_next_node_idx(self, member: Member, message: NextNodeIdx) -> None:
        if not self._answered(member, message.term):
            return
        flow = self.flows[member]
        now = self.clock.monotonic()
        if message.success:
            self._matched(member, flow, message.match, now)
        elif message.full:
            flow.probe(now)
            flow.probe_due = now + self.settings.leader_fallback
            self._restart_at(member)
        elif flow.mode == flows.STREAM or (flow.mode == flows.PROBE and message.seq == flow.probe_seq):
            refused = self.next[member] if flow.mode == flows.PROBE else self.last_index + 1
            flow.probe(now)
            # A refusal never takes back what was acknowledged (fault 18).
            self.next[member] = max(self.match[member] + 1, min(message.match + 1, refused))

    def _matched(self, member: Member, flow: Flow, match: int, now: float) -> None:
        if match > self.last_index:
            raise ProtocolError(f"{member} acknowledges {match}, which was never sent")
        self.match[member] = max(self.match[member], match)
        flow.acknowledged(match, now)
        if self.next[member] <= match:
            self.next[member] = match + 1
        if flow.mode == flows.PROBE:
            flow.mode = flows.STREAM
            flow.progress_at = now

    def _restart_at(self, member: Member) -> None:
        """Go on from what is known to be there; everybody's log begins with the same first entry."""
        self.next[member] = max(self.match[member], 1) + 1

    def _advance_commit(self) -> None:
        held = {member.id: match for member, match in self.match.items()}
        held[self.own] = self.durability.durable
        self._commit_to(rules.leader_commit(self.voters, held, self.commit, self.term, self.term_at))
        self.leader_commit = self.commit

    def _ping_if_due(self, *, force: bool = False) -> None:
        """Pings go to everybody connected: heartbeat, check-quorum and read-index round in one."""
        now = self.clock.monotonic()
        if not force and now < self.ping_due:
            return
        self.ping_due = now + self.settings.heartbeat
        self.round += 1
        # A new leader's commit index is older than what was acknowledged; its log holds all of that (paper 8).
        settled = self.noop_index is not None and self.commit >= self.noop_index
        commit = self.commit if settled else self.last_index
        confirmed = self.freshness.confirmed(self.voters, self.own, now)
        age = now - confirmed if confirmed > -inf else None
        for member in self._targets():
            self._send(member, Ping(self.term, self.round, commit, now, self.freshness.reading(member.id), age))

    def _send_append_entries(self) -> None:
        """Send every member what it lacks, as far as its window allows."""
        now = self.clock.monotonic()
        for member in self._targets():
            flow = self.flows[member]
            if flow.mode == flows.SNAPSHOT:
                self._send_snapshot(member, flow, now)
            elif self.next[member] <= self.first_index:
                self._begin_transfer(member, flow, now)
            elif flow.mode == flows.PROBE:
                if now >= flow.probe_due:
                    flow.probe_due = now + self.settings.leader_fallback
                    flow.probe_seq = self._send_one(member, flow, self._batch(self.next[member]))
            else:
                self._stream(member, flow, now)

    def _stream(self, member: Member, flow: Flow, now: float) -> None:
        if flow.in_flight and now - flow.progress_at > 4 * self.settings.leader_fallback:
            # Nothing acknowledged for long: a full disk there, or a slow one. Ask where it stands.
            flow.probe(now)
            self._restart_at(member)
            return
        while (
            self.next[member] <= self.last_index
            and len(flow.in_flight) < self.settings.max_appends_in_flight
            and flow.in_flight_bytes < self.settings.max_bytes_in_flight
        ):
            entries = self._batch(self.next[member])
            self._send_one(member, flow, entries)
            flow.sent(entries[-1][1], sum(len(entry[0]) for entry in entries), now)
            self.next[member] = entries[-1][1] + 1
        if flow.commit_sent < self.commit and self._notice_is_due(flow, now):
            self._send_one(member, flow, ())

    def _notice_is_due(self, flow: Flow, now: float) -> bool:
        """An append that only tells the commit index is held back a little, for the next one tells it too, unless a
        call of that member waits for it."""
        if flow.commit_sent < flow.awaited:
            return True
        if flow.notice_due is None:
            flow.notice_due = now + self.settings.commit_notice_delay
        return now >= flow.notice_due

    def _member_awaits(self, member: Member, index: int) -> None:
        """A call of `member` waits until it has applied `index`."""
        flow = self.flows.get(member)
        if flow is not None:
            flow.awaited = max(flow.awaited, index)

    def _send_one(self, member: Member, flow: Flow, entries: tuple[Entry, ...]) -> int:
        prev = self.next[member] - 1
        self._append_seq += 1
        flow.commit_sent = self.commit
        flow.notice_due = None
        message = AppendEntries(self.term, prev, self.term_at(prev), self.commit, entries, self._append_seq)
        self._send(member, message)
        return self._append_seq

    def _batch(self, index: int) -> tuple[Entry, ...]:
        """Entries from `index` on that fit one append; at least one, where there is one."""
        entries: list[Entry] = []
        size = 0
        for entry in self.entries_from(index, self.settings.max_appends_in_flight * 4):
            size += len(entry[0])
            if entries and size > self.settings.max_append_bytes:
                break
            entries.append(entry)
        return tuple(entries)
