"""Messages in protobuf: those of etcd, byte for byte, and the same messages that JSON carries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.app.etcd import json_codec
from coterie.app.etcd.grpc.protobuf import decode_message, encode_message
from coterie.app.etcd.messages.fields import EtcdMessage
from coterie.app.etcd.messages.kv import (
    CompareResult,
    CompareTarget,
    EtcdCompare,
    PutRequest,
    RangeRequest,
    RequestOp,
    SortOrder,
    TxnRequest,
)
from coterie.app.etcd.messages.lease import LeaseTimeToLiveResponse
from coterie.app.etcd.messages.watch import WatchCreateRequest, WatchFilter, WatchProgressRequest, WatchRequest
from coterie.app.etcd.rpcs import EtcdCode, EtcdError
from tests.app.etcd.grpc.messages import TOP, drawn

INVALID = EtcdCode.INVALID_ARGUMENT

# What etcd's own clients send and get, field by field: number and wire type, then the value.
WIRE: list[tuple[EtcdMessage, str]] = [
    (PutRequest(key=b"k", value=b"v", lease=300), "0a016b 120176 18ac02"),
    (
        RangeRequest(key=b"a", range_end=b"b", limit=5, sort_order=SortOrder.DESCEND, serializable=True),
        "0a0161 120162 1805 2802 3801",
    ),
    (
        TxnRequest(
            compare=(EtcdCompare(target=CompareTarget.VALUE, result=CompareResult.NOT_EQUAL, key=b"k", value=b"v"),),
            failure=(RequestOp(request_txn=TxnRequest()),),
        ),
        "0a0a 0803 1003 1a016b 3a0176 1a02 2200",
    ),
    (EtcdCompare(key=b"a", range_end=b"b"), "1a0161 8204 0162"),
    (WatchRequest(progress_request=WatchProgressRequest()), "1a00"),
    (
        WatchRequest(create_request=WatchCreateRequest(key=b"a", filters=(WatchFilter.NODELETE,), watch_id=-1)),
        "0a11 0a0161 2a0101 38ffffffffffffffffff01",
    ),
    (LeaseTimeToLiveResponse(ID=1, TTL=-1, keys=(b"a", b"")), "1001 18ffffffffffffffffff01 2a0161 2a00"),
]


@pytest.mark.parametrize(("message", "wire"), WIRE)
def test_the_bytes_are_those_of_etcd(message: EtcdMessage, wire: str) -> None:
    assert encode_message(message) == bytes.fromhex(wire)
    assert decode_message(type(message), bytes.fromhex(wire)) == message


@pytest.mark.parametrize("kind", TOP)
@settings(max_examples=40)
@given(data=st.data())
def test_both_codecs_carry_the_same_message(kind: type[EtcdMessage], data: st.DataObject) -> None:
    message: EtcdMessage = data.draw(drawn(kind))
    assert decode_message(kind, encode_message(message)) == message
    assert json_codec.decode_message(kind, json_codec.encode_message(message)) == message


@given(kind=st.sampled_from(TOP), data=st.binary(max_size=64))
def test_whatever_comes_is_a_message_or_an_error(kind: type[EtcdMessage], data: bytes) -> None:
    found: Any = None
    try:
        found = decode_message(kind, data)
    except EtcdError as error:
        found = error
    assert isinstance(found, kind) or (found.code, found.message[:18]) == (INVALID, "malformed request:")


def test_unknown_fields_are_ignored() -> None:
    assert decode_message(PutRequest, bytes.fromhex("0a016b a20601 78")) == PutRequest(key=b"k")


def test_an_operand_of_zero_may_be_there_or_not() -> None:
    """Go writes the chosen field of a oneof even where it is zero."""
    assert decode_message(EtcdCompare, bytes.fromhex("1a016b 2000")) == EtcdCompare(key=b"k")


def test_an_unknown_number_of_an_enum_names_the_field() -> None:
    with pytest.raises(EtcdError, match=r"the field sort_order: one of 0 \(NONE\), 1 \(ASCEND\), 2 .* not 9"):
        decode_message(RangeRequest, bytes.fromhex("2809"))


def test_endless_nesting_is_an_error() -> None:
    data = b""
    for _ in range(5_000):
        op = b"\x22" + _varint(len(data)) + data
        data = b"\x12" + _varint(len(op)) + op
    with pytest.raises(EtcdError, match="it is no TxnRequest in protobuf"):
        decode_message(TxnRequest, data)


def test_nesting_as_deep_as_a_transaction_may_be_is_read() -> None:
    message: Any = TxnRequest()
    for _ in range(30):
        message = TxnRequest(success=(RequestOp(request_txn=message),))
    assert decode_message(TxnRequest, encode_message(message)) == message


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
