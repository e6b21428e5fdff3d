"""Operations and results as bytes: every one comes back as it was, and nothing else comes in."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.consensus.store import (
    KNOWN_LEVEL,
    AnyOperation,
    Batch,
    BatchDone,
    ClientOperation,
    CodecError,
    FoundCluster,
    Idempotent,
    LeaseExpire,
    LeaseGrant,
    Put,
    RefusalCode,
    Refused,
    Result,
    SetFeatureLevel,
    SingleOperation,
    State,
    UnsupportedVersionError,
    apply,
    decode,
    decode_client,
    decode_result,
    decode_single,
    encode,
    encode_batch,
    encode_result,
)
from coterie.consensus.store.schema.limits import MAX_BATCH_OPS, MAX_ENTRY_BYTES, MAX_INT
from coterie.consensus.store.schema.operations import InNameOf, LeaseUse, PlainOperation, SystemOperation
from tests.consensus.store.helpers import Driver
from tests.consensus.store.model.strategies import operations


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that operations and results are made of, within its bounds."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        base, *metas = typing.get_args(kind)
        meta: dict[str, Any] = {}
        for it in metas:
            meta |= {name: getattr(it, name) for name in ("ge", "le", "min_length", "max_length")}
        if base is int:
            return st.integers(meta["ge"], meta["le"] if meta["le"] is not None else 2**64 - 1)
        if typing.get_origin(base) is tuple:
            return of(base)
        least, most = meta["min_length"] or 0, min(64, meta["max_length"] or 64)
        if base is bytes:
            return st.binary(min_size=least, max_size=most)
        return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)
    if origin is tuple:
        return st.lists(of(typing.get_args(kind)[0]), max_size=3).map(tuple)
    if origin is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    if typing.get_args(kind):  # a union
        return st.one_of([of(it) for it in typing.get_args(kind)])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.deferred(
            lambda: st.builds(kind, **{field.name: of(field.type) for field in msgspec.structs.fields(kind)})
        )
    if kind is int:
        return st.integers(-(2**63), 2**64 - 1)
    return st.from_type(kind)


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(of(AnyOperation))
def test_an_operation_comes_back_as_it_was(operation: AnyOperation) -> None:
    data = encode(operation)
    assert decode(data) == operation
    assert type(decode(data)) is type(operation)
    if not isinstance(operation, Batch):
        assert decode_single(data) == operation


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(of(Result))
def test_a_result_comes_back_as_it_was(result: Result) -> None:
    assert decode_result(encode_result(result)) == result


@given(st.binary(max_size=200))
def test_random_bytes_are_no_operation_or_one_that_encodes_again(data: bytes) -> None:
    try:
        operation = decode(data)
    except CodecError:
        return
    assert decode(encode(operation)) == operation


@settings(max_examples=300)
@given(operations, st.data())
def test_damaged_bytes_raise_a_codec_error_or_decode(operation: SingleOperation, data: st.DataObject) -> None:
    damaged = bytearray(encode(operation))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for reader in (decode, decode_single, decode_client, decode_result):
        for it in (bytes(damaged), cut):
            try:
                reader(it)
            except CodecError:
                continue


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60) | operations.map(encode), max_size=10), st.data())
def test_applying_never_raises_whatever_the_bytes(entries: list[bytes], data: st.DataObject) -> None:
    state = State()
    for index, entry in enumerate(entries, 1):
        damaged = bytearray(entry or b"\0")
        if data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
        result = apply(state, bytes(damaged), index)
        assert decode_result(encode_result(result)) == result
    before = state.time_ms  # damage can make a batch of something else, and a batch moves the time
    apply(state, encode_batch(5, entries), len(entries) + 1)
    # it can also make a level that this replica does not know, at which it must stop
    assert state.time_ms == (before if state.halted > 0 else max(before, 5))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\xc0",
        b"\x01" + b"\x91" * 100_000,  # arrays in arrays
        b"\x01\xdd\xff\xff\xff\xff",  # an array of 4 billion
        b"\x01\xc6\xff\xff\xff\xff",  # bytes, 4 GB of them
        b"\x01" + msgspec.msgpack.encode([1, b"k", b"v", 0, False, None, "more"]),  # a field too many
        b"\x01" + msgspec.msgpack.encode([1, "text", b"v"]),
        b"\x01" + msgspec.msgpack.encode([1, b"k", b"v", -2]),
        b"\x01" + msgspec.msgpack.encode([1, b"k", b"v", 0, False, MAX_INT + 1]),
        b"\x01" + msgspec.msgpack.encode([12]),
        b"\x01" + msgspec.msgpack.encode([99, b"k"]),
        b"\x01" + msgspec.msgpack.encode([23, b"", 0, [1, b"k", b"v"]]),  # an empty request id
        b"\x01" + msgspec.msgpack.encode([23, b"i", 0, [23, b"i", 0, [1, b"k", b"v"]]]),  # once in once
        encode(Put(b"k", b"v")) + b"\0",
        encode(Put(b"k", b"v"))[:-1],
        b"\x01" * (MAX_ENTRY_BYTES + 1),
    ],
)
def test_bytes_that_break_a_rule_are_malformed(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data)
    driver = Driver()
    assert driver.raw(data) == Refused(RefusalCode.MALFORMED)
    assert driver.revision == 0
    assert driver.state.applied_index == 1


def test_a_version_above_the_level_has_a_definite_result() -> None:
    driver = Driver()
    data = bytes((KNOWN_LEVEL + 1,)) + encode(Put(b"k", b"v"))[1:]
    with pytest.raises(UnsupportedVersionError) as error:
        decode(data)
    assert (error.value.version, error.value.known) == (KNOWN_LEVEL + 1, KNOWN_LEVEL)
    assert driver.raw(data) == Refused(RefusalCode.UNSUPPORTED, 1)
    assert driver.raw(encode_batch(0, [data])) == BatchDone((Refused(RefusalCode.UNSUPPORTED, 1),))
    assert driver.raw(b"\x00" + data[1:]) == Refused(RefusalCode.UNSUPPORTED, 1)


def test_one_bad_member_of_a_batch_spoils_no_other() -> None:
    driver = Driver()
    batch = encode(Batch(0))
    result = driver.raw(encode_batch(7, [encode(Put(b"a", b"")), b"\x01junk", batch, b"", encode(Put(b"b", b""))]))
    assert isinstance(result, BatchDone)
    malformed = Refused(RefusalCode.MALFORMED)
    assert result.results[1:4] == (malformed, malformed, malformed)
    assert driver.keys() == [b"a", b"b"]


def test_only_what_decodes_can_be_encoded() -> None:
    for operation in (
        Put(b"k", b"v", lease=-5),
        Put(b"k", b"v", expect=-1),
        Put(b"k", b"v", expect=2**70),
        FoundCluster(""),
        FoundCluster("\ud800"),
        Idempotent(b"", 0, Put(b"k", b"v")),
        Batch(0, (b"",) * (MAX_BATCH_OPS + 1)),
    ):
        with pytest.raises(CodecError):
            encode(operation)
    with pytest.raises(CodecError):
        encode_batch(0, [b"x" * MAX_ENTRY_BYTES])
    with pytest.raises(CodecError):
        encode_batch(0, [b""] * (MAX_BATCH_OPS + 1))
    with pytest.raises(CodecError):
        encode_batch(-1, [])


def test_what_is_for_the_leader_is_not_taken_from_clients() -> None:
    of_clients = {*typing.get_args(ClientOperation), InNameOf}
    assert of_clients | set(typing.get_args(SystemOperation)) == set(typing.get_args(PlainOperation))
    assert set(typing.get_args(LeaseUse)) < of_clients
    in_name = Idempotent(b"i", 0, InNameOf("one", False, LeaseGrant(1_000)))
    assert decode_client(encode(in_name)) == in_name
    assert decode_client(encode(Put(b"k", b"v"))) == Put(b"k", b"v")
    once = Idempotent(b"i", 0, Put(b"k", b"v"))
    assert decode_client(encode(once)) == once
    for operation in (LeaseExpire(1, 0), SetFeatureLevel(1), Idempotent(b"i", 0, FoundCluster("x")), Batch(0)):
        with pytest.raises(CodecError):
            decode_client(encode(operation))
