"""A delta is filled within its budget, each node at a prefix of what is missing (gossip spec 2, 4)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coterie.gossip import KeyValue, NodeId
from coterie.gossip.wire.blocks import BLOCK_BYTES
from coterie.gossip.wire.delta import DeltaWriter, NodeDelta
from coterie.gossip.wire.messages import Ack, Decoder
from tests.gossip.encoding import encode, encode_delta
from tests.gossip.helpers import SET, delta_of, node
from tests.gossip.wire.blocks import compress, plain_of, split_blocks

MIB = 1024 * 1024

Missing = tuple[NodeId, list[KeyValue], int]
"""What a peer lacks of a node: its key-values, and the max_version for where there is none."""


def incompressible(size: int, seed: int) -> str:
    """Text of which zstd can save a sixth at most: random printable ASCII."""
    rng = Random(seed)
    return "".join(map(chr, rng.choices(range(33, 127), k=size)))


@st.composite
def values(draw: st.DrawFn) -> str:
    size = draw(st.one_of(st.integers(0, 40), st.sampled_from([200, 3_000, 16_384, 40_000, 60_000])))
    return incompressible(size, draw(st.integers(0, 9))) if draw(st.booleans()) else "z" * size


@st.composite
def missing_nodes(draw: st.DrawFn) -> list[Missing]:
    nodes = []
    for i in range(draw(st.integers(0, 6))):
        key_values = [
            KeyValue.make(f"key{v}", value, v, SET)
            for v, value in enumerate(draw(st.lists(values(), max_size=5)), start=draw(st.integers(1, 9)))
        ]
        name = draw(st.sampled_from(["n", "name" * 10, "long" * 250]))
        nodes.append((node(f"{name}{i}"), key_values, key_values[-1].version if key_values else 5))
    return nodes


def write(nodes: list[Missing], budget: int, max_bytes: int = MIB, max_ops: int = 8_192) -> tuple[bytes, list[bool]]:
    """The delta, and for each node whether all of it went in."""
    writer = DeltaWriter(budget, max_bytes, max_ops)
    whole = [writer.add_node(n.encoded, 3, 0, key_values, maximum) for n, key_values, maximum in nodes]
    return writer.finish(), whole


def read(delta: bytes) -> dict[NodeId, NodeDelta]:
    message = Decoder().decode(encode(Ack())[:4] + delta)
    assert isinstance(message, Ack)
    return {d.node: d for d in message.delta}


budgets = st.one_of(st.integers(1, 3_000), st.integers(1, 70_000), st.sampled_from([1, 65_502, 65_503]))


@given(missing_nodes(), budgets)
def test_a_delta_holds_a_prefix_of_each_node_within_the_budget(nodes: list[Missing], budget: int) -> None:
    delta, whole = write(nodes, budget)
    assert len(delta) <= budget
    told = read(delta)
    assert list(told) == [n for n, *_ in nodes if n in told], "the order is the one given"
    for (n, key_values, maximum), all_in in zip(nodes, whole, strict=True):
        d = told.get(n)
        if d is None:
            assert not all_in
            continue
        assert (d.last_gc_version, d.from_version_excluded) == (3, 0)
        if key_values:
            assert d.key_values, "a Node operation with nothing after it"
            assert d.key_values == key_values[: len(d.key_values)]
            assert d.max_version == d.key_values[-1].version
            assert all_in == (len(d.key_values) == len(key_values))
        else:
            assert (d.key_values, d.max_version, all_in) == ([], maximum, True)


@given(missing_nodes(), budgets)
def test_what_fits_uncompressed_goes_in_whole(nodes: list[Missing], budget: int) -> None:
    plain = sum(len(plain_of(write([n], 10**6)[0])) for n in nodes)
    delta, whole = write(nodes, budget)
    if plain + 3 * -(-plain // BLOCK_BYTES) + 1 <= budget:
        assert all(whole)
        assert len(plain_of(delta)) == plain


@given(missing_nodes(), st.integers(100, 64_000), st.data())
def test_an_oversized_value_keeps_no_other_node_out(nodes: list[Missing], budget: int, data: st.DataObject) -> None:
    """A node whose first operation can never fit leaves no trace; one that is stuck later stays at its prefix."""
    monster = KeyValue.make("monster", incompressible(65_000, 1), 99, SET)
    at = data.draw(st.integers(0, len(nodes)))
    blocked: Missing = (node("blocked"), [monster], 99)
    assert write([*nodes[:at], blocked, *nodes[at:]], budget)[0] == write(nodes, budget)[0]
    stuck = [(n, [*kvs, monster], 99) for n, kvs, _ in nodes if kvs]
    unstuck = [(n, kvs, maximum) for n, kvs, maximum in nodes if kvs]
    assert write(stuck, budget)[0] == write(unstuck, budget)[0]


@given(missing_nodes())
@example([(node("n"), [KeyValue.make("k", "", 1, SET)], 1)])
def test_blocks_are_cut_at_16_384_plain_bytes(nodes: list[Missing]) -> None:
    delta, _ = write(nodes, 10**6)
    blocks = split_blocks(delta)
    sizes = [len(plain) for _, _, plain in blocks]
    assert all(size == BLOCK_BYTES for size in sizes[:-1])
    assert all(0 < size <= BLOCK_BYTES for size in sizes[-1:])
    for kind, stored, plain in blocks:
        assert (kind == "raw") == (len(compress(plain)) >= len(plain))
        assert len(stored) <= len(plain)


@pytest.mark.parametrize(("plain", "cuts"), [(16_383, 1), (16_384, 1), (16_385, 2), (32_768, 2), (32_769, 3)])
def test_a_full_block_is_cut_only_once_more_is_pending(plain: int, cuts: int) -> None:
    owner = node("n")
    overhead = len(plain_of(encode_delta([delta_of(owner, ("k", "", 1, SET))])))
    delta, _ = write([(owner, [KeyValue.make("k", "z" * (plain - overhead), 1, SET)], 1)], 10**6)
    assert [len(p) for _, _, p in split_blocks(delta)] == [16_384] * (cuts - 1) + [plain - 16_384 * (cuts - 1)]


def test_an_empty_delta_is_one_zero_byte() -> None:
    assert write([], 65_503)[0] == b"\0"
    assert write([(node("n"), [], 7)], 20)[0] == b"\0"


def test_a_finished_block_counts_at_its_written_size() -> None:
    """Compressible key-values far beyond the budget's plain bytes go in."""
    key_values = [KeyValue.make(f"k{v}", "z" * 1_000, v, SET) for v in range(1, 400)]
    delta, whole = write([(node("n"), key_values, 399)], 40_000)
    assert whole == [True]
    assert len(delta) < 40_000 < len(plain_of(delta))


def test_a_budget_is_filled_to_the_byte() -> None:
    """The bound is exact where nothing compresses: one byte less and the operation stays out."""
    key_value = KeyValue.make("k", incompressible(50, 3), 1, SET)
    n = node("n")
    exact = 3 + len(plain_of(write([(n, [key_value], 1)], 10**6)[0])) + 1
    assert write([(n, [key_value], 1)], exact)[1] == [True]
    assert write([(n, [key_value], 1)], exact - 1) == (b"\0", [False])


def test_whole_messages_are_written_with_every_kind_of_node_delta() -> None:
    told = [
        delta_of(node("empty"), gc=4),
        delta_of(node("collected"), max_version=9, from_version=3),
        delta_of(node("both"), ("k", "v", 2, SET), max_version=7),
        delta_of(node("plain"), ("k", "v", 2, SET)),
    ]
    assert list(read(encode_delta(told)).values()) == told


@given(missing_nodes(), st.integers(1, 200_000), st.integers(1, 12))
def test_a_reader_with_the_same_bounds_takes_all_that_is_written(
    nodes: list[Missing], max_bytes: int, max_ops: int
) -> None:
    delta, whole = write(nodes, 65_503, max_bytes, max_ops)
    told = read(delta)
    assert len(plain_of(delta)) <= max_bytes
    assert len(told) + sum(len(d.key_values) or 1 for d in told.values()) <= max_ops
    assert read_within(delta, max_bytes, max_ops) == told
    for (n, key_values, _), all_in in zip(nodes, whole, strict=True):
        assert all_in == (n in told and told[n].key_values == key_values)


def read_within(delta: bytes, max_bytes: int, max_ops: int) -> dict[NodeId, NodeDelta]:
    message = Decoder(max_delta_bytes=max_bytes + 1, max_delta_ops=max_ops).decode(encode(Ack())[:4] + delta)
    assert isinstance(message, Ack)
    return {d.node: d for d in message.delta}
