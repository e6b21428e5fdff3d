"""Operations of the store as requests, and the results in their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from coterie.app.client.encoding import (
    NOT_OVER_HTTP,
    not_text,
    path_part,
    read_optional,
    read_record,
    span_of,
    text_of,
)
from coterie.app.client.transport.requests import ApiRequest
from coterie.app.wire.base import Body
from coterie.app.wire.encoding import to_text
from coterie.app.wire.locks import AcquireBody, LeaseBody, ProclaimBody, SemaphoreBody
from coterie.app.wire.txn import (
    Comparison,
    DeleteOperation,
    GetOperation,
    HeldBy,
    Operation,
    PrefixOperation,
    PutOperation,
    RangeOperation,
    TxnBody,
)
from coterie.consensus.api.errors import RefusedError
from coterie.consensus.store import (
    KEEP_LEASE,
    Acquire,
    AcquireDone,
    ClientOperation,
    Compact,
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    Done,
    Get,
    GetDone,
    Guard,
    LeaseBind,
    LeaseDone,
    LeaseEnded,
    LeaseGrant,
    LeaseGrantAs,
    LeaseKeepAlive,
    LeaseRevoke,
    Proclaim,
    Put,
    PutDone,
    QueueKind,
    Range,
    RangeDone,
    RefusalCode,
    Release,
    SingleResult,
    Txn,
    TxnDone,
    TxnTree,
)

PLURALS = {QueueKind.LOCK: "locks", QueueKind.ELECTION: "elections", QueueKind.SEMAPHORE: "semaphores"}

Shown = Mapping[str, Any]
TxnOp = Put | Delete | DeleteRange | Get | Range
TxnResult = PutDone | DeleteDone | GetDone | RangeDone

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Order:
    """An operation as HTTP has it."""

    call: ApiRequest
    read: Callable[[Shown], SingleResult]
    """What its answer says. Raises KeyError, TypeError, ClientError where it is none; ConflictError."""


def json_call(method: str, path: str, body: Body) -> ApiRequest:
    """Raises RefusedError where there is something in it that is no text."""
    try:
        return ApiRequest(method, path, body=msgspec.json.encode(body), headers=_JSON)
    except UnicodeEncodeError as error:
        raise not_text("the text", error.object) from None


def order_of(operation: ClientOperation) -> Order:
    """Raises RefusedError for what HTTP cannot carry."""
    match operation:
        case Put(value=None):
            return _alone(operation)
        case Put():
            return _put(operation)
        case Delete():
            return _delete(operation)
        case DeleteRange():
            return _delete_range(operation)
        case Txn():
            return _txn(operation)
        case TxnTree():
            raise RefusedError(
                NOT_OVER_HTTP, message="over HTTP no transaction is part of another; it is by etcd's API"
            )
        case LeaseGrantAs():
            raise RefusedError(NOT_OVER_HTTP, message="over HTTP the cluster chooses a lease's id")
        case LeaseGrant(ttl_ms=ttl_ms):
            return Order(json_call("POST", "/v1/leases", LeaseBody(ttl=ttl_ms / 1000)), read_lease_done)
        case LeaseBind(node=node, generation=generation, hold_ms=hold_ms):
            body = LeaseBody(node=node, generation=generation, hold=hold_ms / 1000)
            return Order(json_call("POST", "/v1/leases", body), read_lease_done)
        case LeaseKeepAlive(lease=lease):
            return Order(ApiRequest("POST", f"/v1/leases/{lease}/keepalive"), read_lease_done)
        case LeaseRevoke(lease=lease):
            return Order(
                ApiRequest("DELETE", f"/v1/leases/{lease}"),
                lambda shown: LeaseEnded(shown["revision"], shown["deleted"]),
            )
        case Acquire():
            return _acquire(operation)
        case Release(kind=kind, name=name, lease=lease):
            return Order(ApiRequest("DELETE", queue_path(kind, name), {"lease": lease}), _done)
        case Proclaim(kind=QueueKind.ELECTION, name=name, token=token, value=value):
            text, encoding = to_text(value)
            proclaimed = ProclaimBody(token=token, value=text, encoding=encoding)
            return Order(json_call("PUT", queue_path(QueueKind.ELECTION, name), proclaimed), _done)
        case Proclaim():
            raise RefusedError(NOT_OVER_HTTP, message="over HTTP only the leader of an election proclaims values")
        case Compact():
            raise RefusedError(
                NOT_OVER_HTTP, message="history is not compacted over HTTP: members do it by their own limits"
            )


def key_path(key: bytes) -> str:
    return f"/v1/meta/{path_part(text_of(key))}"


def queue_path(kind: QueueKind, name: bytes) -> str:
    return f"/v1/{PLURALS[kind]}/{path_part(text_of(name, 'name'))}"


def _done(shown: Shown) -> Done:
    return Done(shown["revision"])


def read_lease_done(shown: Shown) -> LeaseDone:
    return LeaseDone(shown["lease"], shown["renewals"], shown["deadline_ms"] or 0)


# -- keys --------------------------------------------------------------------------------------------------------------


def _expecting(expect: int | None) -> dict[str, str]:
    if expect is None:
        return {}
    return {"If-Match": f'"{expect}"'} if expect else {"If-None-Match": "*"}


def _put(put: Put) -> Order:
    query: dict[str, str | int] = {}
    if put.lease:
        query["lease"] = "keep" if put.lease == KEEP_LEASE else put.lease
    if put.prev:
        query["prev"] = "true"
    call = ApiRequest("PUT", key_path(put.key), query, put.value, _expecting(put.expect))
    return Order(call, lambda shown: PutDone(shown["revision"], read_optional(shown.get("prev"))))


def _delete(delete: Delete) -> Order:
    query: dict[str, str | int] = {"prev": "true"} if delete.prev else {}

    def read(shown: Shown) -> DeleteDone:
        prev = read_optional(shown.get("prev"))
        return DeleteDone(shown["revision"], shown["deleted"], () if prev is None else (prev,))

    return Order(ApiRequest("DELETE", key_path(delete.key), query, headers=_expecting(delete.expect)), read)


def _delete_range(delete: DeleteRange) -> Order:
    what, text = span_of(delete.start, delete.end)
    if what == "key":
        return _delete(Delete(delete.start, delete.prev))
    if delete.prev:
        return _alone(delete)
    return Order(
        ApiRequest("DELETE", "/v1/meta", {"prefix": text}),
        lambda shown: DeleteDone(shown["revision"], shown["deleted"]),
    )


# -- transactions ------------------------------------------------------------------------------------------------------


def _alone(operation: Put | DeleteRange) -> Order:
    """What a request of its own does not offer, as a transaction of one."""
    of_one = _txn(Txn((), (operation,)))

    def read(shown: Shown) -> SingleResult:
        (result,) = cast(TxnDone, of_one.read(shown)).results
        return result

    return Order(of_one.call, read)


def _txn(txn: Txn) -> Order:
    try:
        compare = tuple(map(_comparison, txn.compares))
    except ValueError as error:
        raise RefusedError(RefusalCode.MALFORMED, message=str(error)) from None
    body = TxnBody(
        compare=compare, then=tuple(map(_operation, txn.then)), otherwise=tuple(map(_operation, txn.otherwise))
    )

    def read(shown: Shown) -> TxnDone:
        asked = txn.then if shown["succeeded"] else txn.otherwise
        results = [_read_result(each, result) for each, result in zip(asked, shown["results"], strict=True)]
        return TxnDone(shown["revision"], shown["succeeded"], tuple(results))

    return Order(json_call("POST", "/v1/txn", body), read)


def _comparison(it: Compare | Guard) -> Comparison:
    if isinstance(it, Guard):
        return Comparison(held=HeldBy(kind=it.kind.value, name=text_of(it.name, "name"), token=it.token))
    key = text_of(it.key)
    if isinstance(it.operand, bytes):
        operand, encoding = to_text(it.operand)
        return Comparison(key=key, target=it.target, op=it.op, operand=operand, encoding=encoding)
    return Comparison(key=key, target=it.target, op=it.op, operand=it.operand)


def _operation(it: TxnOp) -> Operation:
    match it:
        case Put():
            value, encoding = to_text(it.value or b"")
            put = PutOperation(
                key=text_of(it.key),
                value=None if it.value is None else value,
                encoding=encoding,
                lease=it.lease,
                prev=it.prev,
                expect=it.expect,
            )
            return Operation(put=put)
        case Delete():
            return Operation(delete=DeleteOperation(key=text_of(it.key), prev=it.prev, expect=it.expect))
        case DeleteRange():
            what, text = span_of(it.start, it.end)
            if what == "key":
                return Operation(delete=DeleteOperation(key=text, prev=it.prev))
            return Operation(delete_prefix=PrefixOperation(prefix=text, prev=it.prev))
        case Get():
            return Operation(get=GetOperation(key=text_of(it.key)))
        case Range():
            what, text = span_of(it.start, it.end)
            if what == "key":
                return Operation(get=GetOperation(key=text))
            return Operation(range=RangeOperation(prefix=text, limit=it.limit))


def _read_result(asked: TxnOp, shown: Shown) -> TxnResult:
    (result,) = shown.values()
    match asked:
        case Put():
            return PutDone(result["revision"], read_optional(result["prev"]))
        case Delete() | DeleteRange():
            return DeleteDone(result["revision"], result["deleted"], tuple(map(read_record, result["prev"])))
        case Get():
            return GetDone(read_optional(result["record"]))
        case Range() if "record" in result:
            record = read_optional(result["record"])
            return RangeDone(() if record is None else (record,), more=False)
        case Range():
            return RangeDone(tuple(map(read_record, result["keys"])), result["more"])


# -- locks, elections, semaphores --------------------------------------------------------------------------------------


def _acquire(acquire: Acquire) -> Order:
    text, encoding = to_text(acquire.value)
    if acquire.kind is QueueKind.SEMAPHORE:
        body: AcquireBody = SemaphoreBody(
            lease=acquire.lease, stay=acquire.wait, value=text, encoding=encoding, permits=acquire.permits
        )
    else:
        body = AcquireBody(lease=acquire.lease, stay=acquire.wait, value=text, encoding=encoding)

    def read(shown: Shown) -> AcquireDone:
        return AcquireDone(shown["revision"], shown["key"].encode(), shown["token"] or 0, shown["ahead"])

    return Order(json_call("POST", queue_path(acquire.kind, acquire.name), body), read)
