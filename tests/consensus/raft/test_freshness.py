"""The age that a stale read tells holds, whatever the messages waited for (specification, section 3)."""

from __future__ import annotations

from math import inf

from coterie.consensus.raft.freshness import Freshness
from coterie.consensus.raft.messages import Ping
from tests.consensus.raft.helpers import Group

VOTERS = ("a", "b", "c", "d", "e")


def test_a_leader_is_known_as_of_the_ping_that_a_majority_answered() -> None:
    leader = Freshness()
    leader.answered("b", 10.0, 0.0)
    assert leader.confirmed(VOTERS, "a", 12.0) == -inf
    leader.answered("c", 11.0, 0.0)
    assert leader.confirmed(VOTERS, "a", 12.0) == 10.0
    leader.answered("d", 11.5, 0.0)
    assert leader.confirmed(VOTERS, "a", 12.0) == 11.0
    leader.answered("d", 9.0, 0.0)  # an answer that was overtaken takes nothing back
    assert leader.confirmed(VOTERS, "a", 12.0) == 11.0


def test_one_that_does_not_vote_does_not_count() -> None:
    leader = Freshness()
    leader.answered("x", 10.0, 0.0)
    assert leader.confirmed(("a", "b", "c"), "a", 12.0) == -inf
    assert leader.confirmed(("a",), "a", 12.0) == 12.0
    assert leader.confirmed(("b",), "a", 12.0) == -inf  # it leads on only until its own removal is committed


def test_an_office_begins_with_nothing_known() -> None:
    leader = Freshness()
    leader.answered("b", 10.0, 5.0)
    leader.new_office()
    assert leader.confirmed(("a", "b"), "a", 12.0) == -inf
    assert leader.reading("b") is None


def test_the_clock_of_a_link_that_broke_is_forgotten() -> None:
    leader = Freshness()
    leader.answered("b", 10.0, 5.0)
    leader.link_lost("b")
    assert leader.reading("b") is None


def test_a_follower_is_fresh_once_it_has_applied_what_it_was_told() -> None:
    follower = Freshness()
    follower.told(10.0, 7, applied=6)
    assert follower.at == -inf
    follower.told(11.0, 8, applied=6)
    follower.applied(7)
    assert follower.at == 10.0
    follower.told(9.0, 7, applied=7)  # an older message
    assert follower.at == 10.0


def test_a_ping_that_was_long_under_way_makes_nobody_fresh() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    node, clock = group.node("n1"), group.hosts["n1"].clock
    now = clock.monotonic()
    assert 0.0 < now - node.freshness.at < 0.5
    group.cut_off("n1")
    before = node.freshness.at
    group.run(2.0)
    # Sent before the link was cut: it tells the follower its own clock of that time.
    group.feed("n1", "n0", Ping(leader.term, leader.round, node.commit, 0.0, before, 0.1))
    assert node.freshness.at == before


def test_a_leader_that_nobody_answers_becomes_older_and_so_do_those_that_hear_it() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.run(1.0)
    leader.freshness.answered = lambda *_: None  # type: ignore[method-assign]
    group.run(0.3)
    now = group.hosts["n0"].clock.monotonic()
    assert now - leader.freshness.confirmed(leader.voters, "n0", now) >= 0.3
    assert group.hosts["n1"].clock.monotonic() - group.node("n1").freshness.at >= 0.3
