"""Bytes for operations and results: one byte with the level that they need, then MessagePack.

Decoding is total: bytes either give a typed operation within the bounds of the format, or raise CodecError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from coterie.consensus.store.schema.errors import CodecError, UnsupportedVersionError
from coterie.consensus.store.schema.levels import KNOWN_LEVEL, level_of, limits_at
from coterie.consensus.store.schema.limits import MAX_BATCH_OPS, MAX_ENTRY_BYTES, MAX_INT
from coterie.consensus.store.schema.operations import (
    AnyOperation,
    Batch,
    ClientOperation,
    Idempotent,
    IdempotentFor,
    InNameOf,
    SetLimits,
    SingleOperation,
)
from coterie.consensus.store.schema.results import Result

RESULT_VERSION = 1

_LEVEL_BYTES = [bytes((level,)) for level in range(KNOWN_LEVEL + 1)]
_BATCH_LEVEL = _LEVEL_BYTES[level_of(Batch(0))]
_SET_LIMITS_TAG = 21
_WITH_REQUEST_ID = (Idempotent, IdempotentFor)
_OF_CLIENTS = frozenset({*get_args(ClientOperation), InNameOf})

_encode = msgspec.msgpack.Encoder().encode
_any: msgspec.msgpack.Decoder[AnyOperation] = msgspec.msgpack.Decoder(AnyOperation)
_single: msgspec.msgpack.Decoder[SingleOperation] = msgspec.msgpack.Decoder(SingleOperation)
_result: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)


def encode(operation: AnyOperation) -> bytes:
    """The bytes of one operation. Raises CodecError where they would not decode again."""
    try:
        data = _LEVEL_BYTES[level_of(operation)] + _encode(operation)
    except (OverflowError, UnicodeEncodeError) as error:
        raise CodecError(f"an operation that has no bytes: {error}") from error
    _decode_any(data, KNOWN_LEVEL)
    return data


def encode_limits(operation: SetLimits, level: int) -> bytes:
    """The bytes of new limits in a cluster at `level`: those that it has."""
    return bytes((level,)) + _encode((_SET_LIMITS_TAG, limits_at(operation.limits, level)))


def encode_batch(time_ms: int, operations: Sequence[bytes]) -> bytes:
    """One log entry of many encoded operations, at a cluster time in milliseconds. Raises CodecError as `encode`."""
    if not 0 <= time_ms <= MAX_INT:
        raise CodecError(f"a cluster time of {time_ms} ms; 0 to {MAX_INT} are allowed")
    if len(operations) > MAX_BATCH_OPS:
        raise CodecError(f"{len(operations)} operations in one batch; at most {MAX_BATCH_OPS}")
    data = _BATCH_LEVEL + _encode(Batch(time_ms, tuple(operations)))
    if len(data) > MAX_ENTRY_BYTES:
        raise CodecError(f"a batch of {len(data)} bytes; at most {MAX_ENTRY_BYTES}")
    return data


def decode(data: bytes, level: int = KNOWN_LEVEL) -> AnyOperation:
    """The operation in `data`. Raises UnsupportedVersionError above `level`, CodecError for all else that is wrong."""
    operation = _decode_any(data, level)
    if data[0] < KNOWN_LEVEL and level_of(operation) > data[0]:
        raise _beyond_its_level(data, operation)
    return operation


def _decode_any(data: bytes, level: int) -> AnyOperation:
    _check(data, level)
    try:
        return _any.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise CodecError(f"not an operation: {error}") from error


def decode_single(data: bytes, level: int = KNOWN_LEVEL) -> SingleOperation:
    """As `decode`, for a member of a batch: no batch itself."""
    _check(data, level)
    try:
        operation = _single.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise CodecError(f"not a single operation: {error}") from error
    if data[0] < KNOWN_LEVEL and level_of(operation) > data[0]:
        raise _beyond_its_level(data, operation)
    return operation


def decode_client(data: bytes, level: int = KNOWN_LEVEL) -> SingleOperation:
    """As `decode_single`, and CodecError too for what only the leader may propose: the check on forwarded requests."""
    operation = decode_single(data, level)
    plain = operation.operation if isinstance(operation, _WITH_REQUEST_ID) else operation
    if type(plain) not in _OF_CLIENTS:
        raise CodecError(f"{type(plain).__name__} is for the leader alone")
    return operation


def _check(data: bytes, level: int) -> None:
    if not 2 <= len(data) <= MAX_ENTRY_BYTES:
        raise CodecError(f"an operation of {len(data)} bytes; 2 to {MAX_ENTRY_BYTES} are allowed")
    if not 1 <= data[0] <= level:
        raise UnsupportedVersionError("an operation", data[0], level)


def _beyond_its_level(data: bytes, operation: AnyOperation) -> CodecError:
    """A member that knows no later level does not know the operation, either: all must refuse it alike."""
    return CodecError(f"{type(operation).__name__} needs level {level_of(operation)}, its bytes say {data[0]}")


def encode_result(result: Result) -> bytes:
    return bytes((RESULT_VERSION,)) + _encode(result)


def decode_result(data: bytes) -> Result:
    """Raises CodecError."""
    if not data or data[0] != RESULT_VERSION:
        raise UnsupportedVersionError("a result", data[0] if data else 0, RESULT_VERSION)
    try:
        return _result.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise CodecError(f"not a result: {error}") from error
