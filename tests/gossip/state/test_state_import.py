"""A state that the application fetched by other means (gossip spec 4, `reset_node_state_if_update`)."""

from __future__ import annotations

import pytest

from coterie.gossip import Engine, StateUpdateError
from coterie.gossip.events.events import KeyChanged, NodeJoined
from tests.gossip.helpers import (
    DELETE,
    SELF,
    SET,
    TTL,
    Kv,
    contents,
    delta_of,
    hear,
    hear_delta,
    held,
    make_engine,
    node,
    snapshot,
)

PEER = node("peer")
HELD: list[Kv] = [("a", "1", 2, SET), ("b", "2", 4, TTL), ("c", "", 5, DELETE)]


def engine_with(gc: int = 0) -> Engine:
    engine = make_engine(dead_node_grace_period=100.0)
    hear(engine, (PEER, 7, 0, 0), now=0.0)
    hear_delta(engine, delta_of(PEER, *HELD, gc=gc), now=1.0)
    engine.listeners.subscribe("", lambda *_: None)
    engine.take_events()
    return engine


def changed(engine: Engine) -> list[str]:
    return [e.key_value.key for e in engine.take_events() if isinstance(e, KeyChanged)]


def test_given_keys_are_set_others_vanish_and_newer_ones_held_stay() -> None:
    engine = engine_with()
    given = [("new", "x", 9, SET), ("a", "old", 1, SET), ("b", "3", 6, SET), ("t", "", 8, DELETE)]
    assert engine.reset_node_state_if_update(PEER, given, 10, 3, 5.0)
    state = held(engine, PEER)
    # "a" is held in a newer version; "c" was not given, and goes without tombstone or event.
    assert contents(state) == [("a", "1", 2, SET), ("b", "3", 6, SET), ("t", "", 8, DELETE), ("new", "x", 9, SET)]
    assert (state.max_version, state.last_gc_version, state.heartbeat) == (10, 3, 7)
    assert state.expiring == {"t": 5.0}
    assert sorted(changed(engine)) == ["b", "new"]


def test_a_version_that_is_held_already_is_not_told_again_and_keeps_its_timer() -> None:
    engine = engine_with()
    assert engine.reset_node_state_if_update(PEER, [("b", "2", 4, TTL), ("x", "", 6, DELETE)], 6, 0, 5.0)
    assert contents(held(engine, PEER)) == [("b", "2", 4, TTL), ("x", "", 6, DELETE)]
    assert held(engine, PEER).expiring == {"b": 1.0, "x": 5.0}
    assert changed(engine) == []


def test_last_gc_version_is_the_higher_of_both() -> None:
    for ours, given, after in ((0, 3, 3), (5, 3, 5), (5, 6, 6)):
        engine = engine_with(gc=ours)
        assert engine.reset_node_state_if_update(PEER, [], 10, given, 5.0)
        assert (held(engine, PEER).last_gc_version, held(engine, PEER).max_version) == (after, 10)


@pytest.mark.parametrize("max_version", [5, 4])
def test_what_is_not_newer_is_ignored(max_version: int) -> None:
    engine = engine_with()
    before = snapshot(engine)
    assert not engine.reset_node_state_if_update(PEER, [("z", "x", 1, SET)], max_version, 99, 5.0)
    assert snapshot(engine) == before


def test_what_ends_below_our_last_gc_version_is_ignored() -> None:
    engine = engine_with(gc=20)
    assert (held(engine, PEER).last_gc_version, held(engine, PEER).max_version) == (20, 5)
    assert not engine.reset_node_state_if_update(PEER, [], 19, 0, 5.0)
    assert engine.reset_node_state_if_update(PEER, [], 20, 0, 5.0)


def test_the_own_node_is_ignored() -> None:
    engine = engine_with()
    before = snapshot(engine)
    assert not engine.reset_node_state_if_update(SELF, [("z", "x", 1, SET)], 10, 0, 5.0)
    assert snapshot(engine) == before


def test_a_remembered_collected_node_is_ignored() -> None:
    engine = engine_with()
    engine.round(10.0)
    engine.round(110.0)
    assert engine.state(PEER) is None
    assert not engine.reset_node_state_if_update(PEER, [], 99, 0, 110.0)
    assert engine.state(PEER) is None
    hear(engine, (PEER, 8, 0, 0), now=111.0)
    assert engine.reset_node_state_if_update(PEER, [], 99, 0, 111.0), "once back, it is collected no more"


def test_an_unknown_node_is_created_with_heartbeat_0_and_collected_one_day() -> None:
    engine = make_engine(dead_node_grace_period=100.0)
    assert engine.reset_node_state_if_update(PEER, [("k", "v", 3, SET)], 5, 2, 0.0)
    state = held(engine, PEER)
    assert (state.heartbeat, state.max_version, state.last_gc_version) == (0, 5, 2)
    assert engine.take_events() == [NodeJoined(PEER)]
    engine.round(1.0)
    assert engine.dead_nodes == [PEER]
    engine.round(101.0)
    assert engine.state(PEER) is None


def test_one_too_many_is_ignored() -> None:
    engine = make_engine(max_known_nodes=1)
    assert not engine.reset_node_state_if_update(PEER, [], 5, 0, 0.0)
    assert [s.id for s in engine.states] == [SELF]


@pytest.mark.parametrize(
    "given",
    [
        [("z", "x", 11, SET)],
        [("z", "x", 0, SET)],
        [("z", "x", 8, SET), ("z", "y", 9, SET)],
        [("z", "x", 8, SET), ("y", "x", 8, SET)],
    ],
)
def test_a_state_that_contradicts_itself_is_the_callers_error(given: list[Kv]) -> None:
    engine = engine_with()
    before = snapshot(engine)
    with pytest.raises(StateUpdateError):
        engine.reset_node_state_if_update(PEER, given, 10, 0, 5.0)
    assert snapshot(engine) == before


def test_gossip_goes_on_from_there() -> None:
    engine = engine_with()
    engine.reset_node_state_if_update(PEER, [("k", "v", 9, SET)], 10, 3, 5.0)
    hear_delta(engine, delta_of(PEER, ("k", "w", 11, SET), gc=3, from_version=10), now=6.0)
    assert contents(held(engine, PEER)) == [("k", "w", 11, SET)]


@pytest.mark.parametrize(
    ("value", "version", "max_version", "last_gc_version"),
    [("x", 2**64, 2**64, 0), ("x", 1, 2**64, 0), ("x", 1, 9, 2**64), ("x", 1, 9, -1), ("x" * 65_536, 1, 9, 0)],
)
def test_what_the_wire_cannot_carry_is_the_callers_error(
    value: str, version: int, max_version: int, last_gc_version: int
) -> None:
    engine = engine_with()
    with pytest.raises(StateUpdateError):
        engine.reset_node_state_if_update(PEER, [("k", value, version, SET)], max_version, last_gc_version, 5.0)
    assert contents(held(engine, PEER)) == HELD
