"""What is shown of the Raft layer's members."""

from __future__ import annotations

from app.v1.raft_part import MemberView, without_ghosts


def test_a_node_that_took_a_new_directory_is_shown_once() -> None:
    before = MemberView("b", "1" * 32, "observer", reason="barred for ever (dead)", live=False)
    now = MemberView("b", "2" * 32, "observer")
    other = MemberView("a", "3" * 32, "leader")
    assert without_ghosts([before, now, other]) == [now, other]


def test_a_dead_observer_and_a_voter_whose_place_is_yet_to_be_taken_are_shown() -> None:
    dead = MemberView("b", "1" * 32, "observer", live=False)
    wiped = MemberView("c", "2" * 32, "voter", live=False)
    back = MemberView("c", "3" * 32, "observer")
    assert without_ghosts([dead, wiped, back]) == [dead, wiped, back]
