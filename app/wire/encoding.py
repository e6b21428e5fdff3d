"""Bytes and operations of the store as JSON carries them: text where they are UTF-8, values else in base64."""

from __future__ import annotations

import base64
import binascii

from coterie.app.wire.base import Encoding
from coterie.app.wire.txn import (
    Comparison,
    DeleteOperation,
    GetOperation,
    Operation,
    PrefixOperation,
    PutOperation,
    TxnBody,
)
from coterie.consensus.store import (
    Compare,
    Delete,
    DeleteRange,
    Get,
    Guard,
    Put,
    QueueKind,
    Range,
    Txn,
    prefix_end,
)


class EncodingError(ValueError):
    """A text that is not what its encoding says. `parameter`: which."""

    def __init__(self, parameter: str, what: str) -> None:
        super().__init__(f"{parameter} is {what}")
        self.parameter = parameter


def to_text(value: bytes) -> tuple[str, Encoding]:
    """A value as JSON carries it, with the name of its encoding."""
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"


def to_bytes(text: str, encoding: str | None, parameter: str = "value") -> bytes:
    """The bytes behind a value in JSON; without an encoding it is text. Raises EncodingError."""
    try:
        return base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
    except (binascii.Error, ValueError):
        what = "not base64" if encoding == "base64" else "not text that UTF-8 can carry"
        raise EncodingError(parameter, what) from None


# -- transactions ------------------------------------------------------------------------------------------------------


def to_txn(body: TxnBody) -> Txn:
    """Raises EncodingError."""
    return Txn(
        tuple(map(to_compare, body.compare)),
        tuple(map(to_operation, body.then)),
        tuple(map(to_operation, body.otherwise)),
    )


def to_compare(it: Comparison) -> Compare | Guard:
    """Raises EncodingError."""
    if it.held is not None:
        return Guard(QueueKind(it.held.kind), to_bytes(it.held.name, None, "name"), it.held.token)
    assert it.key is not None, "checked with the body"  # noqa: S101
    assert it.target is not None, "checked with the body"  # noqa: S101
    assert it.operand is not None, "checked with the body"  # noqa: S101
    operand = to_bytes(it.operand, it.encoding, "operand") if isinstance(it.operand, str) else it.operand
    return Compare(to_bytes(it.key, None, "key"), it.target, it.op, operand)


def to_operation(it: Operation) -> Put | Delete | DeleteRange | Get | Range:
    """Raises EncodingError."""
    match it.one[1]:
        case PutOperation() as put:
            value = None if put.value is None else to_bytes(put.value, put.encoding)
            return Put(to_bytes(put.key, None, "key"), value, put.lease, put.prev, put.expect)
        case DeleteOperation() as delete:
            return Delete(to_bytes(delete.key, None, "key"), delete.prev, delete.expect)
        case PrefixOperation() as delete_prefix:
            start = to_bytes(delete_prefix.prefix, None, "prefix")
            return DeleteRange(start, prefix_end(start), delete_prefix.prev)
        case GetOperation() as get:
            return Get(to_bytes(get.key, None, "key"))
        case listed:
            start = to_bytes(listed.prefix, None, "prefix")
            return Range(start, prefix_end(start), listed.limit)
