"""The rules on the running node: reads, transfer, membership, proposals (Raft thesis 3.10, 4, 6.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.core.parts import elections, proposals
from coterie.consensus.raft.errors import (
    NotLeaderError,
    RaftRefusedError,
    RaftUnavailableError,
    RaftUnknownOutcomeError,
    StoppedError,
)
from coterie.consensus.raft.messages import (
    AppendEntries,
    Forward,
    ForwardReply,
    Ping,
    Pong,
    RequestVote,
    ResponseVote,
    TimeoutNow,
)
from tests.consensus.raft.helpers import SETTINGS, Answer, Group, act, recorder
from tests.verify.raft_sim.workload.machine import encode_op

NO_OP = b"\x01"


@pytest.fixture
def group() -> Group:
    group = Group(3, 1)
    group.lead("n0")
    return group


# reads


def test_a_read_at_a_deposed_leader_is_not_served_from_its_past(group: Group) -> None:
    group.lead("n0")
    group.hosts["n0"].clock.set_rate(0.0)  # its clock stands still: check-quorum never strikes
    group.cut_off("n0")
    assert group.run_until(lambda: any(group.node(name).leading for name in ("n1", "n2")), 5.0)
    winner = next(name for name in ("n1", "n2") if group.node(name).leading)
    group.puts(winner, 1)
    assert group.node("n0").leading
    read = Answer()
    group.node("n0").read(read, 1.0)
    group.run(1.0)
    assert read.open
    group.heal()
    group.hosts["n0"].clock.set_rate(1.0)
    assert group.run_until(lambda: not read.open, 3.0)
    if read.error is None:
        assert group.hosts["n0"].machine.revision == 1


def test_waiting_reads_share_a_round(group: Group) -> None:
    leader = group.lead("n0")
    reads = [Answer() for _ in range(100)]
    before = leader.state.round
    for read in reads:
        leader.read(read, 1.0)
    leader.tick()
    assert leader.state.round == before + 1
    assert group.run_until(lambda: not any(read.open for read in reads), 1.0)
    assert all(read.error is None for read in reads)


def test_a_round_counts_only_answers_sent_after_the_read_arrived(group: Group) -> None:
    leader = group.lead("n0")
    group.cut_off("n0")
    old = leader.state.round
    read = Answer()
    leader.read(read, 5.0)
    leader.tick()
    for name in ("n1", "n2"):
        group.feed("n0", name, Pong(leader.term, old))
    assert read.open
    group.feed("n0", "n3", Pong(leader.term, leader.state.round))  # no voter
    assert read.open
    group.feed("n0", "n1", Pong(leader.term, leader.state.round))
    assert read.error is None


def test_a_new_leader_serves_no_read_before_its_no_op_is_applied(group: Group) -> None:
    for host in group.hosts.values():
        host.disk_latency = 0.4  # rounds are quicker than commits
    group.node("n0").transfer(Answer(), "n1")
    assert group.run_until(lambda: group.node("n1").leading, 3.0)
    leader = group.node("n1")
    read = Answer()
    leader.read(read, 5.0)
    while read.open:
        assert group.now < 60
        assert leader.state.noop_index is not None
        at_noop = leader.applied >= leader.state.noop_index
        group.run(0.005)
    assert read.error is None
    assert leader.state.noop_index is not None
    assert read.result >= leader.state.noop_index
    assert at_noop or leader.applied >= leader.state.noop_index


@pytest.mark.parametrize("name", ["n1", "n3"])
def test_any_node_serves_reads_and_writes_by_forwarding(group: Group, name: str) -> None:
    group.puts("n0", 3)
    write, read = group.put(name, 77), Answer()
    assert group.run_until(lambda: not write.open, 2.0)
    assert write.error is None
    assert write.result == 4
    group.node(name).read(read, 2.0)
    assert group.run_until(lambda: not read.open, 2.0)
    assert read.error is None
    assert group.hosts[name].machine.revision == 4


def test_a_forwarded_call_at_a_node_that_does_not_lead_is_refused_for_certain(group: Group) -> None:
    for kind in ("propose", "read"):
        [(_, answer)] = group.feed("n1", "n2", Forward(5, kind, encode_op((1, "k", 1)), 1.0))
        assert answer.outcome == "unavailable"  # type: ignore[union-attr]


# transfer


def test_a_transfer_holds_proposals_and_loses_none(group: Group) -> None:
    leader = group.lead("n0")
    done = Answer()
    leader.transfer(done, "n1")
    writes = [group.put("n0", number) for number in range(5)]
    before = leader.last_index
    leader.tick()
    assert leader.last_index == before
    assert group.run_until(lambda: not done.open and not any(write.open for write in writes), 5.0)
    assert (done.error, done.result) == (None, "n1")
    assert group.node("n1").leading
    assert all(write.error is None for write in writes)


def test_a_leader_resumes_when_the_target_does_not_take_over(group: Group) -> None:
    leader = group.lead("n0")
    group.network.block("n0", "n1")
    group.network.block("n1", "n0")
    done = Answer()
    leader.transfer(done, "n1")
    write = group.put("n0", 1, 5.0)
    assert group.run_until(lambda: not write.open, 3.0)
    assert isinstance(done.error, RaftUnknownOutcomeError)  # it was asked
    assert leader.leading
    assert write.error is None


def test_a_target_that_lacks_entries_is_not_asked(group: Group) -> None:
    leader = group.lead("n0")
    group.network.block("n1", "n0")
    group.puts("n0", 1)
    done = Answer()
    leader.transfer(done, "n1")
    assert group.run_until(lambda: not done.open, 3.0)
    assert isinstance(done.error, RaftUnavailableError)
    assert done.error.reason == "target_behind"
    assert leader.leading


def test_a_target_without_a_link_is_unavailable_at_once(group: Group) -> None:
    leader = group.lead("n0")
    leader.link_down("n1")
    done = Answer()
    leader.transfer(done, "n1")
    assert isinstance(done.error, RaftUnavailableError)
    assert done.error.reason == "target_unreachable"
    assert leader.state.transfer is None


def gives_way(group: Group) -> Answer:
    """n0 is to hand over to n1, whose campaign it sees, and nobody else does; for the time being nobody leads."""
    leader = group.lead("n0")
    group.network.block("n1", "n2")
    group.network.block("n0", "n1")
    done = Answer()
    leader.transfer(done, "n1")
    leader.tick()
    group.feed(
        "n0",
        "n1",
        RequestVote(leader.term + 1, leader.last_index, leader.state.log.last_term, pre=False, transfer=True),
    )
    assert not leader.leading
    assert done.open  # that n1 campaigns does not say that it is elected
    return done


def test_a_transfer_is_done_when_the_target_leads_and_not_before(group: Group) -> None:
    done = gives_way(group)
    group.heal()
    node = group.node("n0")
    group.feed("n0", "n1", Ping(node.term, 1, node.commit))
    assert (done.error, done.result) == (None, "n1")


@pytest.mark.parametrize("elected", ["n2", "n0"])
def test_a_transfer_is_not_done_where_another_is_elected(group: Group, elected: str) -> None:
    done = gives_way(group)
    node = group.node("n0")
    if elected == "n2":
        group.feed("n0", elected, Ping(node.term + 1, 1, node.commit))
    else:
        act(node, elections.campaign, pre=False)
        group.feed("n0", "n2", ResponseVote(node.term, granted=True))
    assert isinstance(done.error, RaftUnavailableError)
    assert done.error.reason == "other_leader"
    assert node.state.transfer is None


def test_a_transfer_ends_as_unknown_where_nobody_is_heard_of(group: Group) -> None:
    done = gives_way(group)
    group.cut_off("n0")
    began = group.now
    assert group.run_until(lambda: not done.open, 5.0)
    assert isinstance(done.error, RaftUnknownOutcomeError)
    assert group.now - began <= SETTINGS.election_max + 0.1
    assert group.node("n0").state.transfer is None


def test_a_target_that_asks_whether_the_leader_is_gone_takes_over(group: Group) -> None:
    node = group.node("n1")
    act(node, elections.campaign, pre=True)
    assert node.leader is None
    sent = group.feed("n1", "n0", TimeoutNow(node.term))
    assert {message.transfer for _, message in sent if isinstance(message, RequestVote) and not message.pre} == {True}


def test_only_voters_are_handed_leadership(group: Group) -> None:
    for target, reason in (("n3", "bad_target"), ("n0", "bad_target"), ("nobody", "bad_target")):
        answer = Answer()
        group.node("n0").transfer(answer, target)
        assert isinstance(answer.error, RaftRefusedError)
        assert answer.error.reason == reason
    follower = Answer()
    group.node("n1").transfer(follower, "n2")
    assert isinstance(follower.error, RaftRefusedError)
    assert follower.error.reason == "not_leader"


def test_timeout_now_is_taken_from_the_leader_of_the_term_only(group: Group) -> None:
    node = group.node("n1")
    for sender, term in (("n2", node.term), ("n0", node.term - 1), ("n0", node.term + 1)):
        assert group.feed("n1", sender, TimeoutNow(term)) == []
        assert node.state.campaign is None
    sent = group.feed("n1", "n0", TimeoutNow(node.term))
    assert {message.transfer for _, message in sent if isinstance(message, RequestVote)} == {True}


# membership


def test_a_voter_joins_and_one_leaves(group: Group) -> None:
    joined = group.change("n0", "n3", add=True)
    assert group.run_until(lambda: not joined.open, 3.0)
    assert joined.result == ("n0", "n1", "n2", "n3")
    left = group.change("n0", "n1", add=False)
    assert group.run_until(lambda: not left.open, 3.0)
    assert left.result == ("n0", "n2", "n3")
    group.run(2.0)
    assert {group.node(name).voters for name in group.hosts} == {("n0", "n2", "n3")}


def test_a_configuration_counts_when_appended_and_not_when_truncated(group: Group) -> None:
    node, leader = group.node("n1"), group.lead("n0")
    at = node.last_index
    group.invariants.check = lambda host: None  # type: ignore[method-assign]
    entry = (encode_voters(["n0", "n1", "n2", "n3"]), at + 1, leader.term)
    group.feed("n1", "n0", AppendEntries(leader.term, at, node.state.log.last_term, node.commit, (entry,)))
    assert "n3" in node.voters
    other = (NO_OP, at + 1, leader.term + 1)
    group.feed("n1", "n2", AppendEntries(leader.term + 1, at, leader.term, node.commit, (other,)))
    assert node.voters == ("n0", "n1", "n2")
    assert node.state.others == ["n0", "n2"]


def test_a_leader_whose_removal_commits_steps_down_and_does_not_come_back(group: Group) -> None:
    leader = group.lead("n0")
    removed = group.change("n0", "n0", add=False)
    assert group.run_until(lambda: not removed.open, 3.0)
    assert removed.error is None
    group.run(5.0)
    assert not leader.leading
    assert any(group.node(name).leading for name in ("n1", "n2"))
    assert leader.state.campaign is None


def test_a_voter_whose_removal_it_alone_has_is_needed_until_that_is_committed() -> None:
    # Thesis 4.2.2: the longer log is with the one that is to go, and no other can be elected without its vote.
    group = Group(voters=2)
    leader = group.lead("n0")
    group.cut_off("n0")
    group.change("n0", "n0", add=False)
    assert group.run_until(lambda: leader.voters == ("n1",), 1.0)
    group.run(2.0)
    group.heal()
    assert group.run_until(lambda: group.node("n1").leading and group.node("n1").voters == ("n1",), 10.0)
    assert not leader.leading
    group.puts("n1", 1)


def test_a_removal_that_would_strand_those_that_are_left_is_refused(group: Group) -> None:
    leader = group.lead("n0")
    group.hosts["n2"].crash()
    group.run(SETTINGS.leader_fallback + 0.1)
    stranding = group.change("n0", "n1", add=False)
    assert group.run_until(lambda: not stranding.open, 2.0)
    assert isinstance(stranding.error, RaftRefusedError)
    assert stranding.error.reason == "would_strand"
    assert leader.voters == ("n0", "n1", "n2")
    group.puts("n0", 1)  # it leads on
    removed = group.change("n0", "n2", add=False)
    assert group.run_until(lambda: not removed.open, 2.0)
    assert removed.result == ("n0", "n1")


def test_a_change_waits_for_the_own_no_op(group: Group) -> None:
    leader = group.lead("n0")
    leader.state.commit, commit = 1, leader.commit
    refused = Answer()
    leader.change_voters("n3", refused, 1.0, add=True)
    proposals.take_queue(leader.state)
    leader.state.commit = commit
    leader.tick()
    assert isinstance(refused.error, RaftRefusedError)
    assert refused.error.reason == "leader_too_new"


# proposals


def test_too_large_and_too_many_are_refused_for_certain() -> None:
    settings = replace(SETTINGS, max_op_bytes=100, max_batch_bytes=200, max_pending=3, max_waiting_reads=2)
    group = Group(3, settings=settings)
    group.lead("n0")
    large = Answer()
    group.node("n0").propose(bytes(101), large, 1.0)
    group.run(0.02)
    assert isinstance(large.error, RaftRefusedError)
    assert large.error.reason == "too_large"
    group.cut_off("n1")
    writes = [group.put("n1", number) for number in range(5)]
    reads = [Answer() for _ in range(4)]
    for read in reads:
        group.node("n1").read(read, 1.0)
    group.run(0.02)
    assert [answer.error.reason for answer in (*writes, *reads) if not answer.open and answer.error] == ["busy"] * 4  # type: ignore[attr-defined]


def test_what_waits_takes_no_more_bytes_than_it_may_together() -> None:
    settings = replace(SETTINGS, max_op_bytes=100, max_batch_bytes=200, max_pending_bytes=250)
    group = Group(3, settings=settings)
    group.lead("n0")
    group.cut_off("n1")
    answers = [Answer() for _ in range(4)]
    for answer in answers:
        group.node("n1").propose(bytes(100), answer, 0.1)
    group.run(0.02)
    assert [answer.open for answer in answers] == [True, True, False, False]
    assert [str(answer.error).partition(":")[0] for answer in answers[2:]] == ["busy", "busy"]
    group.run(0.2)  # the first two end at their deadline, and make room
    later = Answer()
    group.node("n1").propose(bytes(100), later, 1.0)
    group.run(0.02)
    assert later.open


def test_without_a_leader_a_call_ends_unavailable_and_never_happens(group: Group) -> None:
    for name in ("n0", "n1", "n2"):
        group.hosts[name].crash()
    write, read = group.put("n3", 5, 0.5), Answer()
    group.node("n3").read(read, 0.5)
    group.run(1.0)
    assert isinstance(write.error, RaftUnavailableError)
    assert isinstance(read.error, RaftUnavailableError)
    group.start_all()
    assert group.run_until(group.settled, 10.0)
    assert 5 not in group.hosts["n3"].machine.ids


def test_entries_past_a_new_leaders_log_are_known_to_be_lost_at_once(group: Group) -> None:
    group.lead("n0")
    group.cut_off("n0")
    answers = []
    for number in range(1, 4):  # an entry each, of which the next leader's no-op takes the place of the first alone
        answers.append(group.put("n0", number, 60.0))
        group.run(0.05)
    assert group.run_until(lambda: any(group.node(name).leading for name in ("n1", "n2")), 10.0)
    group.heal()
    assert group.run_until(lambda: not any(answer.open for answer in answers), 5.0)
    for answer in answers:
        assert isinstance(answer.error, RaftUnavailableError)


def test_a_stopped_node_ends_its_calls_and_takes_no_more(group: Group) -> None:
    leader = group.lead("n0")
    group.cut_off("n0")
    write, read = group.put("n0", 1), Answer()
    leader.read(read, 5.0)
    leader.tick()
    queued = group.put("n0", 2)
    leader.stop()
    assert isinstance(write.error, RaftUnknownOutcomeError)
    assert isinstance(queued.error, StoppedError)
    assert isinstance(read.error, StoppedError)
    with pytest.raises(StoppedError):
        leader.propose(b"", Answer(), 1.0)
    assert group.feed("n0", "n1", Ping(leader.term, 1, 1)) == []


def test_an_entry_just_below_65536_bytes_does_not_stop_the_group() -> None:
    """Stock PySyncObj cuts such an entry into `transmission` messages that never end (specification, 2b)."""
    group = Group(3, settings=replace(SETTINGS, max_append_bytes=1 << 20))
    group.lead("n0")
    answers: list[Answer] = []
    for size in (65_490, 65_501, 65_536, 131_040):
        answers.append(Answer())
        group.node("n0").propose(encode_op((size, "k" * size, 1)), answers[-1], 2.0)
        assert group.run_until(lambda: not answers[-1].open, 3.0)
        assert answers[-1].error is None


def test_a_snapshot_that_cannot_be_written_is_tried_again(group: Group) -> None:
    group.puts("n0", 5)
    leader = group.lead("n0")
    group.hosts["n0"].snapshots.failure_rate = 1.0
    leader.compact()
    group.run(0.3)
    assert leader.snapshot_index == 0
    assert leader.leading
    group.hosts["n0"].snapshots.failure_rate = 0.0
    leader.compact()
    assert group.run_until(lambda: leader.snapshot_index > 0, 5.0)
    assert not isinstance(leader.failure, NotLeaderError)


@pytest.mark.parametrize(("restarted", "answers"), [(False, 1), (True, 0)])
def test_an_answer_goes_back_over_the_link_that_the_call_came_by(
    group: Group, *, restarted: bool, answers: int
) -> None:
    leader = group.lead("n0")
    group.feed("n0", "n1", Forward(1, "propose", encode_op((5, "k", 5)), 2.0))
    if restarted:  # a new process of n1 numbers its calls anew
        leader.link_down("n1")
        leader.link_up("n1")
    sent: list[Any] = []
    group.hosts["n0"].transport.send = recorder(sent)  # type: ignore[method-assign,assignment]
    leader.tick()
    del group.hosts["n0"].transport.send
    assert len([message for _, message in sent if isinstance(message, ForwardReply)]) == answers
