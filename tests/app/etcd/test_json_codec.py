"""Messages as JSON: what is written can be read, and what clients write in their own ways means the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.etcd.json_codec import DocumentReader, decode_message, encode_message, show
from coterie.app.etcd.messages.cluster import HashResponse, StatusResponse
from coterie.app.etcd.messages.fields import EtcdMessage, FieldPlan, fields_of
from coterie.app.etcd.messages.kv import (
    CompareTarget,
    EtcdCompare,
    PutRequest,
    RangeRequest,
    RequestOp,
    SortOrder,
    TxnRequest,
)
from coterie.app.etcd.messages.lease import LeaseGrantRequest
from coterie.app.etcd.messages.watch import WatchCreateRequest, WatchFilter, WatchRequest
from coterie.app.etcd.rpcs import RPCS, EtcdError

_NUMBERS = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=8),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
}


def values(field: FieldPlan, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    if field.kind == "message":
        one = messages(field.type, depth - 1)
    elif field.kind == "enum":
        one = st.sampled_from(list(field.type))  # type: ignore[call-overload]
    else:
        one = _NUMBERS[field.kind]
    return st.lists(one, max_size=2).map(tuple) if field.repeated else one


def messages(kind: Any, depth: int = 2) -> st.SearchStrategy[EtcdMessage]:
    fields = [field for field in fields_of(kind) if field.kind != "message" or depth]
    return st.fixed_dictionaries({}, optional={field.name: values(field, depth) for field in fields}).map(
        lambda given: kind(**given)
    )


@given(st.data(), st.sampled_from([rpc for rpc in RPCS if rpc.served]))
def test_what_is_written_is_read_as_it_was(data: st.DataObject, rpc: Any) -> None:
    for kind in (rpc.request, rpc.response):
        message = data.draw(messages(kind))
        assert decode_message(kind, encode_message(message)) == message


def test_numbers_of_64_bits_are_text_and_what_is_zero_is_left_out() -> None:
    assert show(StatusResponse(dbSize=2**40, raftTerm=2**64 - 1)) == {"dbSize": str(2**40), "raftTerm": str(2**64 - 1)}
    assert show(HashResponse(hash=2**32 - 1)) == {"hash": 2**32 - 1}
    assert show(PutRequest(b"\0\xff")) == {"key": "AP8="}
    assert show(RangeRequest()) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", RangeRequest()),
        ("{}", RangeRequest()),
        (
            '{"key": "YQ==", "sortOrder": "DESCEND", "limit": "7"}',
            RangeRequest(b"a", limit=7, sort_order=SortOrder.DESCEND),
        ),
        ('{"key": "YQ", "sort_order": 2, "limit": 7}', RangeRequest(b"a", limit=7, sort_order=SortOrder.DESCEND)),
        ('{"key": null, "unknown": {"x": [1]}, "keysOnly": true}', RangeRequest(keys_only=True)),
        ('{"key": "_-8="}', RangeRequest(b"\xff\xef")),
    ],
)
def test_clients_write_in_their_own_ways(body: str, message: RangeRequest) -> None:
    assert decode_message(RangeRequest, body.encode()) == message


def test_nested_messages_are_read() -> None:
    body = {
        "compare": [{"key": "YQ==", "target": "CREATE", "createRevision": "0"}],
        "success": [{"requestPut": {"key": "YQ=="}}],
    }
    compare = EtcdCompare(target=CompareTarget.CREATE, key=b"a")
    txn = TxnRequest((compare,), (RequestOp(request_put=PutRequest(b"a")),))
    assert decode_message(TxnRequest, json.dumps(body).encode()) == txn
    watch = {"create_request": {"key": "YQ==", "filters": ["NOPUT", 1]}}
    create = WatchCreateRequest(b"a", filters=(WatchFilter.NOPUT, WatchFilter.NODELETE))
    assert decode_message(WatchRequest, json.dumps(watch).encode()) == WatchRequest(create)


@pytest.mark.parametrize(
    "content",
    [
        {"TTL": 2**63},
        {"TTL": str(-(2**63) - 1)},
        {"TTL": 1.5},
        {"TTL": True},
        {"TTL": "1e3"},
        {"TTL": " 1"},
        {"ID": []},
    ],
)
def test_numbers_have_bounds_and_the_error_names_the_field(content: dict[str, Any]) -> None:
    with pytest.raises(EtcdError, match=next(iter(content))):
        decode_message(LeaseGrantRequest, json.dumps(content).encode())


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2), max_size=4), st.data())
def test_documents_come_whole_however_they_are_cut(documents: list[dict[str, str]], data: st.DataObject) -> None:
    whole = " ".join(json.dumps(each, ensure_ascii=False) for each in documents).encode("utf-8", "surrogatepass")
    try:
        whole.decode()
    except UnicodeDecodeError:
        return
    reader, found = DocumentReader(1_000), []
    while whole:
        cut = data.draw(st.integers(1, len(whole)))
        found += reader.feed(whole[:cut])
        whole = whole[cut:]
    reader.end()
    assert found == documents


@pytest.mark.parametrize("pieces", [[b"x"], [b'{"a": '], [b"\xff{}"], [b'{"a": "' + b"x" * 200], [b"{} ]"]])
def test_what_is_no_document_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(EtcdError, match="malformed"):
        read_all(pieces)


def read_all(pieces: list[bytes]) -> None:
    reader = DocumentReader(100)
    for piece in pieces:
        reader.feed(piece)
    reader.end()
