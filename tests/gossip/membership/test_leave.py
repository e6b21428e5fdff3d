"""Leaving and forgetting: a node that left is dead at once, and a live node is not forgotten."""

from __future__ import annotations

from coterie.gossip import LEFT_KEY, NodeDead, NodeRemoved
from tests.gossip.helpers import DELETE, SET, Wire, delta_of, hear, hear_delta, held, make_engine, node, revive

A, B, C = node("a", port=1), node("b", port=2), node("c", port=3)


def company() -> Wire:
    """Three nodes that have known each other for a while."""
    wire = Wire(make_engine(A), make_engine(B, seed=2), make_engine(C, seed=3))
    wire.introduce()
    for number in range(20):
        wire.round(number * 0.5)
    for engine in wire.engines.values():
        assert engine.live_nodes == [A, B, C]
        engine.take_events()
    return wire


def test_a_node_that_left_is_dead_before_the_next_round() -> None:
    wire = company()
    a, b, c = wire.engines.values()
    a.leave(1_700_000_000.9, 10.0)
    for _ in range(2):  # told, and shown to know
        wire.carry(a, a.announce_leave(5, 10.0), 10.0)
    assert a.leave_acknowledged == 2
    assert a.announce_leave(5, 10.0) == []
    for other in (b, c):
        assert other.live_nodes == [B, C]
        assert [e for e in other.take_events() if isinstance(e, NodeDead)] == [NodeDead(A, left=True)]
        state = held(other, A)
        assert (state.left, state.key_values[LEFT_KEY].value) == (True, "1700000000")
    # It goes on for a while, and its heartbeats do not bring it back.
    for number in range(20, 40):
        wire.round(number * 0.5)
        assert b.live_nodes == c.live_nodes == [B, C]
    assert b.dead_nodes == c.dead_nodes == [A]
    assert not any(isinstance(e, NodeDead) for other in (b, c) for e in other.take_events())


def test_only_so_many_are_told_and_lost_datagrams_are_sent_again() -> None:
    wire = company()
    a = wire.engines[A.gossip_advertise_addr]
    a.leave(0.0, 10.0)
    first = a.announce_leave(1, 10.0)
    assert len(first) == 1
    assert len(a.announce_leave(1, 10.1)) == 1, "nobody has answered"
    for _ in range(2):
        for each in a.announce_leave(1, 10.2):
            wire.carry(a, [each], 10.2)
    while sent := a.announce_leave(1, 10.3):
        wire.carry(a, sent, 10.3)
    assert a.leave_acknowledged in (1, 2)
    assert make_engine().announce_leave(5, 0.0) == []


def test_a_node_that_has_just_started_tells_those_whom_it_knows_by_hearsay() -> None:
    wire = company()
    late = make_engine(node("late", port=4), seed=4)
    late.seeds = [A.gossip_advertise_addr]
    wire.engines[late.own.id.gossip_advertise_addr] = late
    wire.carry(late, late.round(10.0), 10.0)
    assert late.live_nodes == [late.own.id]
    late.leave(0.0, 10.1)
    for _ in range(2):
        wire.carry(late, late.announce_leave(2, 10.1), 10.1)
    assert late.leave_acknowledged >= 1
    assert late.announce_leave(2, 10.1) == []
    knowing = [e for e in wire.engines.values() if (seen := e.state(late.own.id)) is not None and seen.left]
    assert len(knowing) >= 2


def test_the_next_generation_has_not_left() -> None:
    wire = company()
    a, b, _ = wire.engines.values()
    a.leave(0.0, 10.0)
    for _ in range(2):
        wire.carry(a, a.announce_leave(5, 10.0), 10.0)
    again = node("a", generation=2, port=1)
    revive(b, again, start=11.0)
    assert again in b.live_nodes
    assert A not in b.live_nodes


def test_a_deleted_left_key_counts_no_more() -> None:
    engine = make_engine()
    revive(engine, A, start=0.0)
    hear_delta(engine, delta_of(A, (LEFT_KEY, "1", 5, SET)), now=3.0)
    assert engine.live_nodes == [engine.own.id]
    hear_delta(engine, delta_of(A, (LEFT_KEY, "", 6, DELETE), from_version=5), now=3.1)
    revive(engine, A, start=3.5)
    assert A in engine.live_nodes


def test_the_dead_are_forgotten_and_not_brought_back_by_hearsay() -> None:
    engine = make_engine()
    old, new = node("x", 1, 9), node("x", 2, 9)
    revive(engine, old, new, A, start=0.0)
    revive(engine, A, start=2.5, beats=200)
    engine.take_events()
    assert engine.forget("x", 1) == [old]
    assert engine.take_events() == [NodeRemoved(old)]
    assert engine.forget("x", 7) == [new]
    assert engine.forget("x", 7) == []
    assert engine.forget("a", 7) == [], "it is alive"
    assert engine.forget("self", 7) == []
    hear(engine, (old, 5, 0, 0), (new, 5, 0, 0), now=103.0)
    assert engine.state(old) is None
    assert engine.state(new) is None
    hear(engine, (new, 6, 0, 0), now=103.0)
    assert engine.state(new) is not None, "it lives after all"
