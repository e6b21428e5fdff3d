"""The watch on the live set: when it fires, and what subscribers get (gossip spec 5)."""

from __future__ import annotations

from coterie.gossip import Engine, NodeId, NodeState
from coterie.gossip.events.events import LiveSetChanged
from tests.gossip.helpers import SELF, SET, TTL, delta_of, hear, hear_delta, held, make_engine, node, revive

A, B = node("a"), node("b")


def fired(engine: Engine) -> list[list[NodeId]]:
    """The live sets reported since the last call, each by node id."""
    return [sorted(e.live) for e in engine.take_events() if isinstance(e, LiveSetChanged)]


def settled(engine: Engine, *peers: NodeId) -> float:
    """Make peers alive and drop the events of that; returns the time of the last round."""
    now = revive(engine, *peers, start=0.0)
    assert fired(engine)
    return now


def test_nothing_is_told_before_the_first_round_and_self_after_it() -> None:
    engine = make_engine()
    assert fired(engine) == []
    engine.round(0.0)
    assert fired(engine) == [[SELF]]
    engine.round(0.5)
    assert fired(engine) == []


def test_it_fires_when_a_node_comes_alive_and_when_it_dies() -> None:
    engine = make_engine()
    now = revive(engine, A, start=0.0)
    assert fired(engine) == [[SELF], [A, SELF]]
    for i in range(1, 60):
        engine.round(now + 0.5 * i)
    assert fired(engine) == [[SELF]]


def test_a_newcomer_that_is_not_alive_fires_nothing() -> None:
    engine = make_engine()
    engine.round(0.0)
    fired(engine)
    hear(engine, (A, 1, 0, 0), now=0.5)
    engine.round(0.5)
    assert fired(engine) == []


def test_heartbeats_alone_never_fire() -> None:
    engine = make_engine()
    now = settled(engine, A, B)
    revive(engine, A, B, start=now + 0.5, beats=20)
    assert fired(engine) == []


def test_it_fires_on_a_version_of_a_live_node_once_a_round() -> None:
    engine = make_engine()
    now = settled(engine, A)
    hear_delta(engine, delta_of(A, ("k", "v", 1, SET)), now=now)
    hear_delta(engine, delta_of(A, ("k", "w", 2, SET)), now=now)
    engine.set("own", "1", now)
    assert fired(engine) == [], "it is compared once a round, after evaluation"
    engine.round(now + 0.5)
    assert fired(engine) == [[A, SELF]]
    engine.set("own", "1", now)
    engine.round(now + 1.0)
    assert fired(engine) == [], "a write that changes nothing fires nothing"
    engine.set("own", "2", now)
    engine.round(now + 1.5)
    assert fired(engine) == [[A, SELF]]


def test_it_does_not_fire_on_a_version_of_a_dead_node() -> None:
    engine = make_engine()
    now = settled(engine, A)
    hear(engine, (B, 1, 0, 0), now=now)
    hear_delta(engine, delta_of(B, ("k", "v", 1, SET)), now=now)
    engine.round(now + 0.5)
    assert fired(engine) == []


def test_it_fires_when_collection_removes_a_visible_key() -> None:
    engine = make_engine(marked_for_deletion_grace_period=10.0, phi_threshold=1e9)
    now = settled(engine, A)
    hear_delta(engine, delta_of(A, ("t", "v", 1, TTL)), now=now)
    engine.round(now + 0.5)
    assert fired(engine) == [[A, SELF]]
    engine.round(now + 9.5)
    assert fired(engine) == []
    engine.round(now + 10.0)
    assert fired(engine) == [[A, SELF]]
    engine.round(now + 10.5)
    assert fired(engine) == []


def test_it_does_not_fire_when_collection_removes_a_tombstone() -> None:
    engine = make_engine(key_values=[("k", "v")], marked_for_deletion_grace_period=10.0)
    engine.delete("k", 0.0)
    engine.round(0.0)
    fired(engine)
    engine.round(10.0)
    assert (engine.own.last_gc_version, fired(engine)) == (2, [])


def test_the_extra_predicate_filters_what_subscribers_get() -> None:
    def ready(state: NodeState) -> bool:
        return state.get("ready") is not None

    engine = make_engine(live_filter=ready)
    now = revive(engine, A, start=0.0)
    # Told at each change of the unfiltered set: self at first, then A. The predicate hides both.
    assert fired(engine) == [[], []]
    hear_delta(engine, delta_of(A, ("ready", "yes", 1, SET)), now=now)
    engine.round(now + 0.5)
    assert fired(engine) == [[A]]
    engine.set("ready", "yes", now)
    engine.round(now + 1.0)
    assert fired(engine) == [[A, SELF]]


def test_subscribers_get_the_states() -> None:
    engine = make_engine()
    revive(engine, A, start=0.0)
    told = [e for e in engine.take_events() if isinstance(e, LiveSetChanged)][-1]
    assert told.live == {A: held(engine, A), SELF: engine.own}
