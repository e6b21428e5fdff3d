"""Elections: pre-vote, stickiness, votes per member, check-quorum (paper 5.2, 5.4; thesis 4.2.3, 6.2, 9.6; faults 7,
11)."""

from __future__ import annotations

from math import inf

from coterie.consensus.raft import rules
from coterie.consensus.raft.configuration import encode_voters
from coterie.consensus.raft.core import Member
from coterie.consensus.raft.engine import CANDIDATE, FOLLOWER, LEADER, NO_OP
from coterie.consensus.raft.errors import SafetyError
from coterie.consensus.raft.logkeeping import LogKeeping
from coterie.consensus.raft.messages import RequestVote, ResponseVote, TimeoutNow


class Campaign:
    """Votes of one campaign, by member."""

    __slots__ = ("granted", "pre", "term")

    def __init__(self, term: int, own: str, *, pre: bool) -> None:
        self.term = term
        self.pre = pre
        self.granted = {own}


class Elections(LogKeeping):
    def _prepare_elections(self) -> None:
        self.campaign: Campaign | None = None
        self.leader_contact = -inf
        """When the current leader was last heard."""
        self._last_campaign: Campaign | None = None
        self._last_leader: Member | None = None

    @property
    def founding(self) -> bool:
        """Has this node not heard yet that the cluster was founded? Until then an election takes every voter.

        Whoever has a leader's entry knows that all founders voted for one.
        """
        return self.configurations.founding and self.last_index == 1

    @property
    def missing_votes(self) -> tuple[str, ...]:
        """The voters that have not granted this node's latest campaign; () where there is a leader."""
        if self.leader is not None or not self.votes:
            return ()
        granted = {self.own} if self._last_campaign is None else self._last_campaign.granted
        return tuple(voter for voter in self.voters if voter not in granted)

    # roles

    def _election_timeout(self) -> float:
        low, high = self.settings.election_min, self.settings.election_max
        return low + (high - low) * self.clock.random()

    def _postpone_election(self) -> None:
        self.election_deadline = self.clock.monotonic() + self._election_timeout()

    def _store_term(self, term: int, voted_for: str | None) -> None:
        """Term and vote, durable when this returns."""
        if term < self.term:
            raise AssertionError("the term never goes back")
        self.term = term
        self.voted_for = voted_for
        self.log.setCurrentTerm(term, voted_for)

    def _become_follower(self, term: int, leader: Member | None, vote: str | None = None) -> None:
        """Follow, from a later term on where `term` is one; `vote` is then stored with it."""
        if term > self.term:
            self._store_term(term, vote)
            self._term_changed()
        self.campaign = None
        was_leading = self.leading
        self.role = FOLLOWER
        self.leader = leader
        if was_leading:
            self._postpone_election()
            self._lost_leadership()

    def _term_changed(self) -> None:
        """The term has grown. Each layer adds its own."""
        self.campaign = None

    def _see_term(self, term: int) -> None:
        """Whoever sees a higher term follows it (Figure 2, all servers)."""
        if term > self.term:
            self._become_follower(term, None)

    def _hear_leader(self, leader: Member) -> None:
        """A message of the current term's leader came in."""
        if self.leading:
            raise SafetyError(f"{leader} and {self.own} both lead term {self.term}")
        self._become_follower(self.term, leader)
        self._count_leader(leader)
        self.leader_contact = self.clock.monotonic()
        self._postpone_election()

    def _count_leader(self, leader: Member) -> None:
        if leader is not self._last_leader:
            self._last_leader = leader
            self.figures.leader_changes += 1

    # campaigns

    def _campaign_if_due(self) -> None:
        if self.role == LEADER or self.clock.monotonic() <= self.election_deadline:
            return
        self._postpone_election()
        if not self.disk_hangs() and self._SyncObj__connectedToAnyone():
            self._campaign(pre=True)

    def _campaign(self, *, pre: bool, transfer: bool = False) -> None:
        """Ask for votes. A pre-vote changes nothing but the knowledge that the leader is gone."""
        self.leader = None
        self.leader_contact = -inf
        if pre:
            self.figures.pre_campaigns += 1
            self.role = FOLLOWER
        else:
            self.figures.campaigns += 1
            self._store_term(self.term + 1, self.own)
            self._term_changed()
            self.role = CANDIDATE
        term = self.term + 1 if pre else self.term
        self.campaign = self._last_campaign = Campaign(term, self.own, pre=pre)
        request = RequestVote(term, self.last_index, self.last_term, pre, transfer)
        for member in sorted(self.others, key=str):
            self._send(member, request)
        self._count_votes()

    def _count_votes(self) -> None:
        campaign = self.campaign
        if campaign is None or not self.may_campaign:
            return
        if not rules.is_elected(self.voters, campaign.granted, founding=self.founding):
            return
        if campaign.pre:
            self._campaign(pre=False)
        else:
            self._become_leader()

    def _become_leader(self) -> None:
        self.campaign = None
        self.role = LEADER
        self.leader = self.me
        self._count_leader(self.me)
        now = self.clock.monotonic()
        self.match.clear()
        self.next.clear()
        self.heard.clear()
        self.flows.clear()
        for member in sorted(self.others | self.connected, key=str):
            self._track(member, now)
        self.noop_index = self.last_index + 1
        self._append((NO_OP, self.noop_index, self.term))
        if self.configurations.founding:
            # A member that joins later knows the configuration from the log alone.
            self._append((encode_voters(self.voters), self.last_index + 1, self.term))
        self.ping_due = now

    # messages

    def _on_request_vote(self, candidate: Member, request: RequestVote) -> None:
        sticky = self.clock.monotonic() - self.leader_contact < self.settings.election_min
        ballot = rules.Ballot(
            self.term, self.voted_for, self.last_index, self.last_term, has_leader=self.leading or sticky
        )
        answer = rules.answer_vote(ballot, request, candidate.id)
        vote = candidate.id if answer.record else None
        if answer.term > self.term:
            self._become_follower(answer.term, None, vote)  # one sync for both
        elif vote is not None:
            self._store_term(self.term, vote)
        if answer.granted is None:
            return
        if answer.granted and not request.pre:
            self.campaign = None
            self._postpone_election()
        term = request.term if answer.granted else self.term
        self._send(candidate, ResponseVote(term, answer.granted, request.pre))

    def _on_response_vote(self, voter: Member, response: ResponseVote) -> None:
        if not response.granted:
            self._see_term(response.term)
            return
        campaign = self.campaign
        if campaign is None or campaign.term != response.term or campaign.pre != response.pre:
            return
        campaign.granted.add(voter.id)
        self._count_votes()

    def _on_timeout_now(self, sender: Member, message: TimeoutNow) -> None:
        """The leader hands over: campaign at once, without asking first (thesis 3.10), also where this node has just
        begun to ask whether the leader is gone."""
        from_leader = message.term == self.term and sender == (self.leader or sender)
        if from_leader and self.may_campaign and not self.leading:
            self._postpone_election()
            self._campaign(pre=False, transfer=True)

    def _check_quorum(self) -> None:
        """A leader that no majority has answered lately gives up (thesis 6.2); any answer counts (fault 25)."""
        deadline = self.clock.monotonic() - self.settings.leader_fallback
        heard = {member.id for member, at in self.heard.items() if at > deadline}
        heard.add(self.own)
        if not rules.is_quorum(self.voters, heard):
            self._become_follower(self.term, None)

    def _check_disk(self) -> None:
        """A leader whose disk hangs gives up: it could keep its place by its pings alone, and acknowledge for ever by
        the others' disks, with a log of its own that grows in memory and is one disk short of safe."""
        if self.disk_hangs() and self.others:
            self._become_follower(self.term, None)
