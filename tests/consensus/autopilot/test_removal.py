"""Bans as requests, and what a member does that learns of its own removal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.autopilot.voters.removal import (
    BanReason,
    RejoinPolicy,
    RemovalCause,
    RemovalOutcome,
    ban_text,
    parse_ban_reason,
    removal_outcome,
)

NEVER = RejoinPolicy(after_death=False, after_force=False)
ALWAYS = RejoinPolicy(after_death=True, after_force=True)


@given(st.sampled_from(RemovalCause), st.text(max_size=900))
def test_a_ban_says_why(cause: RemovalCause, words: str) -> None:
    assert parse_ban_reason(ban_text(cause, words)) == BanReason(cause, words.strip())


@given(st.text())
def test_any_text_of_a_ban_can_be_read(text: str) -> None:
    assert parse_ban_reason(text).cause in RemovalCause
    assert len(ban_text(RemovalCause.FORCED, text * 50)) <= 1_024


def test_somebody_elses_words_are_an_operators() -> None:
    assert parse_ban_reason("too slow: replaced") == BanReason(RemovalCause.FORCED, "too slow: replaced")


@pytest.mark.parametrize(
    ("why", "bans", "voters", "rejoining", "leaving", "expected"),
    [
        ("all is well", {}, "ab", ALWAYS, False, RemovalOutcome.STAY),
        ("another is banned", {"b": "dead: x"}, "b", ALWAYS, False, RemovalOutcome.STAY),
        ("banned, but a voter still", {"a": "dead: x"}, "ab", ALWAYS, False, RemovalOutcome.STAY),
        ("asked to leave, but a voter still", {"a": "leave: "}, "ab", ALWAYS, True, RemovalOutcome.STAY),
        ("replaced", {"a": "dead: x"}, "b", RejoinPolicy(), False, RemovalOutcome.REJOIN),
        ("replaced, and set not to come back", {"a": "dead: x"}, "b", NEVER, False, RemovalOutcome.GONE),
        ("sent away", {"a": "forced: x"}, "b", RejoinPolicy(), False, RemovalOutcome.GONE),
        ("sent away, and set to come back", {"a": "forced: x"}, "b", ALWAYS, False, RemovalOutcome.REJOIN),
        ("has left", {"a": "leave: "}, "b", ALWAYS, True, RemovalOutcome.GONE),
        ("left once, and was started again", {"a": "leave: "}, "b", NEVER, False, RemovalOutcome.REJOIN),
    ],
)
def test_fate(
    why: str, bans: dict[str, str], voters: str, rejoining: RejoinPolicy, leaving: bool, expected: RemovalOutcome
) -> None:
    found, told = removal_outcome("a", voters, bans, rejoining, leaving=leaving)
    assert found is expected, why
    assert bool(told) == (found is not RemovalOutcome.STAY)
