"""What others' key-values may take of this node's memory (gossip spec 4)."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.gossip import Engine, KeyValue, NodeId, TooManyKeysError
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.key_value import SET
from tests.gossip.helpers import SELF, hear, hear_delta, held, make_engine, node, revive

LIMITS: dict[str, Any] = {"max_node_bytes": 500_000, "max_foreign_bytes": 1_000_000, "max_joining_bytes": 200_000}


def flood(engine: Engine, owner: NodeId, datagrams: int) -> None:
    """Ten values of 10 kB a datagram."""
    for _ in range(datagrams):
        at = held(engine, owner).max_version
        more = [KeyValue.make(f"k{v}", "a" * 10_000, v, SET) for v in range(at + 1, at + 11)]
        hear_delta(engine, NodeDelta(owner, 0, at, more, at + 10), now=1.0)


def measured(engine: Engine) -> int:
    for state in engine.states:
        assert state.held_bytes == sum(len(kv.op) + 256 for kv in state.key_values.values())
    return sum(state.held_bytes for state in engine.states if state.id != SELF)


def test_a_living_node_takes_its_part_and_no_more() -> None:
    engine, peer = make_engine(**LIMITS), node("peer")
    revive(engine, peer, start=0.0)
    flood(engine, peer, 50)
    assert 480_000 < measured(engine) <= 500_000


def test_nodes_that_never_lived_share_a_small_part() -> None:
    engine = make_engine(**LIMITS)
    owners = [node(f"n{i}") for i in range(20)]
    hear(engine, *((owner, 1, 0, 0) for owner in owners), now=0.0)
    for owner in owners:
        flood(engine, owner, 5)
    assert 180_000 < measured(engine) <= 200_000


def test_all_nodes_are_bounded_together_and_none_takes_the_room_of_all() -> None:
    engine = make_engine(**LIMITS)
    greedy = [node(f"greedy{i}") for i in range(5)]
    modest = node("modest")
    revive(engine, *greedy, modest, start=0.0)
    for owner in greedy:
        flood(engine, owner, 10)
    assert 900_000 < measured(engine) <= 1_500_000
    hear_delta(engine, NodeDelta(modest, 0, 0, [KeyValue.make("k", "v", 1, SET)], 1), now=1.0)
    assert held(engine, modest).get("k") is not None


def test_room_comes_back_when_keys_go_and_overwrites_cost_what_they_add() -> None:
    engine, peer = make_engine(**LIMITS), node("peer")
    revive(engine, peer, start=0.0)
    for version in range(1, 200):
        hear_delta(
            engine, NodeDelta(peer, 0, version - 1, [KeyValue.make("k", "a" * 9_000, version, SET)], version), now=1.0
        )
    assert held(engine, peer).max_version == 199
    assert measured(engine) < 10_000


def test_a_node_writes_no_more_than_others_take() -> None:
    engine = make_engine(**LIMITS)
    for i in range(48):
        engine.set(f"k{i}", "a" * 10_000, 0.0)
    with pytest.raises(TooManyKeysError, match="max_node_bytes"):
        engine.set("k48", "a" * 10_000, 0.0)
    assert 480_000 < engine.own.held_bytes <= 500_000
    engine.set("k0", "b" * 10_000, 0.0)
