"""When gossip's view of a node ends the leases that are bound to it."""

from __future__ import annotations

import pytest

from coterie.consensus.autopilot.node_lease_reaper import NodeLeaseReaper
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
