"""Every datagram a node emits fits UDP, by construction, whatever the cluster (gossip spec 4, 9)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coterie.gossip import Address, Engine, NodeId
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.messages import Ack, Decoder, Syn, SynAck
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.encoding import encode
from tests.gossip.helpers import SELF, SET, delta_of, digest_of, hear, hear_delta, make_engine, node
from tests.gossip.strategies import stripes
from tests.gossip.wire.blocks import split_blocks

LIMIT = 65_507
PEER = node("peer", 1, 9_999)
PEER_AT = PEER.gossip_advertise_addr


class Cluster:
    """An engine that knows a cluster made up from a seed, and what a peer may say to it."""

    def __init__(self, seed: int, count: int, longest_name: int, own_name: int, cluster_id: str) -> None:
        self.rng = Random(seed)
        own = NodeId("o" * own_name, 1, Address("2001:db8::1", 1))
        self.engine = make_engine(own, seed=seed, cluster_id=cluster_id, max_key_value_bytes=60_000)
        self.nodes = [self.named(i, longest_name) for i in range(count)]
        for _ in range(self.rng.randrange(4)):
            self.engine.set(f"own{self.rng.random()}", self.noise(self.rng.choice([10, 1_000, 16_000, 59_900])), 0.0)
        for at in range(0, count, 100):
            some = self.nodes[at : at + 100]
            hear(self.engine, *((n, 1, 0, 0) for n in some), now=0.0, cluster_id=cluster_id)
            hear_delta(self.engine, *(self.state_of(n) for n in some if self.rng.random() < 0.7), now=0.0)

    def named(self, i: int, longest: int) -> NodeId:
        name = f"{i}-".ljust(self.rng.randint(5, max(5, longest)), "n")
        return NodeId(name, i, Address(self.rng.choice(["10.0.0.1", "2001:db8::2"]), 1_000))

    def noise(self, size: int) -> str:
        return "".join(map(chr, self.rng.choices(range(33, 127), k=size)))

    def state_of(self, owner: NodeId) -> NodeDelta:
        sizes = self.rng.choices([0, 30, 500, 3_000, 16_300], weights=[10, 30, 10, 3, 1], k=self.rng.randint(1, 4))
        kvs = [(f"key{v}", self.noise(size), v, SET) for v, size in enumerate(sizes, start=1)]
        return delta_of(owner, *kvs, gc=self.rng.choice([0, 0, 1]))

    def shown(self) -> list[tuple[NodeId, int, int, int]]:
        """A digest that a peer may send: some of the nodes, at some versions, and itself."""
        some = self.rng.sample(self.nodes, self.rng.randint(0, min(len(self.nodes), 40)))
        return [(PEER, 1, 0, 0), *((n, 2, 0, self.rng.randint(0, 4)) for n in some)]


def check(engine: Engine, sent: list[tuple[Address, bytes]]) -> None:
    for _, datagram in sent:
        assert len(datagram) <= LIMIT
        assert Decoder().decode(datagram) is not None
    assert sent


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([0, 5, 60, 300, 600]),
    longest_name=st.sampled_from([5, 70, 1_024]),
    own_name=st.sampled_from([1, 1_024]),
    cluster_id=st.sampled_from(["", "c" * 1_024]),
    asked=stripes,
)
@example(seed=1, count=600, longest_name=1_024, own_name=1_024, cluster_id="c" * 1_024, asked=WHOLE)
@example(seed=2, count=600, longest_name=1_024, own_name=1_024, cluster_id="c" * 1_024, asked=Stripe(1, 1))
def test_no_datagram_is_larger_than_udp_takes(
    seed: int, count: int, longest_name: int, own_name: int, cluster_id: str, asked: Stripe
) -> None:
    cluster = Cluster(seed, count, longest_name, own_name, cluster_id)
    engine = cluster.engine
    engine.seeds = [PEER_AT]
    for now in (1.0, 1.5, 2.0):
        check(engine, engine.round(now))
        check(engine, engine.open_handshakes([PEER_AT], now))
        for stripe in (WHOLE, asked):
            syn = Syn(digest_of(*cluster.shown()), cluster_id, stripe)
            check(engine, engine.receive(encode(syn), PEER_AT, now))
            syn_ack = SynAck(digest_of(*cluster.shown()), [], stripe)
            check(engine, engine.receive(encode(syn_ack), PEER_AT, now))


def grow_digest(engine: Engine, size: int) -> None:
    """Let an engine hear of nodes until its whole digest takes exactly `size` bytes."""
    i = 0
    while left := size - engine.digest_bytes:
        name = f"{i}-".ljust(200 if left > 2 * 241 else (left - 41 if left <= 1_000 else left // 2 - 41), "n")
        hear(engine, (node(name), 1, 0, 0), now=0.0, source=PEER_AT)
        i += 1
    assert engine.digest_bytes == size


def engine_with_digest_of(size: int) -> Engine:
    """An engine with such a digest, and with far more to tell than fits beside it."""
    engine = make_engine()
    for i in range(5):
        engine.set(f"k{i}", incompressible(16_000 + i), 0.0)
    grow_digest(engine, size)
    return engine


WHOLE_IN_SYN = LIMIT - 4 - 2 - len("testing")
WHOLE_IN_SYN_ACK = LIMIT - 4 - 1


@pytest.mark.parametrize(
    ("size", "whole_syn", "whole_answer"),
    [
        (50_000, True, True),
        (WHOLE_IN_SYN, True, True),
        (WHOLE_IN_SYN + 1, False, True),
        (WHOLE_IN_SYN_ACK, False, True),
        (WHOLE_IN_SYN_ACK + 1, False, False),
    ],
)
def test_a_digest_is_whole_wherever_it_fits_to_the_byte(size: int, whole_syn: bool, whole_answer: bool) -> None:
    """In a SynAck even where little room is left for the delta; an answer that cannot be whole is striped."""
    engine = engine_with_digest_of(size)
    [(_, syn)] = engine.open_handshakes([PEER_AT], 1.0)
    assert (Stripe.decode_trailer(syn) == WHOLE) == whole_syn
    [(_, answer)] = engine.receive(encode(Syn(digest_of(), "testing")), PEER_AT, 1.0)
    message = Decoder().decode(answer)
    assert isinstance(message, SynAck)
    assert (message.stripe == WHOLE) == whole_answer
    for datagram in (syn, answer):
        assert len(datagram) <= LIMIT


def test_a_large_answer_uses_nearly_all_of_its_datagram() -> None:
    """So the bound holds because it is kept, not because little is sent."""
    engine = make_engine()
    rng = Random(1)
    for i in range(2_000):
        engine.set(f"k{i}", "".join(map(chr, rng.choices(range(33, 127), k=40))), 0.0)
    [(_, answer)] = engine.receive(encode(Syn(digest_of(), "testing")), PEER_AT, 0.0)
    assert 65_507 - 4_096 < len(answer) <= LIMIT


def incompressible(size: int) -> str:
    """Text of `size` bytes in UTF-8 in which nearly every byte is equally frequent."""
    rng = Random(size)
    kinds = rng.choices([(0, 0x80), (0x80, 0x800), (0x1000, 0xD000)], weights=[128, 30, 16], k=size)
    text, left = [], size
    for first, last in kinds:
        char = chr(rng.randrange(first, last))
        if len(char.encode()) <= left:
            text.append(char)
            left -= len(char.encode())
    return "".join(text)


@pytest.mark.parametrize("size", [45_000, 66_000])
def test_an_answer_is_filled_to_the_last_byte_and_no_further(size: int) -> None:
    """Beside a whole digest and beside a stripe with its trailer, with a value that zstd cannot shorten."""
    engine = make_engine(max_key_value_bytes=60_000)
    grow_digest(engine, size)
    asked = Stripe(engine.stripe_bits, 0)
    assert (asked == WHOLE) == (size < LIMIT)
    syn = encode(Syn(digest_of((SELF, 1, 0, 0)), "testing", asked))

    def answer() -> bytes:
        [(_, datagram)] = engine.receive(syn, PEER_AT, 1.0)
        return datagram

    empty = answer()
    room = LIMIT - len(empty)
    plain = next(n for n in range(room, 0, -1) if n + 3 * -(-n // 16_384) <= room)
    # A Node operation, and a KeyValue operation around its value.
    value_bytes = plain - (17 + len(SELF.encoded)) - (14 + len("k"))
    engine.set("k", incompressible(value_bytes), 1.0)
    assert len(answer()) == LIMIT
    engine.set("k", incompressible(value_bytes + 1), 1.0)
    assert len(answer()) == len(empty)


def test_the_largest_key_value_goes_out_in_an_ack() -> None:
    engine = make_engine(node("o" * 1_024), max_key_value_bytes=60_000)
    rng = Random(1)
    value = "".join(map(chr, rng.choices(range(0x80, 0x800), k=29_990)))
    engine.set("k" * 20, value, 0.0)
    syn_ack = SynAck(digest_of((engine.own.id, 1, 0, 0)))
    [(_, ack)] = engine.receive(encode(syn_ack), PEER_AT, 0.0)
    message = Decoder().decode(ack)
    assert isinstance(message, Ack)
    assert message.delta[0].key_values[0].value == value
    assert 40_000 < sum(len(stored) for _, stored, _ in split_blocks(ack[4:])) <= LIMIT


def test_names_longer_than_any_node_starts_with_never_fill_a_datagram() -> None:
    """Two of these would not fit one, and no stripe could part with either."""
    engine = make_engine()
    engine.seeds = [PEER_AT]
    for i in range(3):
        hear(engine, (node(f"{i}" * 40_000), 1, 0, 0), now=0.0, source=PEER_AT)
    assert engine.counters["identities_over_limit"] == 3
    check(engine, engine.round(1.0))
    check(engine, engine.receive(encode(Syn(digest_of(), "testing")), PEER_AT, 1.0))
    assert engine.stripe_bits == 0
