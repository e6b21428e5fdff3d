"""The tables of messages and calls: whole, and without contradictions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coterie.app.etcd.messages.fields import EtcdMessage, fields_of
from coterie.app.etcd.messages.kv import RequestOp, TxnRequest
from coterie.app.etcd.rpcs import BY_METHOD, BY_PATH, RPCS


def _messages() -> Iterator[type[EtcdMessage]]:
    """Every message that a call reaches."""
    seen: set[type[EtcdMessage]] = set()
    waiting = [each for rpc in RPCS if rpc.served for each in (rpc.request, rpc.response)]
    while waiting:
        message = waiting.pop()
        if message in seen:
            continue
        seen.add(message)
        yield message
        waiting += [field.type for field in fields_of(message) if field.kind == "message"]


@pytest.mark.parametrize("message", list(_messages()))
def test_fields_have_numbers_of_their_own_and_defaults_of_protobuf(message: type[EtcdMessage]) -> None:
    fields = fields_of(message)
    assert len({field.number for field in fields}) == len(fields)
    for field in fields:
        if field.repeated:
            assert field.default == ()
        elif field.kind == "message":
            assert field.default is None
        else:
            assert field.default == (0 if field.kind == "enum" else field.type()), field


def test_messages_may_hold_one_another() -> None:
    nested = {field.name: field for field in fields_of(RequestOp)}["request_txn"]
    assert (nested.type, nested.repeated) == (TxnRequest, False)
    lists = {field.name: field for field in fields_of(TxnRequest)}
    assert (lists["success"].type, lists["success"].repeated) == (RequestOp, True)


def test_each_call_has_a_name_and_paths_of_its_own() -> None:
    assert len(BY_METHOD) == len(RPCS)
    assert len(BY_PATH) == sum(len(rpc.paths) for rpc in RPCS)
    for rpc in RPCS:
        assert (rpc.request is EtcdMessage) == (rpc.response is EtcdMessage), rpc.name
