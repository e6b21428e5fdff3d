"""The metrics of an engine: in which state a node counts, and that sizes follow what is held."""

from __future__ import annotations

from coterie.gossip import MetricsSampler
from tests.gossip.helpers import Wire, make_engine, node

A, B, C = node("a", port=1), node("b", port=2), node("c", port=3)


def test_nodes_are_counted_by_state_and_those_that_left_are_no_dead_ones() -> None:
    wire = Wire(make_engine(A), make_engine(B, seed=2), make_engine(C, seed=3))
    a, b, _ = wire.engines.values()
    sampler = MetricsSampler(b)
    wire.introduce()
    wire.round(0.0)
    first = sampler.sample(0.0)
    assert (first.live, first.joining, first.dead, first.left) == (1, len(b.states) - 1, 0, 0)
    assert first.joining > 0
    for number in range(1, 20):
        wire.round(number * 0.5)
    company = sampler.sample(9.5)
    assert (company.live, company.joining, company.dead, company.left) == (3, 0, 0, 0)
    assert len(company.phis) == len(company.silences) == 2
    a.leave(1_700_000_000.0, 10.0)
    for _ in range(2):
        wire.carry(a, a.announce_leave(5, 10.0), 10.0)
    after = sampler.sample(10.0)
    assert (after.live, after.joining, after.dead, after.left) == (2, 0, 0, 1)
    assert (b.counters["nodes_left"], b.counters["nodes_dead"]) == (1, 0)
    b._membership.evaluate(10_000.0)
    silent = sampler.sample(10_000.0)
    assert (silent.live, silent.dead, silent.left) == (1, 1, 1)
    assert (b.counters["nodes_left"], b.counters["nodes_dead"]) == (1, 1)


def test_sizes_follow_what_is_held() -> None:
    engine = make_engine(A)
    sampler = MetricsSampler(engine)
    assert (sampler.sample(0.0).key_values, sampler.sample(0.0).key_value_bytes) == (0, 0)
    kv = engine.set("key", "value", 0.0)
    assert kv is not None
    assert (sampler.sample(0.0).key_values, sampler.sample(0.0).key_value_bytes) == (1, len(kv.op))
    longer = engine.set("key", "a longer value", 0.0)
    assert longer is not None
    assert sampler.sample(0.0).key_value_bytes == len(longer.op)
