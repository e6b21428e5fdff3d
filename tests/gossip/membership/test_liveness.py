"""When a node is created, alive, dead, scheduled for deletion, removed and remembered (gossip spec 5)."""

from __future__ import annotations

import pytest

from coterie.gossip import Engine, NodeId
from coterie.gossip.events.events import NodeAlive, NodeDead, NodeJoined, NodeRemoved
from tests.gossip.helpers import (
    SELF,
    SET,
    contents,
    delta_of,
    hear,
    hear_delta,
    held,
    make_engine,
    node,
    revive,
)

A, B = node("a"), node("b")


def events_of(engine: Engine, *kinds: type) -> list[object]:
    return [e for e in engine.take_events() if isinstance(e, kinds)]


def knows(engine: Engine, identity: NodeId) -> bool:
    return engine.state(identity) is not None


def digest_lists(engine: Engine, identity: NodeId, now: float) -> bool:
    answer = hear(engine, now=now)
    assert answer is not None
    return identity.encoded in answer.digest.ids


# -- first sights ------------------------------------------------------------------------------------------------------


def test_a_digest_entry_creates_a_state_and_is_no_sign_of_life() -> None:
    engine = make_engine()
    hear(engine, (A, 7, 3, 9), now=0.0)
    state = held(engine, A)
    assert (state.heartbeat, state.last_gc_version, state.max_version, state.key_values) == (7, 0, 0, {})
    assert state.liveness.last_arrival is None
    assert engine.take_events() == [NodeJoined(A)]


def test_a_node_is_alive_from_its_third_sighting() -> None:
    engine = make_engine()
    for beat, alive in ((1, False), (2, False), (3, True)):
        hear(engine, (A, beat, 0, 0), now=0.5 * beat)
        engine.round(0.5 * beat)
        assert (A in engine.live_nodes, A in engine.dead_nodes) == (alive, not alive)
        assert held(engine, A).liveness.ever_alive == alive
    assert events_of(engine, NodeAlive, NodeDead) == [NodeAlive(A)], "a newcomer does not die before it was alive"


def test_between_creation_and_its_first_evaluation_a_node_is_neither_alive_nor_dead() -> None:
    engine = make_engine()
    hear(engine, (A, 1, 0, 0), now=0.0)
    assert (engine.live_nodes, engine.dead_nodes) == ([SELF], [])


def test_only_a_higher_heartbeat_is_a_sign_of_life() -> None:
    engine = make_engine()
    hear(engine, (A, 5, 0, 0), now=0.0)
    for now, heartbeat, arrival in ((1.0, 6, 1.0), (2.0, 6, 1.0), (3.0, 4, 1.0), (4.0, 9, 4.0)):
        hear(engine, (A, heartbeat, 0, 0), now=now)
        assert held(engine, A).liveness.last_arrival == arrival
    assert held(engine, A).heartbeat == 9
    assert list(held(engine, A).liveness.intervals) == [3.0]


def test_a_stored_heartbeat_of_0_takes_the_first_report_as_a_first_sight() -> None:
    engine = make_engine()
    hear(engine, (A, 0, 0, 0), now=0.0)
    assert held(engine, A).heartbeat == 0
    hear(engine, (A, 8, 0, 0), now=1.0)
    assert (held(engine, A).heartbeat, held(engine, A).liveness.last_arrival) == (8, None)
    hear(engine, (A, 9, 0, 0), now=2.0)
    assert held(engine, A).liveness.last_arrival == 2.0


def test_the_node_itself_is_always_alive() -> None:
    engine = make_engine()
    assert engine.live_nodes == [SELF]
    engine.round(10_000.0)
    assert (engine.live_nodes, engine.dead_nodes) == ([SELF], [])


def test_identities_beyond_the_limit_are_counted_and_not_created() -> None:
    engine = make_engine(max_known_nodes=3)
    hear(engine, *((node(f"n{i}"), 1, 0, 0) for i in range(5)), now=0.0)
    assert len(engine.states) == 3
    assert engine.counters["identities_over_limit"] == 3
    hear(engine, (node("n0"), 2, 0, 0), now=1.0)
    assert held(engine, node("n0")).heartbeat == 2


# -- death and return --------------------------------------------------------------------------------------------------


def die(engine: Engine, now: float) -> float:
    """Rounds without any news, until the first node is found dead: when that was."""
    dead_before = len(engine.dead_nodes)
    while len(engine.dead_nodes) == dead_before:
        now += 0.5
        engine.round(now)
    return now


def test_a_silent_node_dies_once_and_its_intervals_are_cleared() -> None:
    engine = make_engine()
    last = revive(engine, A, start=0.0, beats=10)
    engine.take_events()
    died = die(engine, last)
    # 9 sightings after the first give 8 intervals of 0.5 s: mean (4 + 25) / 13; phi passes 8 after 17.8 s.
    assert 17.5 < died - last < 18.5
    liveness = held(engine, A).liveness
    assert (engine.live_nodes, engine.dead_nodes) == ([SELF], [A])
    assert (list(liveness.intervals), liveness.last_arrival, liveness.dead_since) == ([], last, died)
    for i in range(1, 5):
        engine.round(died + 0.5 * i)
    assert liveness.dead_since == died, "the time of death is that of the first evaluation"
    assert events_of(engine, NodeAlive, NodeDead, NodeRemoved) == [NodeDead(A)]


def test_a_return_needs_one_recorded_interval() -> None:
    engine = make_engine()
    died = die(engine, revive(engine, A, start=0.0, beats=10))
    engine.take_events()
    hear(engine, (A, 100, 0, 0), now=died + 1.0)
    engine.round(died + 1.0)
    assert A in engine.dead_nodes, "the interval since it fell silent is above max_interval and not recorded"
    hear(engine, (A, 101, 0, 0), now=died + 1.5)
    engine.round(died + 1.5)
    assert engine.live_nodes == [A, SELF]
    assert events_of(engine, NodeAlive, NodeDead) == [NodeAlive(A)]
    assert held(engine, A).liveness.dead_since is None


# -- grace -------------------------------------------------------------------------------------------------------------


def test_after_half_of_its_grace_a_dead_node_leaves_digests_and_after_all_of_it_it_is_removed() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    died = die(engine, revive(engine, A, start=0.0))
    engine.take_events()
    for after, listed, known in ((49.5, True, True), (50.0, False, True), (99.5, False, True), (100.0, False, False)):
        engine.round(died + after)
        assert (digest_lists(engine, A, died + after), knows(engine, A)) == (listed, known)
        assert (A in engine.dead_nodes) == known
    assert events_of(engine, NodeAlive, NodeDead, NodeRemoved) == [NodeRemoved(A)]


def test_the_grace_of_a_newcomer_that_never_comes_alive_runs_from_its_first_evaluation() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    hear(engine, (A, 1, 0, 0), now=0.0)
    engine.round(1.0)
    engine.round(100.5)
    assert knows(engine, A)
    engine.round(101.0)
    assert not knows(engine, A)


def test_news_of_a_node_scheduled_for_deletion_is_accepted_and_brings_it_back() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    last = revive(engine, A, start=0.0)
    died = die(engine, last)
    engine.round(died + 60.0)
    assert held(engine, A).scheduled_for_deletion
    hear_delta(engine, delta_of(A, ("k", "v", 1, SET)), now=died + 60.0)
    assert contents(held(engine, A)) == [("k", "v", 1, SET)]
    revive(engine, A, start=died + 61.0)
    assert A in engine.live_nodes
    assert not held(engine, A).scheduled_for_deletion
    assert digest_lists(engine, A, died + 70.0)


# -- memory of the collected -------------------------------------------------------------------------------------------


def removed(engine: Engine, identity: NodeId, heartbeat: int) -> float:
    """Let the engine know a node and remove it again: when."""
    hear(engine, (identity, heartbeat, 0, 0), now=0.0)
    engine.round(0.0)
    engine.round(100.0)
    assert not knows(engine, identity)
    engine.take_events()
    return 100.0


def test_stale_news_does_not_resurrect_a_collected_node() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    now = removed(engine, A, 7)
    for heartbeat in (0, 6, 7):
        hear(engine, (A, heartbeat, 0, 0), now=now)
        assert not knows(engine, A)
    assert engine.counters["identities_collected_before"] == 3
    hear(engine, (A, 8, 0, 0), now=now)
    assert (held(engine, A).heartbeat, held(engine, A).liveness.last_arrival) == (8, None)
    assert engine.take_events() == [NodeJoined(A)]


def test_a_node_that_came_back_is_remembered_by_its_last_heartbeat_when_it_goes_again() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    now = removed(engine, A, 7)
    hear(engine, (A, 20, 0, 0), now=now)
    engine.round(now)
    engine.round(now + 100.0)
    hear(engine, (A, 20, 0, 0), now=now + 100.0)
    assert not knows(engine, A)


@pytest.mark.parametrize(("known", "remembered"), [(0, 500), (700, 701)])
def test_the_last_500_or_as_many_as_are_known_are_remembered(known: int, remembered: int) -> None:
    engine = make_engine(dead_node_grace_period=100.0, phi_threshold=1e9)
    standing = [node(f"standing{i}") for i in range(known)]
    if standing:
        revive(engine, *standing, start=-3.0, beats=4)
    gone = [node(f"gone{i:03}") for i in range(remembered + 50)]
    for at in range(0, len(gone), 50):
        now = 200.0 * (1 + at)
        hear(engine, *((n, 1, 0, 0) for n in gone[at : at + 50]), now=now)
        engine.round(now)
        engine.round(now + 100.0)
    assert len(engine.states) == known + 1
    now += 150.0
    for at in range(0, 400, 50):
        hear(engine, *((n, 1, 0, 0) for n in gone[at : at + 50]), now=now)
    hear(engine, *((n, 1, 0, 0) for n in gone[400:]), now=now)
    back = [n for n in gone if knows(engine, n)]
    assert len(back) == 50
    assert set(back) <= set(gone[:100]), "the longest gone are forgotten first"


# -- generations -------------------------------------------------------------------------------------------------------


def test_an_identity_is_not_alive_while_a_higher_generation_of_its_node_id_is() -> None:
    old, new = node("a", 1, 1), node("a", 2, 2)
    engine = make_engine()
    now = revive(engine, old, start=0.0)
    engine.take_events()
    hear(engine, (new, 1, 0, 0), now=now)
    hear(engine, (new, 2, 0, 0), now=now + 0.1)
    engine.round(now + 0.1)
    assert old in engine.live_nodes, "the new one is not alive yet"
    now = revive(engine, old, new, start=now + 0.5)
    assert (engine.live_nodes, engine.dead_nodes) == ([new, SELF], [old])
    assert set(events_of(engine, NodeAlive, NodeDead)) == {NodeDead(old), NodeAlive(new)}
    # Its own signs of life do not help it, until the higher generation is gone.
    now = revive(engine, old, start=now, beats=60)
    assert (engine.live_nodes, engine.dead_nodes) == ([old, SELF], [new])


def test_generations_of_the_own_node_id_count_too() -> None:
    engine = make_engine(node("self", 5, 1))
    now = revive(engine, node("self", 4, 1), start=0.0)
    assert (engine.live_nodes, engine.dead_nodes) == ([node("self", 5, 1)], [node("self", 4, 1)])
    revive(engine, node("self", 6, 1), start=now)
    assert engine.live_nodes == [node("self", 5, 1), node("self", 6, 1)]


def test_the_same_generation_at_two_addresses_is_two_live_nodes() -> None:
    engine = make_engine()
    revive(engine, node("a", 1, 1), node("a", 1, 2), start=0.0)
    assert engine.live_nodes == [node("a", 1, 1), node("a", 1, 2), SELF]


def test_the_grace_of_an_outlived_generation_runs_as_usual() -> None:
    old, new = node("a", 1, 1), node("a", 2, 2)
    engine = make_engine(dead_node_grace_period=4.0)
    now = revive(engine, old, start=0.0)
    revive(engine, old, new, start=now, beats=16)
    assert not knows(engine, old)
    assert engine.live_nodes == [new, SELF]
