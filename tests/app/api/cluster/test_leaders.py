"""Which cluster's leader gossip advises: terms count within one cluster alone, proofs before claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.raft.leaders import choose, meeting
from coterie.consensus.autopilot.announcement import Announcement, ClusterStatus
from coterie.consensus.autopilot.observations import Observation, Observations, Presence


def node(name: str, cluster: str, term: int, leader: str | None, **but: Any) -> Observation:
    proved = but.pop("proved", True)
    status = ClusterStatus(term, leader, 1, 4096)
    said = Announcement(
        member=name, incarnation=1, host="h", port=1, role="voter", cluster_id=cluster, status=status, **but
    )
    return Observation(name, 1, Presence.LIVE, said, proved=proved, address=("127.0.0.1", ord(name)))


def seen(*nodes: Observation) -> Observations:
    return Observations.of(nodes)


MAIN = [node(name, "main", 3, "a") for name in "abc"]
STRAY = node("x", "stray", 9, "x")
STRANGER = node("e", "main", 2**62, "e", proved=False)


def test_the_newest_term_of_the_one_cluster_counts() -> None:
    found = choose(seen(*MAIN[:2], node("c", "main", 4, "b")), None)
    assert (found.cluster, found.leader, found.term) == ("main", "b", 4)
    assert choose(seen(*MAIN[:2], node("c", "main", 4, None)), None).leader is None


def test_a_higher_term_of_another_cluster_takes_nobody_away() -> None:
    assert choose(seen(*MAIN, STRAY), "main").leader == "a"
    assert choose(seen(*MAIN, STRAY), "main").term == 3
    assert choose(seen(*MAIN, STRAY), "stray").leader == "x"


def test_a_node_that_has_spoken_to_neither_of_two_chooses_none_and_says_which() -> None:
    found = choose(seen(*MAIN, STRAY), None)
    assert (found.cluster, found.leaders) == (None, ())
    assert "main (a, b, c); stray (x)" in str(found.problem)
    assert "main (a, b, c); stray (x)" in str(meeting(seen(*MAIN, STRAY)))
    assert meeting(seen(*MAIN)) is None


def test_what_is_proved_goes_before_any_claim() -> None:
    found = choose(seen(*MAIN, STRANGER), None)
    assert (found.leader, found.term, found.leaders) == ("a", 3, (("main", "a"),))
    assert meeting(seen(*MAIN, node("y", "other", 1, "y", proved=False))) is None
    successor = node("y", "other", 1, "y", proved=False, replaces=("main", "stray"))
    assert choose(seen(*MAIN, successor), "main").leader == "a"
    assert meeting(seen(*MAIN, STRAY, successor)) is not None


def test_where_nothing_is_proved_all_are_named_those_that_most_speak_for_first() -> None:
    """TLS decides then."""
    claims = [node(name, "main", 3, "a", proved=False) for name in "abc"]
    assert choose(seen(*claims, STRANGER), None).leaders == (("main", "a"), ("main", "e"))


@pytest.mark.parametrize("pinned", [None, "old", "new"])
def test_a_recovered_cluster_takes_the_place_of_the_old_one(pinned: str | None) -> None:
    left_over = node("d", "old", 57, None)
    recovered = [node(name, "new", 2, "a", replaces=("old",)) for name in "ab"]
    assert choose(seen(*recovered, left_over), pinned).leader == "a"
    assert meeting(seen(*recovered, left_over)) is None


def test_where_the_own_cluster_is_gone_another_one_is_not_taken_for_it() -> None:
    found = choose(seen(*MAIN), "gone")
    assert found.leaders == ()
    assert "spoken to the Raft cluster gone" in str(found.problem)
    assert choose(seen(), "gone").problem is None


reports = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(("one", "two", "three")),
        st.integers(0, 2**62),
        st.sampled_from((*"abcdefgh", None)),
        st.booleans(),
        st.lists(st.sampled_from(("one", "two", "three")), max_size=2).map(tuple),
    ),
    unique_by=lambda each: each[0],
    max_size=8,
)


@given(reports, st.sampled_from((None, "one", "two")))
def test_whatever_is_announced_nobody_changes_its_cluster(said: list[Any], pinned: str | None) -> None:
    """But to one that was recovered from it; and what proves nothing counts only where nobody proves anything."""
    nodes = [
        node(name, cluster, term, leader, proved=proved, replaces=replaces)
        for name, cluster, term, leader, proved, replaces in said
    ]
    found = choose(seen(*nodes), pinned)
    proved = [each for each in nodes if each.proved]
    pool = proved or nodes
    claimed = {
        (each.announcement.cluster_id, each.announcement.status.leader)
        for each in pool
        if each.announcement is not None and each.announcement.status is not None
    }
    assert set(found.leaders) <= claimed
    if proved:
        assert len({cluster for cluster, _ in found.leaders}) <= 1
    if pinned is not None:
        followers = {pinned}
        for _ in range(3):
            followers |= {
                str(each.announcement.cluster_id)
                for each in pool
                if each.announcement is not None and followers & set(each.announcement.replaces)
            }
        assert {cluster for cluster, _ in found.leaders} <= followers
