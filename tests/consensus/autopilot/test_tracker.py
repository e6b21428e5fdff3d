"""How long things have been so, as the leader's loop remembers it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.consensus.autopilot.voters.removal import RemovalCause
from coterie.consensus.autopilot.voters.tracker import PENDING_REPLACEMENT_SECONDS, RaftFacts, Tracker

LEADING = RaftFacts(
    own="a",
    cluster_id="x",
    term=3,
    leading=True,
    settled=True,
    change_pending=False,
    transferring=False,
    voters=("a", "b"),
    last_index=1_000,
)


def observation(member: str, node: str = "", presence: Presence = Presence.LIVE, **but: Any) -> Observation:
    plain = Announcement(member=member, incarnation=1, host="h", port=1, role="observer", cluster_id="x", zone="z")
    return Observation(node or f"node-{member}", 1, presence, msgspec.structs.replace(plain, **but))


def of(*observations: Observation) -> Observations:
    return Observations.of(observations)


def heard(at: float, **match: int) -> RaftFacts:
    return replace(LEADING, match=match, heard_at=dict.fromkeys(match, at))


def test_a_member_is_alive_since_it_was_first_seen_so_and_anew_after_each_restart() -> None:
    tracker = Tracker(10)
    assert tracker.observe(of(observation("c")), LEADING, 5.0).member("c").live_since == 5.0
    assert tracker.observe(of(observation("c")), LEADING, 9.0).member("c").live_since == 5.0
    gone = tracker.observe(of(observation("c", presence=Presence.DEAD)), LEADING, 10.0).member("c")
    assert (gone.live, gone.live_since) == (False, None)
    assert tracker.observe(of(observation("c")), LEADING, 11.0).member("c").live_since == 11.0
    assert tracker.observe(of(observation("c", incarnation=2)), LEADING, 12.0).member("c").live_since == 12.0


def test_a_member_is_caught_up_while_it_answers_and_lacks_little() -> None:
    tracker = Tracker(10)
    tracker.observe(of(), LEADING, 1.0)
    assert tracker.observe(of(), heard(1.9, c=989), 2.0).member("c").caught_up_since is None
    assert tracker.observe(of(), heard(2.9, c=990), 3.0).member("c").caught_up_since == 3.0
    assert tracker.observe(of(), heard(3.9, c=1_000), 4.0).member("c").caught_up_since == 3.0
    assert tracker.observe(of(), heard(3.9, c=1_000), 5.0).member("c").caught_up_since is None  # silent
    assert tracker.observe(of(), heard(5.9, c=1_000), 6.0).member("c").caught_up_since == 6.0


def test_a_new_leader_has_heard_nobody_yet() -> None:
    """Its Raft node takes the election for everybody's last answer."""
    tracker = Tracker(10)
    first = tracker.observe(of(), heard(10.0, b=0), 10.1).member("b")
    assert (first.answered_at, first.silent_since) == (None, 10.1)
    second = tracker.observe(of(), heard(10.0, b=0), 40.0).member("b")
    assert (second.answered_at, second.silent_since) == (None, 10.1)
    third = tracker.observe(of(), heard(40.9, b=7), 41.0).member("b")
    assert (third.answered_at, third.silent_since) == (40.9, 40.9)


def test_silence_of_a_voter_that_was_never_heard_counts_from_the_election() -> None:
    tracker = Tracker(10)
    tracker.observe(of(), LEADING, 10.0)
    assert tracker.observe(of(), LEADING, 50.0).member("b").silent_since == 10.0


def test_what_was_known_of_answers_ends_with_the_term_of_office() -> None:
    tracker = Tracker(10)
    tracker.observe(of(), LEADING, 1.0)
    tracker.observe(of(observation("c")), heard(1.9, c=1_000), 2.0)
    follower = tracker.observe(of(observation("c")), replace(heard(1.9, c=1_000), leading=False), 3.0).member("c")
    assert (follower.answered_at, follower.caught_up_since, follower.match) == (None, None, 0)
    assert follower.live_since == 2.0  # gossip's knowledge stays
    later = replace(heard(1.9, c=1_000), term=4)
    assert tracker.observe(of(observation("c")), later, 4.0).member("c").answered_at is None


def test_elected_again_without_having_been_seen_as_a_follower_is_a_new_term_of_office() -> None:
    tracker = Tracker(10)
    tracker.observe(of(), LEADING, 1.0)
    assert tracker.observe(of(), heard(1.9, c=1_000), 2.0).member("c").caught_up_since == 2.0
    again = tracker.observe(of(), replace(heard(2.4, c=1_000), term=4), 2.5).member("c")
    assert (again.answered_at, again.caught_up_since, again.silent_since) == (None, None, 2.5)


def test_an_answer_from_the_future_is_none() -> None:
    tracker = Tracker(10)
    tracker.observe(of(), LEADING, 1.0)
    assert tracker.observe(of(), heard(9.0, c=1_000), 2.0).member("c").answered_at is None


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        ([observation("c")], None),
        ([observation("c", cluster_id="y")], "it belongs to cluster y"),
        ([observation("c", cluster_id=None)], "it has not joined the cluster yet"),
        ([observation("c", version=2)], "it speaks version 2"),
        ([observation("c", role="left")], "it has left"),
        ([observation("c", role="removed")], "it has been removed"),
        ([observation("c"), observation("c", node="twin")], "one data directory is a copy"),
        ([observation("c"), observation("c", node="twin", presence=Presence.DEAD)], None),
    ],
)
def test_what_must_not_vote_is_named(seen: list[Observation], problem: str | None) -> None:
    found = Tracker(10).observe(of(*seen), LEADING, 1.0).member("c").problem
    assert (found is None) if problem is None else (found is not None and problem in found)


def test_bans_and_zones_are_in_the_view() -> None:
    facts = replace(LEADING, bans={"b": "leave: of its own"})
    view = Tracker(10).observe(of(observation("b"), observation("c")), facts, 1.0)
    ban = view.member("b").ban
    assert ban is not None
    assert (ban.cause, ban.words) == (RemovalCause.LEAVE, "of its own")
    assert view.member("c").zone == "z"
    assert view.member("nobody").live is False


def test_a_promise_ends_when_it_is_kept_or_old_or_leadership_is_lost() -> None:
    tracker = Tracker(10)
    tracker.expect_replacement("c", 1.0)
    assert tracker.observe(of(), LEADING, 2.0).pending_replacement == "c"
    assert tracker.observe(of(), replace(LEADING, voters=("a", "b", "c")), 3.0).pending_replacement is None
    tracker.expect_replacement("c", 4.0)
    assert tracker.observe(of(), LEADING, 4.0 + PENDING_REPLACEMENT_SECONDS + 0.1).pending_replacement is None
    tracker.expect_replacement("c", 50.0)
    assert tracker.observe(of(), replace(LEADING, leading=False), 51.0).pending_replacement is None


def test_the_newest_live_sighting_of_a_member_counts() -> None:
    old = replace(observation("c", incarnation=1), generation=1, presence=Presence.DEAD, dead_for=1.0)
    new = replace(observation("c", incarnation=2), generation=2)
    back = replace(observation("c", incarnation=3), generation=3, presence=Presence.DEAD)
    assert of(old, new).of_member["c"] == new
    assert of(new, back).of_member["c"] == new  # one that lives, whatever was known of a later one
    assert of(replace(new, presence=Presence.DEAD), back).of_member["c"] == back
