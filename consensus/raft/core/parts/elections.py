"""Elections: asks for pre-votes and votes, counts them, checks the quorum (paper 5.2; thesis 4.2.3, 6.2, 9.6).

Whether a vote or a pre-vote is granted is decided in `core/rules.py` (paper 5.4; faults 7, 11).
"""

from __future__ import annotations

from coterie.consensus.raft.core import rules
from coterie.consensus.raft.core import transitions as become
from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.messages import RequestVote, ResponseVote, TimeoutNow


def campaign_if_due(s: RaftState) -> None:
    """Only a node that may be a voter campaigns, and one whose disk is well."""
    if s.leading or s.now <= s.election_deadline:
        return
    become.postpone_election(s)
    alone = not s.others
    if not s.disk_hangs() and s.may_campaign and (s.links or alone):
        campaign(s, pre=True)


def campaign(s: RaftState, *, pre: bool, transfer: bool = False) -> None:
    """Ask for votes; with `pre`, whether they would be given."""
    if pre:
        become.become_pre_candidate(s)
    else:
        become.become_candidate(s)
    term = s.term + 1 if pre else s.term
    request = RequestVote(term, s.log.last_index, s.log.last_term, pre, transfer)
    for member in s.others:
        s.ready.send(member, request)
    count_votes(s)


def count_votes(s: RaftState) -> None:
    if s.campaign is None or not s.may_campaign:
        return
    if not rules.is_elected(s.voters, s.campaign.granted - s.went_back.keys(), founding=s.founding):
        return
    if s.campaign.pre:
        campaign(s, pre=False)
    else:
        become.become_leader(s)


def on_request_vote(s: RaftState, candidate: str, request: RequestVote) -> None:
    sticky = s.now - s.leader_contact < s.settings.election_min
    voter = rules.Voter(s.term, s.voted_for, s.log.last_index, s.log.last_term, has_leader=s.leading or sticky)
    answer = rules.answer_vote(voter, request, candidate)
    if candidate in s.went_back:
        return
    vote = candidate if answer.record else None
    if answer.term > s.term:
        become.become_follower(s, answer.term, None, vote)  # one sync for both
    elif vote is not None:
        become.store_term(s, s.term, vote)
    if answer.granted is None:
        return
    if answer.granted and not request.pre:
        s.campaign = None
        become.postpone_election(s)
    term = request.term if answer.granted else s.term
    s.ready.send(candidate, ResponseVote(term, answer.granted, request.pre))


def on_response_vote(s: RaftState, voter: str, response: ResponseVote) -> None:
    if not response.granted:
        become.see_term(s, response.term)
        return
    if s.campaign is None or s.campaign.term != response.term or s.campaign.pre != response.pre:
        return
    s.campaign.granted.add(voter)
    count_votes(s)


def on_timeout_now(s: RaftState, sender: str, message: TimeoutNow) -> None:
    """The leader hands over: campaign at once, without asking first (thesis 3.10), also where this node has just begun
    to ask whether the leader is gone."""
    from_leader = message.term == s.term and sender == (s.leader or sender)
    if from_leader and s.may_campaign and not s.leading:
        become.postpone_election(s)
        campaign(s, pre=False, transfer=True)


def check_quorum(s: RaftState) -> None:
    """A leader that no majority has answered lately gives up (thesis 6.2)."""
    if not rules.is_quorum(s.voters, answering(s)):
        become.step_down(s)


def answering(s: RaftState) -> set[str]:
    """Members that have answered this leader lately, itself included; any answer counts (fault 25)."""
    deadline = s.now - s.settings.leader_fallback
    heard = {member for member, progress in s.progress.items() if progress.last_contact > deadline}
    return heard - s.went_back.keys() | {s.own}


def check_disk(s: RaftState) -> None:
    """A leader whose disk hangs gives up: it could keep its place by its pings alone, and acknowledge for ever by the
    others' disks, with a log of its own that grows in memory and is one disk short of safe."""
    if s.disk_hangs() and s.others:
        become.step_down(s)


def check_removed(s: RaftState) -> bool:
    """Is the removal of this leader committed, so that it leads no longer (thesis 4.2.2)?"""
    return s.leading and not s.votes and not s.change_pending
