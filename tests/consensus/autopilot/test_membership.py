"""Bans as requests, and what a member does that learns of its own removal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.autopilot.voters.removal import Barred, Cause, Fate, Rejoining, ban_reason, fate, read_ban

NEVER = Rejoining(after_death=False, after_force=False)
ALWAYS = Rejoining(after_death=True, after_force=True)


@given(st.sampled_from(Cause), st.text(max_size=900))
def test_a_ban_says_why(cause: Cause, words: str) -> None:
    assert read_ban(ban_reason(cause, words)) == Barred(cause, words.strip())


@given(st.text())
def test_any_text_of_a_ban_can_be_read(text: str) -> None:
    assert read_ban(text).cause in Cause
    assert len(ban_reason(Cause.FORCED, text * 50)) <= 1_024


def test_somebody_elses_words_are_an_operators() -> None:
    assert read_ban("too slow: replaced") == Barred(Cause.FORCED, "too slow: replaced")


@pytest.mark.parametrize(
    ("why", "bans", "voters", "rejoining", "leaving", "expected"),
    [
        ("all is well", {}, "ab", ALWAYS, False, Fate.STAY),
        ("another is barred", {"b": "dead: x"}, "b", ALWAYS, False, Fate.STAY),
        ("barred, but a voter still", {"a": "dead: x"}, "ab", ALWAYS, False, Fate.STAY),
        ("asked to leave, but a voter still", {"a": "leave: "}, "ab", ALWAYS, True, Fate.STAY),
        ("replaced", {"a": "dead: x"}, "b", Rejoining(), False, Fate.REJOIN),
        ("replaced, and set not to come back", {"a": "dead: x"}, "b", NEVER, False, Fate.GONE),
        ("sent away", {"a": "forced: x"}, "b", Rejoining(), False, Fate.GONE),
        ("sent away, and set to come back", {"a": "forced: x"}, "b", ALWAYS, False, Fate.REJOIN),
        ("has left", {"a": "leave: "}, "b", ALWAYS, True, Fate.GONE),
        ("left once, and was started again", {"a": "leave: "}, "b", NEVER, False, Fate.REJOIN),
    ],
)
def test_fate(why: str, bans: dict[str, str], voters: str, rejoining: Rejoining, leaving: bool, expected: Fate) -> None:
    found, told = fate("a", voters, bans, rejoining, leaving=leaving)
    assert found is expected, why
    assert bool(told) == (found is not Fate.STAY)
