"""Mutated datagrams into a gossip engine, with bounds on what it keeps, answers and computes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import process_time
from typing import Any

from coterie.gossip import Address, Engine, GossipConfig
from coterie.gossip.wire.messages import Ack, BadCluster, Syn, SynAck
from coterie.gossip.wire.stripe import Stripe
from tests.gossip.encoding import encode
from tests.gossip.helpers import DELETE, SELF, SET, TTL, delta_of, digest_of, make_engine, node
from tests.verify.front_fuzz.mutations import mutate

CONFIG: dict[str, Any] = {
    "max_known_nodes": 200,
    "max_node_bytes": 400_000,
    "max_foreign_bytes": 2_000_000,
    "max_joining_bytes": 500_000,
    "max_keys_per_node": 500,
}

MOST_CPU_SECONDS = 0.5
"""Processor time of one datagram: thirty times what the largest one takes on a quiet machine."""

SIZES, STATUSES = (0, 5, 900), (SET, DELETE, TTL)

WORDS = [b"\0" * 8, b"\xff" * 8, b"\x01\0\0", b"\x02", b"\0", b"\x01\xff\xff", b"\x53\xb0\0\0", b"\x28\xb5\x2f\xfd"]


def corpus(random: Random) -> list[bytes]:
    """Valid messages about ten nodes, from tiny ones to full ones."""
    nodes = [node(f"n{i}", port=7_000 + i) for i in range(10)]
    made = []
    for count in (0, 1, 10):
        some = nodes[:count]
        digest = digest_of(*((each, random.randint(1, 50), 0, random.randint(0, 9)) for each in some))
        delta = [
            delta_of(
                each,
                *(
                    (f"k{v}", "v" * random.choice((0, 5, 900)), v, random.choice((SET, DELETE, TTL)))
                    for v in range(1, 30)
                ),
            )
            for each in some
        ]
        for version in (0, 1):
            made += [
                encode(Syn(digest, "testing", version=version)),
                encode(Syn(digest, "testing", Stripe(3, 5), version)),
                encode(SynAck(digest, delta, version=version)),
                encode(Ack(delta, version)),
            ]
    names = digest_of(*((node(f"invented-{random.random()}", port=i), 5, 0, 0) for i in range(900)))
    return [*made, encode(Syn(names, "testing")), encode(BadCluster())]


@dataclass
class Figures:
    datagrams: int = 0
    longest_cpu_seconds: float = 0.0
    most_held_bytes: int = 0
    most_known: int = 0


def fuzz(datagrams: int, seed: int) -> Figures:
    """Raises AssertionError, with the seed, at the first breach."""
    random = Random(seed)
    engine = make_engine(key_values=[("own", "value")], **CONFIG)
    config = engine.config
    valid = corpus(random)
    sources = [Address("127.0.0.1", 7_000 + i) for i in range(10)]
    figures = Figures()
    now = 0.0
    for number in range(datagrams):
        data = random.choice(valid)
        if random.random() < 0.85:
            data = mutate(data, random, valid, WORDS)
        data = data[:65_507]
        now += 0.005
        before = process_time()
        answers = engine.receive(data, random.choice(sources), now)
        figures.longest_cpu_seconds = max(figures.longest_cpu_seconds, process_time() - before)
        assert all(len(answer) <= config.max_datagram_bytes for _, answer in answers), f"seed {seed}, {number}"
        if number % 100 == 0:
            engine.round(now)
            engine.take_events()
            _check(engine, config, figures, f"seed {seed}, datagram {number}")
    figures.datagrams = datagrams
    return figures


def _check(engine: Engine, config: GossipConfig, figures: Figures, note: str) -> None:
    others = [state for state in engine.states if state is not engine.own]
    held = sum(kv.held_bytes for state in others for kv in state.key_values.values())
    figures.most_held_bytes = max(figures.most_held_bytes, held)
    figures.most_known = max(figures.most_known, len(engine.states))
    assert len(engine.states) <= config.max_known_nodes, note
    assert held <= config.max_foreign_bytes + config.max_joining_bytes + config.max_delta_bytes, note
    assert all(len(state.key_values) <= config.max_keys_per_node for state in others), note
    assert figures.longest_cpu_seconds <= MOST_CPU_SECONDS, note
    assert engine.own.id == SELF
    assert [(kv.key, kv.value) for kv in engine.own.visible()] == [("own", "value")], note
