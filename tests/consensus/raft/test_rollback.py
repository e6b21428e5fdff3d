"""A member whose directory went back in time: found out, told so, and counted for nothing."""

from __future__ import annotations

import pytest

from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.core.parts import elections, rollback
from coterie.consensus.raft.errors import WentBackError
from coterie.consensus.raft.messages import Pong, RequestVote, ResponseVote, WentBack
from coterie.consensus.raft.ports import Greeting
from tests.consensus.raft.helpers import Answer, Group, act


@pytest.fixture
def group() -> Group:
    return Group(3)


def gone_back(group: Group, *, says: bool = True) -> Group:
    """n0 leads, n2 is down, and n1 comes back without five entries that were acknowledged by it."""
    group.lead("n0")
    group.hosts["n2"].crash()
    group.puts("n0", 3)
    copy = group.hosts["n1"].platter.copy()
    group.puts("n0", 5, start=2000)
    group.hosts["n1"].put_back(copy, says=says)
    return group


@pytest.mark.parametrize("says", [True, False])
def test_it_is_found_out_and_stops_whether_its_greeting_or_its_refusal_shows_it(group: Group, *, says: bool) -> None:
    gone_back(group, says=says)
    leader = group.node("n0")
    match = leader.state.progress["n1"].match if leader.leading else 0
    stopped = group.node("n1")
    assert group.run_until(lambda: group.hosts["n1"].retired, 3.0)
    assert isinstance(stopped.failure, WentBackError)
    assert "set the directory aside" in str(stopped.failure)
    assert f"entry {match}" in leader.state.went_back["n1"]


def test_a_group_of_three_with_one_down_stands_still_instead_of_losing_what_was_acknowledged(group: Group) -> None:
    gone_back(group)
    answer = group.put("n0", 9999, 1.0)
    assert group.run_until(lambda: not answer.open, 3.0)
    assert answer.error is not None
    assert not group.node("n0").leading  # no majority that counts answers
    group.hosts["n2"].start()
    assert group.run_until(lambda: group.leader() is group.hosts["n0"], 10.0)
    group.puts("n0", 3, start=3000)


def test_its_acknowledgements_answers_and_votes_count_for_nothing(group: Group) -> None:
    leader = group.lead("n0")
    state: RaftState = leader.state
    group.cut_off("n0")
    act(leader, rollback.condemn, "n1", "the proof")
    group.put("n0", 7)
    leader.tick()
    committed = leader.commit
    state.progress["n1"].acknowledged(leader.last_index, state.now)
    leader.tick()
    assert leader.commit == committed
    read = Answer()
    leader.read(read, 1.0)
    leader.tick()
    group.feed("n0", "n1", Pong(leader.term, state.round))
    assert read.open
    group.run(1.0)
    assert not leader.leading
    act(leader, elections.campaign, pre=True)
    group.feed("n0", "n1", ResponseVote(leader.term + 1, granted=True, pre=True))
    assert not leader.leading
    assert state.campaign is not None
    assert state.campaign.pre
    assert group.feed("n0", "n1", RequestVote(leader.term + 9, 10**6, leader.term + 9)) == []


def test_leadership_is_not_handed_to_it(group: Group) -> None:
    leader = group.lead("n0")
    act(leader, rollback.condemn, "n1", "the proof")
    answer = Answer()
    leader.transfer(answer, "n1")
    assert str(answer.error).startswith("bad_target")


@pytest.mark.parametrize(
    ("why", "greeting", "condemned"),
    [
        ("the same process", Greeting(incarnation=5, term=1, index=2), False),
        ("a new one that holds all", Greeting(incarnation=6, term=3, index=9), False),
        ("a new one with more", Greeting(incarnation=6, term=3, index=12), False),
        ("a new one without the last entry", Greeting(incarnation=6, term=3, index=8), True),
        ("a new one of an earlier term, however long its log", Greeting(incarnation=6, term=2, index=99), True),
        ("a later leader may have cut its log", Greeting(incarnation=6, term=4, index=2), False),
        ("fewer starts than were seen", Greeting(incarnation=4, term=9, index=99), True),
        ("an earlier release says nothing", Greeting(), False),
    ],
)
def test_what_a_greeting_proves(group: Group, why: str, greeting: Greeting, *, condemned: bool) -> None:
    """n1 acknowledged entry 9 in term 3, which this node led."""
    node = group.node("n0")
    node.state.incarnations["n1"] = 5
    node.state.acknowledged["n1"] = (3, 9)
    act(node, rollback.check_greeting, "n1", greeting)
    assert ("n1" in node.state.went_back) == condemned, why


def test_one_that_comes_again_is_told_again(group: Group) -> None:
    leader = group.lead("n0")
    act(leader, rollback.condemn, "n1", "the proof")
    group.hosts["n1"].crash()
    sent: list[object] = []
    group.hosts["n0"].transport.send = lambda member, message: sent.append((member, message))  # type: ignore[method-assign]
    leader.link_up("n1", Greeting(incarnation=99, term=99, index=10**6))
    assert ("n1", WentBack("the proof")) in sent


def test_a_lower_count_of_starts_is_proof_by_itself(group: Group) -> None:
    leader = group.lead("n0")
    leader.rolled_back("n1", "it starts as 2, 3 was seen")
    assert leader.state.went_back == {"n1": "it starts as 2, 3 was seen"}
