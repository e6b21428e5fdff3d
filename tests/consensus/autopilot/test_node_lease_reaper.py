"""When gossip's view of a node ends the leases that are bound to it."""

from __future__ import annotations

import pytest

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.node_lease_reaper import Heard, LifeSigns, NodeLeaseReaper, is_deaf
from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.consensus.store import LeaseBind, LeaseNodeLost, State, apply, encode

LIVE, DEAD, UNSEEN = Presence.LIVE, Presence.DEAD, Presence.UNSEEN


@pytest.fixture
def state() -> State:
    state = State()
    apply(state, encode(LeaseBind("n", 5, 2_000)), 1)
    return state


def view(*observations: tuple[int, Presence, float | None]) -> Observations:
    return Observations.of(
        [Observation("n", generation, presence, dead_for=dead) for generation, presence, dead in observations]
    )


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([(5, LIVE, None)], None),
        ([(5, DEAD, 1.9)], None),
        ([(5, DEAD, 2.5)], (5, 2_500)),
        ([(5, LIVE, None), (6, LIVE, None)], (6, 0)),
        ([(5, DEAD, 0.1), (6, LIVE, None)], (6, 0)),
        ([(6, DEAD, 0.0)], (6, 0)),  # the later process has died too
        ([(5, LIVE, None), (6, UNSEEN, None)], None),  # hearsay ends nothing
        ([(4, LIVE, None), (5, LIVE, None)], None),
        ([(4, DEAD, 99.0), (5, LIVE, None)], None),
        ([], None),
    ],
)
def test_what_is_seen_decides(
    state: State, observations: list[tuple[int, Presence, float | None]], expected: tuple[int, int] | None
) -> None:
    ends = NodeLeaseReaper().reap(state, view(*observations), now=100.0)
    assert ends == ([LeaseNodeLost(1, 0, *expected)] if expected else [])


def test_a_node_that_nobody_knows_counts_as_dead_from_when_that_was_noticed(state: State) -> None:
    lost = NodeLeaseReaper()
    assert lost.reap(state, view(), now=100.0) == []
    assert lost.reap(state, view(), now=101.9) == []
    assert lost.reap(state, view(), now=102.0) == [LeaseNodeLost(1, 0, 5, 2_000)]


def test_a_node_that_comes_back_starts_over(state: State) -> None:
    lost = NodeLeaseReaper()
    assert lost.reap(state, view(), now=100.0) == []
    assert lost.reap(state, view((5, LIVE, None)), now=101.0) == []
    assert lost.reap(state, view(), now=102.5) == []


def test_the_operation_ends_the_lease(state: State) -> None:
    (end,) = NodeLeaseReaper().reap(state, view((5, DEAD, 3.0)), now=100.0)
    apply(state, encode(end), 2)
    assert state.leased_nodes() == []


LOST = ("n", 5)
HERE = ("10.0.0.1", 1)
SILENT, REFUSED = Heard(), Heard(refused=True)


def known(*, member: str | None = None, more: tuple[Observation, ...] = ()) -> Observations:
    said = None
    if member is not None:
        said = Announcement(member=member, incarnation=1, host="h", port=1, role="voter")
    return Observations.of([Observation("n", 5, DEAD, said, dead_for=9.0, address=HERE), *more])


@pytest.mark.parametrize(
    ("heard", "later", "gone"),
    [
        ([], False, False),  # nobody was asked yet
        ([REFUSED], False, True),
        ([SILENT], False, False),
        ([SILENT, SILENT], False, True),
        ([Heard("n", 5, answers=True)], False, False),  # a goodbye that was forged, a leader that is deaf
        ([Heard("n", 5, answers=True)], True, False),  # a later process that was made up
        ([Heard("n", 6, answers=True)], False, True),
        ([Heard("other", 1, answers=True)], False, True),
        ([Heard(answers=True)], False, False),  # of an earlier release
        ([Heard(answers=True)], True, True),
        ([REFUSED], True, True),
    ],
)
def test_gossips_suspicion_stands_where_the_process_does_not_answer(
    heard: list[Heard], later: bool, gone: bool
) -> None:
    signs = LifeSigns()
    for at, each in enumerate(heard):
        signs.note(LOST, HERE, each, 100.0 + at)
    assert signs.is_gone(LOST, known(), (), 101.5, later=later) == gone
    assert not signs.is_gone(LOST, known(), (), 110.0, later=later)  # an answer is good for a while


def test_a_member_that_answers_over_its_link_is_alive() -> None:
    signs = LifeSigns()
    signs.note(LOST, HERE, REFUSED, 100.0)
    assert not signs.is_gone(LOST, known(member="m"), {"m"}, 100.0, later=False)
    assert not signs.is_gone(LOST, known(member="m"), {"m"}, 100.0, later=False, asks=False)
    assert signs.is_gone(LOST, known(member="m"), {"other"}, 100.0, later=False)
    signs.note(LOST, HERE, Heard("n", 6, answers=True), 100.0)
    assert signs.is_gone(LOST, known(member="m"), {"m"}, 100.0, later=False)  # another process of it


def test_each_address_that_claims_the_process_is_asked() -> None:
    signs = LifeSigns()
    other = Observation("n", 5, DEAD, dead_for=9.0, address=("10.0.0.2", 1))
    signs.note(LOST, HERE, REFUSED, 100.0)
    assert not signs.is_gone(LOST, known(more=(other,)), (), 100.0, later=False)
    signs.note(LOST, ("10.0.0.2", 1), REFUSED, 100.0)
    assert signs.is_gone(LOST, known(more=(other,)), (), 100.0, later=False)


def test_a_leader_that_gossip_alone_tells_of_the_death_of_most_is_deaf() -> None:
    def seen(*live: bool) -> Observations:
        said = [Announcement(member=f"m{at}", incarnation=1, host="h", port=1, role="voter") for at in range(len(live))]
        return Observations.of(
            [Observation(f"n{at}", 1, LIVE if up else DEAD, said[at], dead_for=1.0) for at, up in enumerate(live)]
        )

    answering = {"m0", "m1", "m2"}
    assert is_deaf(seen(True, False, False), "m0", answering)
    assert not is_deaf(seen(True, True, False), "m0", answering)
    assert not is_deaf(seen(True, False, False), "m0", {"m0"})
    assert is_deaf(Observations.of([]), "m0", answering)
