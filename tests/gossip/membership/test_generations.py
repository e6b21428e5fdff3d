"""A process that restarts all day: generations of one node_id are bounded (gossip spec 5, 9)."""

from __future__ import annotations

from random import Random

from coterie.gossip import Address, Engine, GossipConfig, NodeId
from coterie.gossip.membership.membership import MAX_GENERATIONS
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import Syn
from tests.gossip.encoding import encode

PEER = Address("127.0.0.1", 7)


def shown(*nodes: NodeId) -> bytes:
    ids = tuple(node.encoded for node in nodes)
    ones = (1,) * len(ids)
    return encode(Syn(Digest(ids, ones, ones, ones), "testing"))


def restarted(generation: int) -> NodeId:
    return NodeId("crash-looping-worker", generation, PEER)


def an_engine() -> Engine:
    return Engine(GossipConfig(), NodeId("self", 1, Address("127.0.0.1", 1)), Random(0), now=0.0)


def test_the_oldest_dead_generation_makes_way_and_datagrams_stay_whole() -> None:
    engine = an_engine()
    for generation in range(1, 1_401):
        engine.receive(shown(restarted(generation)), PEER, float(generation))
        engine.round(float(generation))
    held = [s.id.generation for s in engine.states if s.id.node_id == "crash-looping-worker"]
    assert held == list(range(1_401 - MAX_GENERATIONS, 1_401))
    assert engine.stripe_bits == 0


def test_an_older_generation_than_all_that_are_held_is_not_taken_in() -> None:
    engine = an_engine()
    for generation in range(10, 10 + MAX_GENERATIONS):
        engine.receive(shown(restarted(generation)), PEER, 1.0)
    engine.receive(shown(restarted(9)), PEER, 1.0)
    assert engine.state(restarted(9)) is None
    assert engine.counters["identities_over_limit"] == 1
