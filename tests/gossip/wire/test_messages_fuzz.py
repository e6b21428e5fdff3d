"""Bytes that are not a message never raise out of the receive path and never change state (gossip spec 2)."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coterie.gossip import Engine, WireError
from coterie.gossip.events.events import DatagramRejected
from coterie.gossip.wire.messages import Ack, Decoder, Message, Syn
from tests.gossip.encoding import encode
from tests.gossip.helpers import (
    SET,
    TTL,
    UNKNOWN_PEER,
    delta_of,
    digest_of,
    hear,
    hear_delta,
    make_engine,
    node,
    snapshot,
)
from tests.gossip.strategies import messages
from tests.gossip.wire.blocks import block, compress, skippable_frame

REASONS = {
    "short", "magic", "version", "kind", "utf-8", "ip-version", "block-tag", "zstd",
    "version-order", "digest-size", "status", "op-order", "node-twice", "op-tag",
}  # fmt: skip
"""The words that `WireError` says, each a metric's label: a small fixed set."""

VECTORS = [
    bytes.fromhex(entry["hex"])
    for name in ("valid", "oddities", "invalid", "version_1")
    for entry in json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text())
]
SMALL_VECTORS = [v for v in VECTORS if len(v) < 4_000]


def decode(datagram: bytes) -> Message | None:
    """The message, or None where it is refused in the one way that is allowed."""
    try:
        return Decoder().decode(datagram)
    except WireError as error:
        reason = error.reason
    assert reason in REASONS
    return None


def busy_engine() -> Engine:
    """A node that holds keys of every status, its own and another's."""
    engine = make_engine(key_values=[("a", "1"), ("b", "2")])
    engine.delete("a", 0.0)
    peer = node("peer")
    hear(engine, (peer, 1, 0, 0), (node("other"), 1, 0, 0), now=0.5)
    hear(engine, (peer, 2, 0, 0), now=0.75)
    hear_delta(engine, delta_of(peer, ("x", "1", 3, SET), ("y", "2", 4, TTL)), now=1.0)
    engine.round(1.0)
    engine.take_events()
    return engine


CARRY_DELTAS = {1, 2}
"""Kinds of messages: SynAck and Ack."""


def check_engine(datagram: bytes) -> None:
    """An engine takes the datagram, or rejects it and is as it was."""
    engine = busy_engine()
    before, counters = snapshot(engine), dict(engine.counters)
    message = decode(datagram)
    sent = engine.receive(datagram, UNKNOWN_PEER, 2.0)
    events = engine.take_events()
    if any(isinstance(event, DatagramRejected) for event in events):
        assert message is None
        assert sent == []
        assert snapshot(engine) == before
        assert [type(e) for e in events] == [DatagramRejected]
        changed = {name: n for name, n in engine.counters.items() if n != counters.get(name, 0)}
        assert list(changed.values()) == [1]
        assert next(iter(changed)).startswith("rejected_")
    else:
        # What is wrong inside an operation that this engine does not want, it steps over.
        assert message is not None or datagram[3] in CARRY_DELTAS
        assert engine.counters["received_" + {0: "syn", 1: "syn_ack", 2: "ack", 3: "bad_cluster"}[datagram[3]]] > 0
        for _, answer in sent:
            assert Decoder().decode(answer) is not None
        engine.round(2.5)


headers = st.sampled_from([b"\x53\xb0\x00" + bytes([kind]) for kind in range(5)])


@given(st.binary(max_size=200))
def test_arbitrary_bytes(junk: bytes) -> None:
    decode(junk)


@given(headers, st.binary(max_size=200))
def test_arbitrary_bytes_behind_a_good_header(header: bytes, junk: bytes) -> None:
    check_engine(header + junk)


@given(st.binary(max_size=300))
def test_arbitrary_operations(junk: bytes) -> None:
    """Bytes in the place of a delta's operations."""
    check_engine(b"\x53\xb0\x00\x02" + block(2, junk) + b"\0")


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=5))
def test_arbitrary_blocks(blocks: list[tuple[int, bytes]]) -> None:
    check_engine(b"\x53\xb0\x00\x02" + b"".join(block(kind, payload) for kind, payload in blocks) + b"\0")


@st.composite
def mutated(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """A datagram after a few bit flips, cuts, insertions and splices with another."""
    datagram = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(datagram) - 1)))
        match draw(st.sampled_from(["flip", "set", "cut", "insert", "drop", "splice"])):
            case "flip" if datagram:
                datagram[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if datagram:
                datagram[at] = draw(st.sampled_from([0, 1, 2, 4, 6, 127, 128, 254, 255]))
            case "cut":
                del datagram[at:]
            case "insert":
                datagram[at:at] = draw(st.binary(max_size=8))
            case "drop":
                del datagram[at : at + draw(st.integers(1, 8))]
            case "splice":
                other = draw(originals)
                datagram[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(datagram)


@settings(max_examples=300)
@given(mutated(st.sampled_from(SMALL_VECTORS)))
def test_mutated_datagrams_of_real_nodes(datagram: bytes) -> None:
    check_engine(datagram)


@settings(max_examples=200)
@given(mutated(messages.map(encode)))
def test_mutated_messages(datagram: bytes) -> None:
    assume(len(datagram) <= 65_507)
    check_engine(datagram)


def test_every_truncation_of_every_small_vector() -> None:
    for datagram in VECTORS:
        if len(datagram) < 400:
            for end in range(len(datagram)):
                decode(datagram[:end])


def test_every_single_bit_flip_in_the_operations_of_a_delta() -> None:
    whole = bytearray(encode(Ack([delta_of(node("é", 3), ("ké", "v", 2, SET), ("t", "é", 5, TTL), gc=1)])))
    for bit in range(8 * 4, 8 * len(whole)):
        flipped = whole.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        decode(bytes(flipped))


def test_every_single_bit_flip_in_a_digest_leaves_an_engine_whole() -> None:
    whole = bytearray(encode(Syn(digest_of((node("é", 3), 2, 1, 0)), "testing")))
    engine = busy_engine()
    for bit in range(8 * len(whole)):
        flipped = whole.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        engine.receive(bytes(flipped), UNKNOWN_PEER, 2.0)
    engine.round(3.0)


def test_nested_zstd_frames_are_operations_not_bombs() -> None:
    nested = b"\0" * 65_535
    for _ in range(3):
        nested = compress(nested)
    assert decode(b"\x53\xb0\x00\x02" + block(1, nested) + b"\0") is None


def test_random_zstd_payloads() -> None:
    rng = Random(7)
    for _ in range(300):
        frame = bytearray(compress(rng.randbytes(rng.randrange(50)) * rng.randrange(1, 9)))
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        stray = rng.choice([b"", skippable_frame(), rng.randbytes(3), struct.pack("<I", 0x184D2A5F) + b"\xff" * 4])
        decode(b"\x53\xb0\x00\x02" + block(1, bytes(frame) + stray) + b"\0")
