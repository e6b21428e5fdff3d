"""Digests past the size of a datagram (gossip spec 9)."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coterie.gossip import Engine, NodeId
from coterie.gossip.events.events import StripesChanged
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import Decoder, Syn, SynAck
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.encoding import encode
from tests.gossip.helpers import SELF, UNKNOWN_PEER, decode_one, digest_of, hear, make_engine, node
from tests.gossip.strategies import stripes

PEER = node("peer", 1, 99)


def small_engine(**settings: Any) -> Engine:
    """An engine whose digest is striped from some 140 identities on."""
    return make_engine(max_datagram_bytes=6_000, max_digest_bytes=1_200, **settings)


def entry(identity: NodeId) -> int:
    """Size of a digest entry: 41 + len(node_id) over IPv4."""
    return len(identity.encoded) + 24


def names(count: int, prefix: str = "n") -> list[NodeId]:
    return [node(f"{prefix}{i}", 1, 1_000) for i in range(count)]


def know(engine: Engine, nodes: list[NodeId], now: float = 0.0) -> None:
    """Let the engine hear of many identities."""
    for at in range(0, len(nodes), 50):
        hear(engine, *((n, 1, 0, 0) for n in nodes[at : at + 50]), now=now)


def stripe_of(identity: NodeId, bits: int) -> int:
    return crc32(identity.node_id.encode()) & ((1 << bits) - 1)


def listed(digest: Digest) -> list[bytes]:
    return list(digest.ids)


def fewest_bits(nodes: list[NodeId], limit: int) -> int:
    """The rule, in its own words: the smallest k, of at most 12, with every stripe within the limit."""
    for bits in range(1, 12):
        sizes = [2 + entry(SELF)] * (1 << bits)
        for n in [SELF, *nodes]:
            sizes[stripe_of(n, bits)] += entry(n)
        if max(sizes) <= limit:
            return bits
    return 12


# -- the trailer -------------------------------------------------------------------------------------------------------


def test_the_trailer_is_the_twelve_bytes_of_the_specification() -> None:
    head = bytes.fromhex("434F5431 01 03 0500")
    assert Stripe(3, 5).encode_trailer() == head + crc32(head).to_bytes(4, "little")
    assert WHOLE.encode_trailer() == b""


@given(stripes, st.binary(max_size=20))
def test_a_trailer_is_read_from_the_end(stripe: Stripe, before: bytes) -> None:
    assume(stripe != WHOLE or len(before) < 12)
    assert Stripe.decode_trailer(before + stripe.encode_trailer()) == stripe


def sealed(head: bytes) -> bytes:
    return head + crc32(head).to_bytes(4, "little")


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        Stripe(3, 5).encode_trailer()[1:],
        Stripe(3, 5).encode_trailer() + b"\0",
        sealed(struct.pack("<4sBBH", b"COT2", 1, 3, 5)),
        sealed(struct.pack("<4sBBH", b"COT1", 2, 3, 5)),
        sealed(struct.pack("<4sBBH", b"COT1", 1, 0, 0)),
        sealed(struct.pack("<4sBBH", b"COT1", 1, 13, 5)),
        sealed(struct.pack("<4sBBH", b"COT1", 1, 3, 8)),
    ],
)
def test_a_trailer_that_does_not_verify_counts_as_absent(tail: bytes) -> None:
    assert Stripe.decode_trailer(tail) == WHOLE


def test_every_bit_of_a_trailer_counts() -> None:
    whole = Stripe(3, 5).encode_trailer()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        assert Stripe.decode_trailer(bytes(flipped)) == WHOLE


def test_a_stripe_holds_the_nodes_of_whose_hash_it_names_the_low_bits() -> None:
    assert [h for h in range(16) if Stripe(3, 5).holds(h)] == [5, 13]
    assert Stripe(3, 5).within(Stripe(2, 1))
    assert not Stripe(3, 5).within(Stripe(2, 2))
    assert not Stripe(2, 1).within(Stripe(3, 5))
    assert Stripe(2, 1).within(WHOLE)


# -- what a Syn lists --------------------------------------------------------------------------------------------------


def next_syn(engine: Engine, now: float = 0.0) -> Syn:
    [(_, datagram)] = engine.open_handshakes([PEER.gossip_advertise_addr], now)
    assert len(datagram) <= engine.config.max_datagram_bytes
    message = Decoder().decode(datagram)
    assert isinstance(message, Syn)
    return message


def test_the_digest_is_whole_up_to_the_last_byte_of_the_datagram() -> None:
    room = 6_000 - 4 - 2 - len("testing") - 2 - entry(SELF)
    kept = []
    for n in names(115):
        kept.append(n)
        room -= entry(n)
    last = node("x" * (room - 41))
    for identity, bits in ((last, 0), (node("x" * (room - 40)), 1)):
        engine = small_engine()
        know(engine, [*kept, identity])
        assert (engine.stripe_bits > 0) == (bits > 0)
        message = next_syn(engine)
        assert (message.stripe == WHOLE) == (bits == 0)
        if not bits:
            assert len(encode(message)) == 6_000
            assert listed(message.digest) == [n.encoded for n in sorted([SELF, *kept, identity])]


@given(st.integers(150, 700), st.integers(0, 10**6))
@settings(max_examples=30)
def test_stripes_are_the_fewest_that_fit_and_turns_cover_them_all(count: int, start: int) -> None:
    nodes = names(count, f"{start}-")
    engine = small_engine()
    know(engine, nodes)
    assert engine.stripe_bits == fewest_bits(nodes, 1_200)
    seen: list[Stripe] = []
    for _ in range(1 << engine.stripe_bits):
        message = next_syn(engine)
        seen.append(message.stripe)
        within = [n for n in [SELF, *nodes] if stripe_of(n, message.stripe.bits) == message.stripe.number]
        assert sorted(listed(message.digest)) == sorted({SELF.encoded, *(n.encoded for n in within)})
        assert len(encode(message)) - 4 - 2 - len("testing") - 12 <= 1_200
    assert sorted(seen) == [Stripe(engine.stripe_bits, number) for number in range(1 << engine.stripe_bits)]
    assert next_syn(engine).stripe == seen[0]


def test_a_digest_a_little_past_the_datagram_is_cut_in_two() -> None:
    engine = make_engine()
    know(engine, names(1_400, "a-name-of-some-length-"))
    assert engine.digest_bytes > 65_507
    assert engine.stripe_bits == 1


def test_a_striped_syn_lists_the_sender_first_then_the_stripe_by_node_id() -> None:
    engine = small_engine()
    nodes = names(300)
    know(engine, nodes)
    for _ in range(1 << engine.stripe_bits):
        [(_, datagram)] = engine.open_handshakes([PEER.gossip_advertise_addr], 0.0)
        stripe = Stripe.decode_trailer(datagram)
        expected = [SELF, *sorted(n for n in [SELF, *nodes] if stripe_of(n, stripe.bits) == stripe.number)]
        at = 6
        for identity in expected:
            assert datagram[at:].startswith(identity.encoded)
            at += entry(identity)


# -- what an answer lists ----------------------------------------------------------------------------------------------


def ask(engine: Engine, stripe: Stripe, now: float = 0.0) -> SynAck:
    sent = engine.receive(encode(Syn(digest_of((PEER, 1, 0, 0)), "testing", stripe)), UNKNOWN_PEER, now)
    message = decode_one(sent)
    assert isinstance(message, SynAck)
    return message


def check_answer(engine: Engine, nodes: list[NodeId], asked: Stripe, answer: SynAck) -> None:
    assert answer.stripe.within(asked)
    of_it = {n.encoded for n in [PEER, *nodes] if answer.stripe.holds(n.stripe_hash)}
    assert set(listed(answer.digest)) == {SELF.encoded, *of_it}
    assert 2 + sum(len(i) + 24 for i in answer.digest.ids) <= engine.config.max_digest_bytes


def test_a_stripe_is_answered_with_the_same_stripe_where_it_fits() -> None:
    engine, nodes = small_engine(), names(300)
    know(engine, [*nodes, PEER])
    for number in range(1 << engine.stripe_bits):
        asked = Stripe(engine.stripe_bits, number)
        answer = ask(engine, asked)
        assert answer.stripe == asked
        check_answer(engine, nodes, asked, answer)


@pytest.mark.parametrize("asked", [WHOLE, Stripe(1, 1), Stripe(2, 2)])
def test_what_does_not_fit_is_answered_with_finer_stripes_within_it_in_turn(asked: Stripe) -> None:
    engine, nodes = small_engine(), names(600)
    know(engine, [*nodes, PEER])
    answers = [ask(engine, asked) for _ in range(64)]
    for answer in answers:
        assert answer.stripe.bits > asked.bits
        check_answer(engine, nodes, asked, answer)
    covered = set().union(*(set(listed(a.digest)) for a in answers))
    assert covered == {SELF.encoded, *(n.encoded for n in [PEER, *nodes] if asked.holds(n.stripe_hash))}


def test_a_small_node_answers_any_stripe_with_that_stripe() -> None:
    engine, nodes = make_engine(), names(20)
    know(engine, [*nodes, PEER])
    for asked in (WHOLE, Stripe(1, 0), Stripe(12, 4095)):
        answer = ask(engine, asked)
        assert answer.stripe == asked


# -- what growing does to the detector ---------------------------------------------------------------------------------


def run_rounds(engine: Engine, start: float, count: int) -> float:
    for i in range(count):
        engine.round(start + 0.5 * i)
    return start + 0.5 * count


def test_growing_by_d_bits_multiplies_intervals_and_their_maximum_by_2_to_the_d_once() -> None:
    engine = small_engine(phi_threshold=1e9)
    for beat in range(4):
        hear(engine, (PEER, 1 + beat, 0, 0), now=0.5 * beat)
    now = run_rounds(engine, 2.0, 3)
    state = engine.state(PEER)
    assert state is not None
    assert list(state.liveness.intervals) == [0.5] * 2
    know(engine, names(300), now)
    bits = engine.stripe_bits
    assert bits >= 3
    now = run_rounds(engine, now, 5)
    assert list(state.liveness.intervals) == [0.5 * 2**bits] * 2
    assert engine.detector.max_interval == 10.0 * 2**bits
    know(engine, names(600, "m"), now)
    more = engine.stripe_bits
    assert more > bits
    run_rounds(engine, now, 5)
    assert list(state.liveness.intervals) == [0.5 * 2**more] * 2
    assert engine.detector.max_interval == 10.0 * 2**more
    assert [e.bits for e in engine.take_events() if isinstance(e, StripesChanged)] == [bits, more]


def test_shrinking_for_a_while_and_growing_again_does_not_scale_twice() -> None:
    """At the edge of a datagram a cluster would otherwise scale its intervals at each step to and fro."""
    engine = small_engine(dead_node_grace_period=10.0)
    know(engine, names(300))
    bits, now = engine.stripe_bits, 0.0
    now = run_rounds(engine, now, 12)
    assert engine.stripe_bits == 0, "all that were heard of are scheduled for deletion"
    assert engine.detector.max_interval == 10.0 * 2**bits
    for beat in range(3):
        hear(engine, (PEER, 1 + beat, 0, 0), now=now + 0.1 * beat)
    know(engine, names(300, "again"), now)
    run_rounds(engine, now + 0.3, 1)
    state = engine.state(PEER)
    assert state is not None
    assert engine.stripe_bits == bits
    assert list(state.liveness.intervals) == pytest.approx([0.1], abs=1e-6)
    assert engine.detector.max_interval == 10.0 * 2**bits


def test_after_a_long_time_with_fewer_stripes_the_maximum_is_back_to_what_it_was() -> None:
    engine = small_engine(dead_node_grace_period=10.0)
    know(engine, names(300))
    bits = engine.stripe_bits
    now = run_rounds(engine, 0.0, 60)
    assert engine.detector.max_interval == 10.0 * 2**bits
    now = run_rounds(engine, now, 120)
    assert (engine.stripe_bits, engine.detector.max_interval) == (0, 10.0)
    know(engine, names(300, "again"), now)
    run_rounds(engine, now, 1)
    assert engine.detector.max_interval == 10.0 * 2**engine.stripe_bits > 10.0
