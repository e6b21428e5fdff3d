"""The rules on the running node: elections and replication (Raft paper, Figure 2; thesis 3, 6, 9)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from coterie.consensus.raft.core import transitions
from coterie.consensus.raft.core.model import outbox
from coterie.consensus.raft.core.parts import elections, replication
from coterie.consensus.raft.errors import (
    RaftUnavailableError,
    RaftUnknownOutcomeError,
)
from coterie.consensus.raft.messages import (
    AppendEntries,
    NextNodeIdx,
    Ping,
    Pong,
    RequestVote,
    ResponseVote,
    SnapshotAck,
    SnapshotChunk,
)
from tests.consensus.raft.helpers import SETTINGS, Group, act, recorder

NO_OP = b"\x01"


@pytest.fixture
def group() -> Group:
    group = Group(3, 1)
    group.lead("n0")
    return group


# elections


def test_a_higher_term_in_any_answer_ends_a_leadership(group: Group) -> None:
    for answer in (
        lambda term: Pong(term, 1),
        lambda term: NextNodeIdx(term, success=False, match=0),
        lambda term: ResponseVote(term, granted=False),
        lambda term: SnapshotAck(term, 1, 0, "failed"),
    ):
        leader = group.lead("n0")
        group.feed("n0", "n1", answer(leader.term + 1))
        assert not leader.leading
        assert group.hosts["n0"].platter.term == leader.term  # durable before anything else


def test_a_stale_leader_is_told_the_term(group: Group) -> None:
    node = group.node("n1")
    old = node.term - 1
    for message in (
        AppendEntries(old, 1, 0, 1),
        Ping(old, 5, 1),
        SnapshotChunk(old, 1, 99, old, 0, b"", final=True),
    ):
        [(_, answer)] = group.feed("n1", "n2", message)
        assert answer.term == node.term  # type: ignore[union-attr]
        assert node.leader == "n0"


def test_a_vote_is_durable_before_it_is_sent(group: Group) -> None:
    node = group.node("n1")
    node.state.leader_contact = -1e9

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "injected")

    group.hosts["n1"].journal.store_vote = fails
    sent = group.feed("n1", "n2", RequestVote(node.term + 1, node.last_index, node.state.log.last_term))
    assert sent == []
    assert node.stopped


def test_two_leaders_of_one_term_stop_the_node_that_sees_it(group: Group) -> None:
    leader = group.lead("n0")
    group.feed("n0", "n1", Ping(leader.term, 1, 1))
    assert leader.stopped
    assert "both lead" in str(leader.failure)


def test_a_learner_never_campaigns(group: Group) -> None:
    group.cut_off("n3")
    group.run(5.0)
    node = group.node("n3")
    assert node.state.campaign is None
    assert node.term == group.node("n0").term


def test_a_node_alone_leads_itself() -> None:
    single = Group(1)
    leader = single.lead("n0")
    single.puts("n0", 3)
    assert leader.commit == leader.last_index


def test_no_founder_leads_before_all_have_voted_and_then_a_majority_is_enough() -> None:
    group = Group(5, start=False)
    for name in ("n0", "n1", "n2", "n3"):
        group.hosts[name].start()
    group.reconnect()
    group.run(10.0)
    assert group.leader() is None
    for name in ("n0", "n1", "n2", "n3"):
        node = group.node(name)
        assert node.state.founding
    assert {group.node(name).term for name in ("n0", "n1", "n2", "n3")} == {0}  # a pre-vote took all of them too
    group.hosts["n4"].start()
    leader = group.lead("n0")
    assert not leader.state.founding
    group.hosts["n0"].crash()
    group.hosts["n3"].crash()
    assert group.run_until(lambda: group.leader() is not None, 5.0)


def test_a_vote_that_only_some_founders_gave_elects_nobody() -> None:
    group = Group(3, start=False)
    for name in ("n0", "n1"):
        group.hosts[name].start()
    node = group.node("n0")
    act(node, elections.campaign, pre=False)
    group.feed("n0", "n1", ResponseVote(node.term, granted=True))
    assert not node.leading
    group.feed("n0", "n2", ResponseVote(node.term, granted=True))
    assert node.leading


def test_a_new_term_and_the_vote_in_it_take_one_sync(group: Group) -> None:
    node = group.node("n1")
    node.state.leader_contact = -1e9
    stored: list[tuple[int, str | None]] = []
    journal = group.hosts["n1"].journal
    store = journal.store_vote

    def store_and_tell(term: int, vote: str | None) -> None:
        stored.append((term, vote))
        store(term, vote)

    journal.store_vote = store_and_tell
    term = node.term + 1
    assert group.feed("n1", "n2", RequestVote(term, node.last_index, node.state.log.last_term)) != []
    assert stored == [(term, "n2")]
    platter = group.hosts["n1"].platter
    assert (platter.term, platter.voted_for) == (term, "n2")


def waiting_for_its_vote(group: Group) -> list[tuple[str, Any]]:
    """n1 votes for n2 in a new term while its disk is busy for long; what it sends from here on."""
    node = group.node("n1")
    node.state.leader_contact = -1e9
    group.hosts["n1"].disk.free_at = group.now + 30.0
    sent: list[tuple[str, Any]] = []
    group.hosts["n1"].transport.send = recorder(sent)  # type: ignore[method-assign,assignment]
    node.received("n2", RequestVote(node.term + 1, node.last_index, node.state.log.last_term))
    assert node.state.voted_for == "n2"
    return sent


def test_nothing_leaves_before_the_vote_that_it_rests_on_is_stored_and_the_node_goes_on_meanwhile(
    group: Group,
) -> None:
    node, host = group.node("n1"), group.hosts["n1"]
    group.cut_off("n0", "n3")
    sent = waiting_for_its_vote(group)
    term = node.term
    node.received("n2", Ping(term, 7, 1))
    assert node.leader == "n2"
    answer = group.put("n1", 1, 0.5)
    group.run(1.0)
    assert sent == []
    assert host.platter.term < term
    assert isinstance(answer.error, RaftUnavailableError | RaftUnknownOutcomeError)  # at its deadline
    host.disk.finish_next()
    assert (host.platter.term, host.platter.voted_for) == (term, "n2")
    kinds = [type(message) for member, message in sent if member == "n2"]
    assert kinds.index(ResponseVote) < kinds.index(Pong)


def test_what_waits_for_a_vote_is_lost_with_the_link(group: Group) -> None:
    sent = waiting_for_its_vote(group)
    group.cut_off("n1")
    group.network.cut("n1", "n2")
    group.hosts["n1"].disk.finish_next()
    assert [message for member, message in sent if member == "n2"] == []


def test_where_a_vote_hangs_the_node_does_not_campaign_and_at_last_closes_its_links(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = group.node("n1")
    sent = waiting_for_its_vote(group)
    group.run(SETTINGS.disk_patience + 0.1)
    assert node.state.disk_hangs()
    term, node.state.campaign, node.state.election_deadline = node.term, None, -1.0
    node.tick()
    assert node.state.campaign is None
    dropped: list[str] = []
    group.hosts["n1"].transport.drop = dropped.append  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(outbox, "MAX_HELD", 3)
    node.received("n2", Ping(term + 1, 8, 1))
    node.received("n2", Ping(term + 1, 9, 1))
    group.run(1.0)
    assert "n2" in dropped
    assert sent == []


# replication


def test_a_follower_repairs_a_diverged_tail(group: Group) -> None:
    group.cut_off("n0")
    lost = [group.put("n0", number) for number in range(1, 4)]
    assert group.run_until(lambda: any(group.node(name).leading for name in ("n1", "n2")), 5.0)
    winner = next(name for name in ("n1", "n2") if group.node(name).leading)
    group.puts(winner, 3)
    group.heal()
    assert group.run_until(group.settled, 5.0)
    assert group.node("n0").state.log.journal[-1] == group.node(winner).state.log.journal[-1]
    for answer in lost:
        assert isinstance(answer.error, RaftUnavailableError | RaftUnknownOutcomeError)
    assert set(group.hosts["n0"].machine.ids) & {1, 2, 3} == set()


def test_entries_of_a_former_term_wait_for_one_of_the_own(group: Group) -> None:
    leader = group.lead("n0")
    entry = (NO_OP, leader.last_index + 1, leader.term)
    group.invariants.check = lambda host: None  # type: ignore[method-assign]
    node = group.node("n1")
    group.feed(
        "n1",
        "n0",
        AppendEntries(leader.term, leader.last_index, leader.state.log.last_term, leader.commit, (entry,)),
    )
    act(node, transitions.store_term, node.term + 1, "n1")
    act(node, transitions.become_leader)
    node.state.log.durability.durable = node.last_index
    before = node.commit
    group.feed("n1", "n2", NextNodeIdx(node.term, success=True, match=entry[1]))
    act(node, replication.advance_commit)
    assert node.commit == before  # on two of three, but of a former term
    group.feed("n1", "n2", NextNodeIdx(node.term, success=True, match=node.last_index))
    act(node, replication.advance_commit)
    assert node.commit == node.last_index


def test_appends_in_flight_are_bounded(group: Group) -> None:
    leader = group.lead("n0")
    group.network.block("n1", "n0")
    for number in range(100):
        group.put("n0", number, 5.0)
        leader.tick()
    assert len(leader.state.progress["n1"].in_flight) <= SETTINGS.max_appends_in_flight


def test_an_acknowledgement_of_what_was_never_sent_is_a_breach(group: Group) -> None:
    leader = group.lead("n0")
    dropped: list[Any] = []
    group.hosts["n0"].transport.drop = dropped.append  # type: ignore[method-assign,assignment]
    group.feed("n0", "n1", NextNodeIdx(leader.term, success=True, match=leader.last_index + 1))
    assert len(dropped) == 1
    assert leader.leading


def test_a_full_disk_keeps_following_and_catches_up(group: Group) -> None:
    group.hosts["n1"].platter.full = True
    group.puts("n0", 10)
    assert group.node("n1").last_index < group.node("n0").last_index
    assert group.node("n1").leader == "n0"
    group.hosts["n1"].platter.full = False
    assert group.run_until(group.settled, 5.0)


def test_all_proposals_of_a_turn_are_one_entry_and_one_sync(group: Group) -> None:
    leader = group.lead("n0")
    before = leader.last_index
    answers = [group.put("n0", number) for number in range(50)]
    leader.tick()
    assert leader.last_index == before + 1
    assert group.run_until(lambda: not any(answer.open for answer in answers), 2.0)
    assert [answer.result for answer in answers] == list(range(1, 51))


def test_a_leader_whose_disk_hangs_gives_up_its_place_and_does_not_campaign_until_it_is_back(group: Group) -> None:
    hung = group.lead("n0")
    group.hosts["n0"].disk.free_at = group.now + 30.0
    waiting = group.put("n0", 1)
    assert group.run_until(lambda: not waiting.open, 5.0)
    assert waiting.error is None  # the others' disks are a majority
    assert group.run_until(lambda: not hung.leading, SETTINGS.disk_patience + 1.0)
    other = group.lead("n1")
    assert group.node("n0").term == other.term
    group.puts("n1", 2)
    hung.state.election_deadline = -1.0
    hung.tick()
    assert hung.state.campaign is None
    group.run(30.0)
    assert not hung.state.disk_hangs()
    assert group.run_until(group.settled, 5.0)


def test_a_node_alone_leads_on_whatever_its_disk_does() -> None:
    group = Group(1)
    alone = group.lead("n0")
    group.hosts["n0"].disk.free_at = group.now + 10.0
    answer = group.put("n0", 1, 30.0)
    group.run(5.0)
    assert alone.leading
    assert answer.open
    assert group.run_until(lambda: not answer.open, 10.0)
    assert answer.error is None


def test_a_vote_does_not_outlive_its_term_where_only_the_log_shows_a_later_one(group: Group) -> None:
    platter = group.hosts["n1"].platter
    term = group.node("n1").term
    group.hosts["n1"].crash()
    platter.term, platter.voted_for = term - 1, "n2"
    group.hosts["n1"].start()
    state = group.node("n1").state
    assert [(state.term, state.voted_for), (platter.term, platter.voted_for)] == [(term, None)] * 2


def test_upkeep_waits_for_the_disk_in_its_thread_and_a_failure_of_it_stops_the_node(group: Group) -> None:
    node, host = group.node("n1"), group.hosts["n1"]
    places: list[bool] = []

    def job() -> None:
        places.append(host.snapshots.in_job)
        if len(places) > 1:
            raise OSError(errno.EIO, "injected")

    host.journal.begin_upkeep = lambda: job
    node.upkeep()
    assert places == []
    group.run(0.1)
    assert places == [True]
    node.upkeep()
    group.run(0.1)
    assert isinstance(node.failure, OSError)
