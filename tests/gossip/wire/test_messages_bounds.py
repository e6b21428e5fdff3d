"""What decoding one datagram may cost, whatever it holds (gossip spec 2, "Bounds of decoding")."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coterie.gossip import KeyValue, WireError
from coterie.gossip.wire.blocks import BLOCK_COST, read_blocks
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.messages import Ack, Decoder, Syn
from tests.gossip.encoding import encode
from tests.gossip.helpers import SELF, SET, delta_of, digest_of, hear_delta, make_engine, node
from tests.gossip.strategies import deltas
from tests.gossip.wire.blocks import block, compress, plain_of, raw_frame, skippable_frame

ACK = b"\x53\xb0\x00\x02"
MAX_DATAGRAM = 65_507
MIB = 1024 * 1024

OWNER = node("owner")
NODE_OP = plain_of(encode(Ack([delta_of(OWNER)]))[4:])


class DecoderLog:
    """Stands in the place of the zstd decoder and books what it is asked to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from coterie.gossip.wire import blocks

        real = blocks.zstd.ZstdDecompressor  # type: ignore[attr-defined]
        self.options: list[dict[int, int]] = []
        self.bytes_in = self.bytes_out = self.calls = 0

        def make(*args: Any, options: dict[int, int], **kwargs: Any) -> Any:
            self.options.append(options)
            decoder = real(*args, options=options, **kwargs)
            log = self

            class Logged:
                def decompress(self, data: bytes, *args: int) -> bytes:
                    plain: bytes = decoder.decompress(data, *args)
                    log.calls += 1
                    log.bytes_in += len(data)
                    log.bytes_out += len(plain)
                    return plain

                def __getattr__(self, name: str) -> Any:
                    return getattr(decoder, name)

            return Logged()

        monkeypatch.setattr("coterie.gossip.wire.blocks.zstd.ZstdDecompressor", make)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> DecoderLog:
    return DecoderLog(monkeypatch)


def huge_delta() -> bytes:
    """A valid Ack of 65 kB that unpacks to some 60 MB: one key-value of 65,535 bytes in each of its blocks."""
    datagram, version = ACK + block(2, NODE_OP), 1
    while True:
        op = KeyValue.make("k", "z" * (65_535 - 15), version, SET).op
        assert len(op) == 65_535
        more = block(1, compress(op))
        if len(datagram) + len(more) + 1 > MAX_DATAGRAM:
            return datagram + b"\0"
        datagram, version = datagram + more, version + 1


@pytest.mark.parametrize("max_bytes", [100_000, MIB, 16 * MIB])
def test_a_bomb_unpacks_to_no_more_than_max_delta_bytes(max_bytes: int, log: DecoderLog) -> None:
    datagram = huge_delta()
    reader = Decoder(max_delta_bytes=max_bytes)
    tracemalloc.start()
    message = reader.decode(datagram)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(message, Ack)
    versions = [kv.version for kv in message.delta[0].key_values]
    assert versions == list(range(1, (max_bytes - len(NODE_OP)) // 65_535 + 1))
    # The first block holds less than it costs.
    assert max_bytes - BLOCK_COST <= len(NODE_OP) + log.bytes_out <= max_bytes + 65_535
    # The blocks, their concatenation cut to size, and the key-values made of it.
    assert peak < 5 * max_bytes + MIB


def test_a_bomb_of_garbage_is_rejected_within_the_bound(log: DecoderLog) -> None:
    bomb = compress(b"\0" * 65_535)
    blocks = block(1, bomb) * ((MAX_DATAGRAM - 5) // (3 + len(bomb)))
    with pytest.raises(WireError):
        Decoder().decode(ACK + blocks + b"\0")
    assert log.bytes_out <= 16 * MIB + 65_535


def test_one_block_unpacks_to_no_more_than_65_535_bytes(log: DecoderLog) -> None:
    # 4 MB in one frame, and the same in many: neither is unpacked beyond the first excess byte.
    for payload in (compress(b"\0" * 4 * MIB), compress(b"\0" * 40_000) * 100):
        log.bytes_out = 0
        with pytest.raises(WireError, match="zstd"):
            Decoder().decode(ACK + block(1, payload) + b"\0")
        assert log.bytes_out <= 65_536


@pytest.mark.parametrize("sizes", [(65_535,), (40_000, 25_535), (0, 65_535, 0), (1,) * 65])
def test_a_block_may_hold_several_frames_of_65_535_bytes_together(sizes: tuple[int, ...]) -> None:
    op = KeyValue.make("k", "z" * (sum(sizes) - 15), 1, SET).op
    payload, at = skippable_frame(b"skipped"), 0
    for size in sizes:
        payload += compress(op[at : at + size]) + skippable_frame()
        at += size
    message = Decoder().decode(ACK + block(2, NODE_OP) + block(1, payload) + b"\0")
    assert isinstance(message, Ack)
    assert message.delta[0].max_version == 1


def test_the_decoder_grants_a_window_of_128_KiB_at_most(log: DecoderLog) -> None:  # noqa: N802 - a unit
    """Whatever window a frame asks for: no content that a block may hold reaches further back."""
    for window_log in (10, 16, 17, 18, 21, 27, 31):
        message = Decoder().decode(ACK + block(1, raw_frame(NODE_OP, window_log, mantissa=3)) + b"\0")
        assert message == Ack([delta_of(OWNER)])
    from coterie.gossip.wire import blocks

    window = blocks.zstd.DecompressionParameter.window_log_max  # type: ignore[attr-defined]
    assert log.options
    assert all(options[window] <= 17 for options in log.options)


def test_thousands_of_tiny_frames_are_looked_at_once_each(log: DecoderLog) -> None:
    tiny = raw_frame(b"\0", 10)
    for frame in (skippable_frame(), tiny):
        count = (MAX_DATAGRAM - 8) // len(frame)
        payload = frame * count
        log.calls = log.bytes_in = 0
        with pytest.raises(WireError) if frame is tiny else nullcontext():
            Decoder().decode(ACK + block(1, payload) + b"\0")
        assert log.calls <= count
        assert log.bytes_in <= len(payload)


def operations(message_deltas: list[NodeDelta]) -> list[tuple[int, NodeDelta]]:
    """Each operation's size, and what the message says once it is read."""
    steps: list[tuple[int, NodeDelta]] = []
    for d in message_deltas:
        head = NodeDelta(d.node, d.last_gc_version, d.from_version_excluded)
        steps.append((17 + len(d.node.encoded), head))
        for i, kv in enumerate(d.key_values):
            upto = NodeDelta(d.node, d.last_gc_version, d.from_version_excluded, d.key_values[: i + 1], kv.version)
            steps.append((len(kv.op), upto))
        if d.max_version > steps[-1][1].max_version:
            steps.append((9, d))
    return steps


@given(deltas, st.integers(1, 30), st.integers(1, 400))
@example([delta_of(OWNER, ("k", "v", 1, SET), max_version=9)], 2, 10_000)
@example([delta_of(OWNER, ("k", "v", 1, SET), max_version=9)], 30, 41)
def test_a_delta_cut_at_a_bound_is_the_longest_prefix_of_whole_operations(
    told: list[NodeDelta], max_ops: int, max_bytes: int
) -> None:
    expected: dict[object, NodeDelta] = {}
    used = 0
    for size, upto in operations(told)[:max_ops]:
        used += size
        if used > max_bytes:
            break
        expected[upto.node] = upto
    message = Decoder(max_delta_ops=max_ops, max_delta_bytes=max_bytes).decode(encode(Ack(told)))
    assert message == Ack(list(expected.values()))


def test_the_default_bound_on_operations() -> None:
    ops = [NODE_OP, *(KeyValue.make("k", "", version, SET).op for version in range(1, 110_000))]
    stream = b"".join(ops)
    blocks = b"".join(block(1, compress(stream[at : at + 60_000])) for at in range(0, len(stream), 60_000))
    message = Decoder().decode(ACK + blocks + b"\0")
    assert isinstance(message, Ack)
    assert len(message.delta[0].key_values) == 8_191


def test_a_small_datagram_of_100_000_operations_is_read_to_the_bound() -> None:
    """443 bytes: without the bound they cost 45 ms."""
    stream = NODE_OP + b"".join(b"\x02" + version.to_bytes(8, "little") for version in range(1, 100_000))
    blocks = b"".join(block(1, compress(stream[at : at + 60_000])) for at in range(0, len(stream), 60_000))
    message = Decoder().decode(ACK + blocks + b"\0")
    assert message == Ack([delta_of(OWNER, max_version=8_191)])


def test_blocks_and_frames_count_as_what_they_cost(log: DecoderLog) -> None:
    """Thousands of tiny ones in a datagram, which unpack to next to nothing."""
    Decoder().decode(ACK + block(1, skippable_frame() * 8_000) + b"\0")
    assert log.calls <= 256
    log.calls = 0
    Decoder().decode(ACK + block(1, raw_frame(b"", 10)) * 7_000 + b"\0")
    assert log.calls <= 256
    plain, end, cut = read_blocks(block(2, b"") * 21_000 + b"\0", 0, MIB)
    assert (plain, end, cut) == (b"", 63_001, True)


def test_what_nobody_wants_is_stepped_over() -> None:
    """Key-values of unknown nodes, of the own one, and of versions that are held: none is made."""
    engine = make_engine()
    stranger, peer = OWNER.gossip_advertise_addr, node("peer")
    engine.receive(encode(Syn(digest_of((peer, 1, 0, 0)), "testing")), stranger, 0.0)
    hear_delta(engine, delta_of(peer, ("a", "1", 1, SET), ("b", "2", 2, SET)), now=0.0)
    decoder = Decoder(engine.by_identity, only_wanted=True)
    told = [
        delta_of(OWNER, ("k", "v", 7, SET)),
        delta_of(SELF, ("k", "v", 7, SET)),
        delta_of(peer, ("a", "1", 1, SET), ("b", "2", 2, SET), ("c", "3", 3, SET)),
    ]
    message = decoder.decode(encode(Ack(told)))
    assert message == Ack(
        [delta_of(OWNER, max_version=7), delta_of(SELF, max_version=7), delta_of(peer, ("c", "3", 3, SET))]
    )


def test_what_lies_behind_a_bound_is_not_looked_at() -> None:
    good = encode(Ack([delta_of(OWNER, ("k", "v", 1, SET))]))
    broken = good[:-1] + block(2, b"\xff") + b"\x09"
    with pytest.raises(WireError):
        Decoder().decode(broken)
    size = len(plain_of(good[4:]))
    for reader in (Decoder(max_delta_bytes=size), Decoder(max_delta_bytes=size - 1)):
        message = reader.decode(broken)
        assert isinstance(message, Ack)
        assert message.delta[0].node == OWNER


def test_identities_that_no_node_starts_with_cost_no_memory_for_long() -> None:
    engine = make_engine()
    tracemalloc.start()
    for i in range(200):
        digest = digest_of((node(f"{i:060000}"), 5, 0, 0))
        engine.receive(encode(Syn(digest, "testing")), OWNER.gossip_advertise_addr, 1.0)
        engine.receive(encode(Ack([delta_of(node(f"d{i:060000}"))])), OWNER.gossip_advertise_addr, 1.0)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < MIB
    assert engine.counters["identities_over_limit"] == 200
    assert len(engine.states) == 1
