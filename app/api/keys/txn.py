"""`POST /v1/txn`: comparisons, and what to do where they all hold or do not, at one revision."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import FastAPI, Request
from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.encoding import read_value, show_record
from coterie.app.api.keys.metadata import check_readable, check_writable
from coterie.app.api.parameters import ChangeCall, answer, write_errors
from coterie.app.auth import token_store
from coterie.app.auth.authority import principal_of, require
from coterie.app.auth.rules import Principal
from coterie.app.http.error_mapping import api_error
from coterie.app.wire.errors import Code
from coterie.app.wire.keys import Encoding, MetaRecord, Revision
from coterie.app.wire.models import Answer, Body
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.store import (
    KEEP_LEASE,
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
    prefix_end,
)
from coterie.consensus.store.schema.limits import MAX_INT

Key = Annotated[str, Field(min_length=1, examples=["jobs/7"])]
Number = Annotated[int, Field(ge=0, le=MAX_INT)]


class HeldBy(Body):
    """A lock, election or semaphore."""

    kind: Literal["lock", "election", "semaphore"]
    name: Annotated[str, Field(min_length=1, examples=["jobs"])]
    token: Annotated[int, Field(ge=0, le=MAX_INT, examples=[17])]
    """The fencing token of the grant; 0, of none, never holds."""


class Comparison(Body):
    """Of a key (`key`, `target`, `op`, `operand`), or that a grant still lasts (`held`)."""

    key: Key | None = None
    target: Target | None = None
    """For a key that is not there every number is 0, and no comparison of values holds."""
    op: Literal["=", "!=", "<", ">"] = "="
    operand: Number | str | None = None
    """A number, but text for `value`."""
    encoding: Encoding = "utf-8"
    """Of the operand, where it is text."""
    held: HeldBy | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        of_key = self.key is not None and self.target is not None and self.operand is not None
        if of_key == (self.held is not None):
            raise ValueError("give either key, target and operand, or held")
        if of_key and isinstance(self.operand, str) != (self.target is Target.VALUE):
            raise ValueError("the operand must be text for the target value, and else a number")
        return self


class PutOperation(Body):
    """Write a key."""

    key: Key
    value: Annotated[str | None, Field(examples=["ready"])]
    """Null keeps the value that the key has."""
    encoding: Encoding = "utf-8"
    lease: Annotated[int, Field(ge=KEEP_LEASE, le=MAX_INT)] = 0
    """0: none; -1: the one that the key has."""
    prev: bool = False
    """Answer with what was replaced."""
    expect: Number | None = None
    """Refuse the whole transaction (`precondition_failed`) unless the key is at this revision; 0: unless it is
    absent."""


class DeleteOperation(Body):
    """Delete a key, if it is there."""

    key: Key
    prev: bool = False
    expect: Number | None = None
    """As for `put`."""


class PrefixOperation(Body):
    """Delete all keys that start with a prefix."""

    prefix: Annotated[str, Field(min_length=1, examples=["jobs/"])]
    prev: bool = False


class GetOperation(Body):
    """Read a key, as the operations before have left it."""

    key: Key


class RangeOperation(Body):
    """Read the keys that start with a prefix."""

    prefix: Annotated[str, Field(examples=["jobs/"])] = ""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class Operation(Body):
    """Exactly one of these."""

    put: PutOperation | None = None
    delete: DeleteOperation | None = None
    delete_prefix: PrefixOperation | None = None
    get: GetOperation | None = None
    range: RangeOperation | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("give exactly one of put, delete, delete_prefix, get, range")
        return self


class TxnBody(Body):
    """A transaction: a key is written at most once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "compare": [{"key": "jobs/7", "target": "version", "op": "=", "operand": 0}],
                    "then": [{"put": {"key": "jobs/7", "value": "ready"}}],
                    "else": [{"get": {"key": "jobs/7"}}],
                }
            ]
        },
        populate_by_name=True,
    )

    compare: list[Comparison] = []  # noqa: RUF012 - pydantic copies defaults
    """All of them must hold for `then` to be done."""
    then: list[Operation] = []  # noqa: RUF012 - pydantic copies defaults
    otherwise: Annotated[list[Operation], Field(alias="else")] = []  # noqa: RUF012 - pydantic copies defaults
    """Done where one does not hold."""


class PutResult(Answer):
    """Written."""

    revision: Revision
    prev: MetaRecord | None


class DeleteResult(Answer):
    """Deleted, what was there."""

    revision: Revision
    deleted: int
    prev: list[MetaRecord]


class GetResult(Answer):
    """A key, or null where it is not there."""

    record: MetaRecord | None


class RangeResult(Answer):
    """Keys in order."""

    keys: list[MetaRecord]
    more: bool
    """There are more keys than were asked for."""


class OperationResult(Answer):
    """Under the name of the operation."""

    put: PutResult | None = None
    delete: DeleteResult | None = None
    delete_prefix: DeleteResult | None = None
    get: GetResult | None = None
    range: RangeResult | None = None


class TxnAnswer(Answer):
    """Done, all of it at one revision."""

    revision: Revision
    succeeded: bool
    """The comparisons held: `results` are those of `then`, otherwise those of `else`."""
    results: list[OperationResult]


def read_comparison(it: Comparison, principal: Principal) -> Compare | Guard:
    """Raises ApiError, where the principal may not know what is compared, too."""
    if it.held is not None:
        require(principal, "locks", "read", it.held.name)
        return Guard(QueueKind(it.held.kind), it.held.name.encode(), it.held.token)
    assert it.key is not None, "checked with the body"  # noqa: S101
    assert it.target is not None, "checked with the body"  # noqa: S101
    check_readable(it.key)
    require(principal, "metadata", "read", it.key)
    operand = read_value(it.operand, it.encoding, "operand") if isinstance(it.operand, str) else it.operand
    return Compare(_bytes(it.key, "key"), it.target, it.op, operand or (b"" if isinstance(it.operand, str) else 0))


def read_operation(it: Operation, principal: Principal) -> Put | Delete | DeleteRange | Get | Range:
    """Raises ApiError, where the principal may not do it, too."""
    if it.put is not None:
        check_writable(it.put.key)
        require(principal, "metadata", "write", it.put.key)
        value = None if it.put.value is None else read_value(it.put.value, it.put.encoding, "value")
        return Put(_bytes(it.put.key, "key"), value, it.put.lease, it.put.prev, it.put.expect)
    if it.delete is not None:
        check_writable(it.delete.key)
        require(principal, "metadata", "write", it.delete.key)
        return Delete(_bytes(it.delete.key, "key"), it.delete.prev, it.delete.expect)
    if it.delete_prefix is not None:
        check_writable(it.delete_prefix.prefix)
        require(principal, "metadata", "write", it.delete_prefix.prefix)
        prefix = _bytes(it.delete_prefix.prefix, "prefix")
        return DeleteRange(prefix, prefix_end(prefix), it.delete_prefix.prev)
    if it.get is not None:
        check_readable(it.get.key)
        require(principal, "metadata", "read", it.get.key)
        return Get(_bytes(it.get.key, "key"))
    assert it.range is not None, "checked with the body"  # noqa: S101
    require(principal, "metadata", "read", it.range.prefix)
    prefix = _bytes(it.range.prefix, "prefix")
    return Range(prefix, prefix_end(prefix), it.range.limit)


def _bytes(text: str, parameter: str) -> bytes:
    return read_value(text, "utf-8", parameter)


def show_result(asked: Operation, result: Any) -> dict[str, Any]:
    """One operation's result, under its name."""
    (name,) = asked.model_fields_set
    match result:
        case PutDone():
            prev = None if result.prev is None else show_record(result.prev)
            return {name: {"revision": result.revision, "prev": prev}}
        case DeleteDone():
            shown = [show_record(record) for record in result.prev]
            return {name: {"revision": result.revision, "deleted": result.deleted, "prev": shown}}
        case GetDone():
            return {name: {"record": None if result.record is None else show_record(result.record)}}
        case RangeDone():
            keys = [show_record(record) for record in result.records if not token_store.is_hidden(record.key)]
            return {name: {"keys": keys, "more": result.more}}
    raise TypeError(f"{type(result).__name__} is no result of a transaction's operation")


def add_txn(app: FastAPI, context: Context) -> None:
    @app.post(
        "/v1/txn",
        summary="A transaction",
        operation_id="txn",
        response_model=TxnAnswer,
        response_description="Done; `succeeded` says which list it was",
        responses=write_errors(
            Code.MISSING_PARAMETER,
            Code.EMPTY_PARAMETER,
            Code.INVALID_ENCODING,
            Code.KEY_INVALID,
            Code.TOO_MANY_OPS,
            Code.DUPLICATE_KEY,
            Code.RESERVED_KEY,
            Code.KEY_NOT_FOUND,
            Code.LEASE_NOT_FOUND,
            Code.DELETE_TOO_LARGE,
            Code.RESULT_TOO_LARGE,
            Code.TOO_MANY_KEYS,
            Code.NO_SPACE,
            Code.LEASE_FULL,
            Code.PRECONDITION_FAILED,
        ),
        tags=["metadata"],
    )
    async def txn(body: TxnBody, call: ChangeCall, request: Request) -> Response:
        """Where all comparisons hold, `then` is done, else `else`: all of it at one revision, or nothing."""
        principal = principal_of(request.scope)
        compares = [read_comparison(each, principal) for each in body.compare]
        then = [read_operation(each, principal) for each in body.then]
        otherwise = [read_operation(each, principal) for each in body.otherwise]
        try:
            done = await call.metadata.txn(compares, then, otherwise, request=call.request, timeout=call.seconds)
        except MetadataError as error:
            raise api_error(error, call.request) from None
        asked = body.then if done.succeeded else body.otherwise
        results = [show_result(operation, result) for operation, result in zip(asked, done.results, strict=True)]
        return answer({"revision": done.revision, "succeeded": done.succeeded, "results": results})
