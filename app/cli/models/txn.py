"""A transaction as the JSON of POST /v1/txn, between text and the store's operation, and its answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from coterie.app.cli.models.meta import Encoding, MetaRecord, show_optional, show_record
from coterie.app.client.encoding import read_bytes
from coterie.app.client.errors import ClientError
from coterie.consensus.store import (
    Compare,
    Delete,
    DeleteDone,
    DeleteRange,
    Get,
    GetDone,
    Guard,
    Put,
    PutDone,
    QueueKind,
    Range,
    RangeDone,
    Target,
    Txn,
    TxnDone,
    prefix_end,
)

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Lease = Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a transaction is made of."""


class HeldBy(Part, frozen=True):
    kind: Literal["lock", "election", "semaphore"]
    name: Name
    token: Number


class Comparison(Part, frozen=True):
    key: Name | None = None
    target: Literal["exists", "version", "create_revision", "mod_revision", "lease", "value"] | None = None
    op: Literal["=", "!=", "<", ">"] = "="
    operand: Number | str | None = None
    encoding: Encoding = "utf-8"
    held: HeldBy | None = None


class PutPart(Part, frozen=True):
    key: Name
    value: str | None
    encoding: Encoding = "utf-8"
    lease: Lease = 0
    prev: bool = False
    expect: Number | None = None


class DeletePart(Part, frozen=True):
    key: Name
    prev: bool = False
    expect: Number | None = None


class PrefixPart(Part, frozen=True):
    prefix: Name
    prev: bool = False


class GetPart(Part, frozen=True):
    key: Name


class RangePart(Part, frozen=True):
    prefix: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000


class OperationPart(Part, frozen=True):
    """Exactly one of these."""

    put: PutPart | None = None
    delete: DeletePart | None = None
    delete_prefix: PrefixPart | None = None
    get: GetPart | None = None
    range: RangePart | None = None


class TxnBody(Part, frozen=True):
    compare: tuple[Comparison, ...] = ()
    then: tuple[OperationPart, ...] = ()
    otherwise: tuple[OperationPart, ...] = msgspec.field(default=(), name="else")


# -- what it comes to --------------------------------------------------------------------------------------------------


class PutShown(msgspec.Struct, frozen=True):
    revision: int
    prev: MetaRecord | None


class DeleteShown(msgspec.Struct, frozen=True):
    revision: int
    deleted: int
    prev: tuple[MetaRecord, ...]


class GetShown(msgspec.Struct, frozen=True):
    record: MetaRecord | None


class RangeShown(msgspec.Struct, frozen=True):
    keys: tuple[MetaRecord, ...]
    more: bool


class ResultShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """Under the name of the operation."""

    put: PutShown | None = None
    delete: DeleteShown | None = None
    delete_prefix: DeleteShown | None = None
    get: GetShown | None = None
    range: RangeShown | None = None


class TxnShown(msgspec.Struct, frozen=True):
    """Done, all of it at one revision."""

    revision: int
    succeeded: bool
    """The comparisons held: `results` are those of `then`, otherwise those of `else`."""
    results: tuple[ResultShown, ...]


# -- from one to the other ---------------------------------------------------------------------------------------------


def read_json(text: str) -> TxnBody:
    """Raises ValueError, which names the field."""
    return _checked(lambda: msgspec.json.decode(text, type=TxnBody))


def read_body(value: dict[str, Any]) -> TxnBody:
    """Raises ValueError."""
    return _checked(lambda: msgspec.convert(value, TxnBody))


def _checked(read: Any) -> TxnBody:
    try:
        body: TxnBody = read()
    except msgspec.MsgspecError as error:
        raise ValueError(f"no transaction: {str(error)[:1].lower()}{str(error)[1:]}") from None
    return body


def to_operation(body: TxnBody) -> Txn:
    """Raises ValueError."""
    try:
        return Txn(
            tuple(map(_compare, body.compare)),
            tuple(_operation(each)[1] for each in body.then),
            tuple(_operation(each)[1] for each in body.otherwise),
        )
    except ClientError as error:
        raise ValueError(f"no transaction: a value is not what its encoding says ({error})") from None


def _compare(it: Comparison) -> Compare | Guard:
    if it.held is not None and it.key is None:
        return Guard(QueueKind(it.held.kind), it.held.name.encode(), it.held.token)
    if it.key is None or it.target is None or it.operand is None or it.held is not None:
        raise ValueError("no transaction: a comparison needs either key, target and operand, or held")
    if isinstance(it.operand, str) != (it.target == "value"):
        raise ValueError("no transaction: the operand must be text for the target value, and else a number")
    operand = read_bytes(it.operand, it.encoding) if isinstance(it.operand, str) else it.operand
    return Compare(it.key.encode(), Target(it.target), it.op, operand)


def _operation(it: OperationPart) -> tuple[str, Put | Delete | DeleteRange | Get | Range]:
    """The name, and the store's own."""
    given = [(name, part) for name in it.__struct_fields__ if (part := getattr(it, name)) is not None]
    if len(given) != 1:
        raise ValueError("no transaction: an operation is exactly one of put, delete, delete_prefix, get, range")
    name, part = given[0]
    match part:
        case PutPart():
            value = None if part.value is None else read_bytes(part.value, part.encoding)
            return name, Put(part.key.encode(), value, part.lease, part.prev, part.expect)
        case DeletePart():
            return name, Delete(part.key.encode(), part.prev, part.expect)
        case PrefixPart():
            prefix = part.prefix.encode()
            return name, DeleteRange(prefix, prefix_end(prefix), part.prev)
        case GetPart():
            return name, Get(part.key.encode())
    prefix = part.prefix.encode()
    return name, Range(prefix, prefix_end(prefix), part.limit)


def show_txn(body: TxnBody, done: TxnDone) -> TxnShown:
    asked = body.then if done.succeeded else body.otherwise
    results = (
        ResultShown(**{_operation(each)[0]: _result(result)}) for each, result in zip(asked, done.results, strict=True)
    )
    return TxnShown(done.revision, done.succeeded, tuple(results))


def _result(result: PutDone | DeleteDone | GetDone | RangeDone) -> Any:
    match result:
        case PutDone():
            return PutShown(result.revision, show_optional(result.prev))
        case DeleteDone():
            return DeleteShown(result.revision, result.deleted, tuple(map(show_record, result.prev)))
        case GetDone():
            return GetShown(show_optional(result.record))
    return RangeShown(tuple(map(show_record, result.records)), result.more)
