"""The decision function, case by case (raft spec 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.consensus.autopilot.voters.policy import Policy, PolicyError
from coterie.consensus.autopilot.voters.removal import RemovalCause
from coterie.consensus.autopilot.voters.rules import DecisionKind, decide
from coterie.consensus.autopilot.voters.view import ClusterView, MemberView
from tests.consensus.autopilot.clusters import NOW, POLICY, cluster, dead, fresh, healthy, leaving, silent

PROMOTE, REMOVE, TRANSFER = DecisionKind.PROMOTE, DecisionKind.REMOVE, DecisionKind.TRANSFER


def decided(view: ClusterView, policy: Policy = POLICY) -> tuple[DecisionKind, str] | None:
    decision = decide(view, policy, NOW)
    if decision is None:
        return None
    assert decision.reason
    return decision.kind, decision.member


@pytest.mark.parametrize(
    ("why", "view", "expected"),
    [
        ("all is well", cluster("abc"), None),
        ("two observers make five of three", cluster("abc", ready="de"), (PROMOTE, "d")),
        ("one observer would make an even count", cluster("abc", ready="d"), None),
        ("four voters and one observer make five", cluster("abcd", ready="e"), (PROMOTE, "e")),
        ("max_voters is reached", cluster("abcde", ready="fg"), None),
        ("below min_voters one observer is enough", cluster("ab", ready="c"), (PROMOTE, "c")),
        ("a single voter waits for two observers", cluster("a", ready="b"), None),
        ("a single voter grows when two stand ready", cluster("a", ready="bc"), (PROMOTE, "b")),
        ("not before it is stable", cluster("ab", fresh("c", 9.9)), None),
        ("once it is stable", cluster("ab", fresh("c", 10.0)), (PROMOTE, "c")),
        ("alive for long, caught up since just now", cluster("ab", healthy("c", caught_up_since=NOW - 1)), None),
        ("caught up for long, alive since just now", cluster("ab", healthy("c", live_since=NOW - 1)), None),
        ("an observer that gossip holds dead", cluster("ab", dead("c", 0.1)), None),
        ("an observer that does not answer", cluster("ab", silent("c", 2.0)), None),
        ("an observer that is far behind", cluster("ab", healthy("c", match=1_000)), None),
        ("an observer that is banned", cluster("ab", leaving("c")), None),
        ("an observer with a problem", cluster("ab", healthy("c", problem="a copy")), None),
    ],
)
def test_promotions(why: str, view: ClusterView, expected: tuple[DecisionKind, str] | None) -> None:
    assert decided(view) == expected, why


@pytest.mark.parametrize(
    ("why", "view", "expected"),
    [
        ("a dead voter of three, an observer ready", cluster("abc", dead("c"), ready="d"), (REMOVE, "c")),
        ("a dead voter of three, nobody ready", cluster("abc", dead("c")), None),
        ("a dead voter of three, the observer not stable", cluster("abc", dead("c"), fresh("d")), None),
        ("dead for less than the grace", cluster("abc", dead("c", 29.9), ready="d"), None),
        ("gossip holds it dead, but it answers", cluster("abc", healthy("c", live=False), ready="d"), None),
        ("it does not answer, but gossip sees it alive", cluster("abc", silent("c"), ready="d"), None),
        ("two dead of three: no majority answers", cluster("abc", dead("b"), dead("c"), ready="de"), None),
        ("a dead voter of five, an observer ready", cluster("abcde", dead("e"), ready="f"), (REMOVE, "e")),
        ("a dead voter of five, nobody ready: nothing is gained", cluster("abcde", dead("e")), None),
        ("two dead of five: without them one more may fail", cluster("abcde", dead("d"), dead("e")), (REMOVE, "d")),
        ("the second of the two follows", cluster("abce", dead("e")), (REMOVE, "e")),
        ("three dead of five: no majority answers", cluster("abcde", dead("c"), dead("d"), dead("e"), ready="f"), None),
        (
            "a voter that went back in time, alive",
            cluster("abc", silent("c", 60.0, went_back="x"), ready="d"),
            (REMOVE, "c"),
        ),
        ("a voter that went back in time, and nobody ready", cluster("abc", silent("c", 60.0, went_back="x")), None),
        (
            "one of three went back in time, and one is silent",
            cluster("abc", silent("c", 60.0, went_back="x"), silent("b", 1.0), ready="d"),
            None,
        ),
        ("the leader is never dead to itself", cluster("abc", dead("a"), ready="d"), None),
        ("the one that is silent for longest first", cluster("abcde", dead("d"), dead("e", 90.0)), (REMOVE, "e")),
        (
            "with one silent beside the dead one, no majority without it answers",
            cluster("abc", dead("c"), silent("b", 1.0), ready="d"),
            None,
        ),
    ],
)
def test_removals_of_the_dead(why: str, view: ClusterView, expected: tuple[DecisionKind, str] | None) -> None:
    assert decided(view) == expected, why


def test_a_replacement_is_a_removal_then_a_promotion_even_where_that_makes_an_even_count() -> None:
    first = decide(cluster("abcd", dead("d"), ready="e"), POLICY, NOW)
    assert first is not None
    assert (first.kind, first.member, first.replacement, first.cause) == (REMOVE, "d", "e", RemovalCause.DEAD)
    after = cluster("abc", dead("d"), ready="e")
    assert decided(replace(after, pending_replacement="e")) == (PROMOTE, "e")
    assert decided(after) is None  # without the promise, an even count waits for a pair


def test_three_voters_with_one_dead_are_replaced_by_passing_through_two() -> None:
    first = decide(cluster("abc", dead("c"), ready="d"), POLICY, NOW)
    assert first is not None
    assert first.replacement == "d"
    assert decided(cluster("ab", dead("c"), ready="d", pending_replacement="d")) == (PROMOTE, "d")


def test_while_a_voter_is_dead_a_fourth_is_never_added_beside_it() -> None:
    assert decided(cluster("abc", dead("c", 5.0), ready="de")) is None


@pytest.mark.parametrize(
    ("why", "view", "expected"),
    [
        ("it asked to leave", cluster("abc", leaving("c")), (REMOVE, "c")),
        ("an operator sends it away", cluster("abc", leaving("c", RemovalCause.FORCED)), (REMOVE, "c")),
        ("below min_voters too", cluster("ab", leaving("b")), (REMOVE, "b")),
        ("a forced one that is dead", cluster("abc", replace(dead("c"), ban=leaving("c").ban)), (REMOVE, "c")),
        ("the leader hands over first", cluster("abc", leaving("a")), (TRANSFER, "c")),
        ("not to one that does not answer", cluster("abc", leaving("a"), silent("c", 2.0)), (TRANSFER, "b")),
        ("not to one that goes as well", cluster("abc", leaving("a"), leaving("c")), (TRANSFER, "b")),
        ("to the one that holds most", cluster("abc", leaving("a"), healthy("c", match=1)), (TRANSFER, "b")),
        ("the last voter stays", cluster("a", leaving("a")), None),
        ("no majority without it answers", cluster("abc", leaving("c"), silent("b", 2.0)), None),
        ("found dead and back again, nobody ready: stays", cluster("abc", leaving("c", RemovalCause.DEAD)), None),
        ("found dead and back again", cluster("abc", leaving("c", RemovalCause.DEAD), ready="d"), (REMOVE, "c")),
        ("a leader found dead once", cluster("abc", leaving("a", RemovalCause.DEAD), ready="d"), (TRANSFER, "c")),
    ],
)
def test_removals_that_were_begun(why: str, view: ClusterView, expected: tuple[DecisionKind, str] | None) -> None:
    assert decided(view) == expected, why


@pytest.mark.parametrize(
    "but",
    [
        {"leading": False},
        {"settled": False},
        {"change_pending": True},
        {"transferring": True},
        {"own": "z"},
    ],
)
def test_nothing_is_decided_where_it_could_not_be_carried_out(but: dict[str, object]) -> None:
    plain = cluster("abcd", ready="e")
    assert decided(plain) == (PROMOTE, "e")
    assert decided(replace(plain, **but)) is None  # type: ignore[arg-type]


def zoned(*members: MemberView) -> list[MemberView]:
    return [replace(it, zone=zone) for it, zone in zip(members, "xxyz", strict=False)]


def test_the_zone_with_the_fewest_voters_is_served_first() -> None:
    voters = [healthy(member, zone=zone) for member, zone in zip("abcd", "xxyy", strict=True)]
    ready = [healthy("e", zone="x"), healthy("f", zone="y"), healthy("g", zone="z")]
    assert decided(cluster("abcd", *voters, *ready)) == (PROMOTE, "g")


def test_of_several_ready_the_one_that_waits_for_longest_comes_first() -> None:
    assert decided(cluster("abcd", fresh("e", 20.0), fresh("f", 40.0))) == (PROMOTE, "f")


def test_min_and_max_voters_are_settings() -> None:
    assert decided(cluster("abc", ready="de"), Policy(max_voters=3)) is None
    assert decided(cluster("abcde", dead("e"), ready="f"), Policy(min_voters=5)) == (REMOVE, "e")
    assert decided(cluster("abcd", ready="e"), Policy(min_voters=5)) == (PROMOTE, "e")
    # Below min_voters already, with one dead: the newcomer comes first, for a removal would go two below.
    assert decided(cluster("abcd", dead("d"), ready="e"), Policy(min_voters=5)) == (PROMOTE, "e")
    assert decided(cluster("abc", ready="d"), Policy(prefer_odd=False)) == (PROMOTE, "d")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("min_voters", {"min_voters": 0}),
        ("min_voters", {"min_voters": 7}),
        ("max_voters", {"max_voters": 17}),
        ("dead_voter_grace", {"dead_voter_grace": -1.0}),
        ("stabilization_time", {"stabilization_time": float("nan")}),
    ],
)
def test_a_setting_that_cannot_work_is_named(field: str, values: dict[str, float]) -> None:
    with pytest.raises(PolicyError) as error:
        Policy(**values)  # type: ignore[arg-type]
    assert error.value.field == field
