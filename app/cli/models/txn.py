"""A transaction as `coterie meta txn` reads it, and what it prints with `--json`."""

from __future__ import annotations

from typing import Any

import msgspec

from coterie.app.cli.models.meta import show_optional, show_record
from coterie.app.wire.txn import DeleteResult, GetResult, OperationResult, PutResult, RangeResult, TxnAnswer, TxnBody
from coterie.consensus.store import DeleteDone, GetDone, PutDone, RangeDone, TxnDone


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


def show_txn(body: TxnBody, done: TxnDone) -> TxnAnswer:
    asked = body.then if done.succeeded else body.otherwise
    results = (
        OperationResult(**{each.one[0]: _result(result)}) for each, result in zip(asked, done.results, strict=True)
    )
    return TxnAnswer(done.revision, done.succeeded, tuple(results))


def _result(result: PutDone | DeleteDone | GetDone | RangeDone) -> Any:
    match result:
        case PutDone():
            return PutResult(result.revision, show_optional(result.prev))
        case DeleteDone():
            return DeleteResult(result.revision, result.deleted, tuple(map(show_record, result.prev)))
        case GetDone():
            return GetResult(show_optional(result.record))
    return RangeResult(tuple(map(show_record, result.records)), result.more)
