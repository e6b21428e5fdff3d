"""`POST /v1/txn`: comparisons, and operations that depend on them, at one revision."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from fastapi import Body, FastAPI, Request
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.encoding import decoding, show_record
from coterie.app.api.keys.metadata import check_readable, check_writable
from coterie.app.api.parameters.declared import ChangeCall, answer, write_errors
from coterie.app.auth.authority import principal_of, require
from coterie.app.auth.rules import Principal
from coterie.app.auth.visibility import Shows, shown_to
from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.wire.encoding import to_txn
from coterie.app.wire.errors import Code
from coterie.app.wire.txn import (
    Comparison,
    DeleteOperation,
    GetOperation,
    Operation,
    PrefixOperation,
    PutOperation,
    TxnAnswer,
    TxnBody,
)
from coterie.consensus.api.errors import MetadataError, RefusedError
from coterie.consensus.store import DeleteDone, GetDone, PutDone, RangeDone, RefusalCode

TXN = "/v1/txn"

SHORT_BYTES = 8_192
"""Up to here the framework reads a body for all that is wrong with it: that takes milliseconds."""


class _TooManyError(ValueError):
    pass


class _Item(msgspec.Struct, gc=False):
    """Whatever its fields are. Stops the reading of a list that is too long, which could go on for megabytes."""

    left: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _Item.left -= 1
        if _Item.left < 0:
            raise _TooManyError


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A transaction's lists, of items that are only counted."""

    compare: list[_Item] = msgspec.field(default_factory=list)
    then: list[_Item] = msgspec.field(default_factory=list)
    otherwise: list[_Item] = msgspec.field(name="else", default_factory=list)


def check_shape(body: bytes, most: int) -> None:
    """Refuse a long body with more than `most` items in a list, or at its first mistake. Raises ApiError.

    The framework looks for all mistakes, which can take the event loop seconds.
    """
    if len(body) <= SHORT_BYTES:
        return
    _Item.left = 3 * most
    try:
        shape = msgspec.json.decode(body, type=_Shape)
        if max(len(shape.compare), len(shape.then), len(shape.otherwise)) > most:
            raise api_error(RefusedError(RefusalCode.TOO_MANY_OPS, most))
        msgspec.json.decode(body, type=TxnBody, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        if isinstance(error.__cause__, _TooManyError):
            raise api_error(RefusedError(RefusalCode.TOO_MANY_OPS, most)) from None
        raise ApiError(Code.INVALID_REQUEST, f"the parameter body: {error}", "body") from None


def check_comparison(it: Comparison, principal: Principal) -> None:
    """Raises ApiError where the principal may not know what is compared."""
    if it.held is not None:
        require(principal, "locks", "read", it.held.name)
    if it.key is not None:
        check_readable(it.key)
        require(principal, "metadata", "read", it.key)


def check_operation(it: Operation, principal: Principal) -> None:
    """Raises ApiError where the principal may not do it."""
    match it.one[1]:
        case PutOperation(key=key) | DeleteOperation(key=key) | PrefixOperation(prefix=key):
            check_writable(key)
            require(principal, "metadata", "write", key)
        case GetOperation(key=key):
            check_readable(key)
            require(principal, "metadata", "read", key)
        case listed:
            require(principal, "metadata", "read", listed.prefix)


def show_result(asked: Operation, result: Any, shows: Shows) -> dict[str, Any]:
    """One operation's result, under its name."""
    name, _ = asked.one
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
            keys = [show_record(record) for record in result.records if shows(record.key)]
            return {name: {"keys": keys, "more": result.more}}
    raise TypeError(f"{type(result).__name__} is no result of a transaction's operation")


def add_txn(app: FastAPI, context: Context) -> None:
    @app.post(
        TXN,
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
            Code.NOT_OWNER,
            Code.DELETE_TOO_LARGE,
            Code.RESULT_TOO_LARGE,
            Code.TOO_MANY_KEYS,
            Code.NO_SPACE,
            Code.LEASE_FULL,
            Code.PRECONDITION_FAILED,
        ),
        tags=["metadata"],
    )
    async def txn(body: Annotated[TxnBody, Body()], call: ChangeCall, request: Request) -> Response:
        """Where all comparisons hold, `then` is done, else `else`: all of it at one revision, or nothing."""
        principal = principal_of(request.scope)
        for each in body.compare:
            check_comparison(each, principal)
        for operation in (*body.then, *body.otherwise):
            check_operation(operation, principal)
        with decoding():
            asked = to_txn(body)
        try:
            done = await call.metadata.txn(
                asked.compares, asked.then, asked.otherwise, request=call.request, timeout=call.seconds
            )
        except MetadataError as error:
            raise api_error(error, call.request) from None
        list_done = body.then if done.succeeded else body.otherwise
        shows = shown_to(principal)
        results = [show_result(each, result, shows) for each, result in zip(list_done, done.results, strict=True)]
        return answer({"revision": done.revision, "succeeded": done.succeeded, "results": results})
