"""The age that a stale read tells holds, whatever the messages waited for (raft spec 3)."""

from __future__ import annotations

from math import inf

import pytest

from coterie.consensus.raft.core import step, transitions
from coterie.consensus.raft.core.model.progress import Progress
from coterie.consensus.raft.core.model.staleness import Freshness, confirmed
from coterie.consensus.raft.messages import Ping, Pong
from tests.consensus.raft.helpers import Group

VOTERS = ("a", "b", "c", "d", "e")


def answered(**asked: float) -> dict[str, Progress]:
    """A leader's records: when the ping was sent that each member answered."""
    progress = {member: Progress(1, 0.0) for member in asked}
    for member, at in asked.items():
        progress[member].asked = at
    return progress


def test_a_leader_is_known_as_of_the_ping_that_a_majority_answered() -> None:
    assert confirmed(answered(b=10.0), VOTERS, "a", 12.0) == -inf
    assert confirmed(answered(b=10.0, c=11.0), VOTERS, "a", 12.0) == 10.0
    assert confirmed(answered(b=10.0, c=11.0, d=11.5), VOTERS, "a", 12.0) == 11.0


def test_one_that_does_not_vote_does_not_count() -> None:
    assert confirmed(answered(x=10.0), ("a", "b", "c"), "a", 12.0) == -inf
    assert confirmed({}, ("a",), "a", 12.0) == 12.0
    assert confirmed({}, ("b",), "a", 12.0) == -inf  # it leads on only until its own removal is committed


def test_an_answer_that_was_overtaken_takes_nothing_back() -> None:
    group = Group(3)
    leader = group.lead("n0")
    now = group.hosts["n0"].clock.monotonic()
    before = leader.state.progress["n1"].asked
    group.feed("n0", "n1", Pong(leader.term, 0, now - 100.0, 5.0))
    assert leader.state.progress["n1"].asked == before


def test_an_office_begins_with_nothing_known() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    assert confirmed(leader.state.progress, leader.voters, "n0", 1e9) > -inf
    transitions.become_leader(leader.state)
    assert confirmed(leader.state.progress, leader.voters, "n0", 1e9) == -inf
    assert leader.state.progress["n1"].clock is None


def test_the_clock_of_a_link_that_broke_is_forgotten() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    assert leader.state.progress["n1"].clock is not None
    leader.link_down("n1")
    assert leader.state.progress["n1"].clock is None


def test_a_follower_is_fresh_once_it_has_applied_what_it_was_told() -> None:
    follower = Freshness()
    follower.heard(10.0, 7, applied=6)
    assert follower.at == -inf
    follower.heard(11.0, 8, applied=6)
    follower.applied(7)
    assert follower.at == 10.0
    follower.heard(9.0, 7, applied=7)  # an older message
    assert follower.at == 10.0


def test_a_ping_that_was_long_under_way_makes_nobody_fresh() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    node, clock = group.node("n1"), group.hosts["n1"].clock
    now = clock.monotonic()
    assert 0.0 < now - node.state.freshness.at < 0.5
    group.cut_off("n1")
    before = node.state.freshness.at
    group.run(2.0)
    # Sent before the link was cut: it tells the follower its own clock of that time.
    group.feed("n1", "n0", Ping(leader.term, leader.state.round, node.commit, 0.0, before, 0.1))
    assert node.state.freshness.at == before


def test_a_leader_that_nobody_answers_becomes_older_and_so_do_those_that_hear_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    with monkeypatch.context() as patch:
        patch.setitem(step.MESSAGES, Pong, lambda s, member, pong: transitions.hear_answer(s, member, pong.term))
        group.run(0.3)
    now = group.hosts["n0"].clock.monotonic()
    assert now - confirmed(leader.state.progress, leader.voters, "n0", now) >= 0.3
    assert group.hosts["n1"].clock.monotonic() - group.node("n1").state.freshness.at >= 0.3
