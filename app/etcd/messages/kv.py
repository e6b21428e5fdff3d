"""Keys: ranges, writes, transactions, compaction."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field


class ResponseHeader(EtcdMessage, frozen=True):
    """In every answer. `revision` is that of etcd: one above Coterie's, for an empty store of etcd is at 1."""

    cluster_id: Annotated[int, Field(1, "uint64")] = 0
    member_id: Annotated[int, Field(2, "uint64")] = 0
    revision: Annotated[int, Field(3)] = 0
    raft_term: Annotated[int, Field(4, "uint64")] = 0


class EtcdKeyValue(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""
    create_revision: Annotated[int, Field(2)] = 0
    mod_revision: Annotated[int, Field(3)] = 0
    version: Annotated[int, Field(4)] = 0
    value: Annotated[bytes, Field(5)] = b""
    lease: Annotated[int, Field(6)] = 0


class SortOrder(IntEnum):
    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


class RangeRequest(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""
    range_end: Annotated[bytes, Field(2)] = b""
    limit: Annotated[int, Field(3)] = 0
    revision: Annotated[int, Field(4)] = 0
    sort_order: Annotated[SortOrder, Field(5)] = SortOrder.NONE
    sort_target: Annotated[SortTarget, Field(6)] = SortTarget.KEY
    serializable: Annotated[bool, Field(7)] = False
    keys_only: Annotated[bool, Field(8)] = False
    count_only: Annotated[bool, Field(9)] = False
    min_mod_revision: Annotated[int, Field(10)] = 0
    max_mod_revision: Annotated[int, Field(11)] = 0
    min_create_revision: Annotated[int, Field(12)] = 0
    max_create_revision: Annotated[int, Field(13)] = 0


class RangeResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    kvs: Annotated[tuple[EtcdKeyValue, ...], Field(2)] = ()
    more: Annotated[bool, Field(3)] = False
    count: Annotated[int, Field(4)] = 0


class PutRequest(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""
    value: Annotated[bytes, Field(2)] = b""
    lease: Annotated[int, Field(3)] = 0
    prev_kv: Annotated[bool, Field(4)] = False
    ignore_value: Annotated[bool, Field(5)] = False
    ignore_lease: Annotated[bool, Field(6)] = False


class PutResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    prev_kv: Annotated[EtcdKeyValue | None, Field(2)] = None


class DeleteRangeRequest(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""
    range_end: Annotated[bytes, Field(2)] = b""
    prev_kv: Annotated[bool, Field(3)] = False


class DeleteRangeResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    deleted: Annotated[int, Field(2)] = 0
    prev_kvs: Annotated[tuple[EtcdKeyValue, ...], Field(3)] = ()


class CompareResult(IntEnum):
    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class EtcdCompare(EtcdMessage, frozen=True):
    """Of the operands (a `oneof`), the one that `target` names counts; the others are zero."""

    result: Annotated[CompareResult, Field(1)] = CompareResult.EQUAL
    target: Annotated[CompareTarget, Field(2)] = CompareTarget.VERSION
    key: Annotated[bytes, Field(3)] = b""
    version: Annotated[int, Field(4)] = 0
    create_revision: Annotated[int, Field(5)] = 0
    mod_revision: Annotated[int, Field(6)] = 0
    value: Annotated[bytes, Field(7)] = b""
    lease: Annotated[int, Field(8)] = 0
    range_end: Annotated[bytes, Field(64)] = b""


class RequestOp(EtcdMessage, frozen=True):
    """One of these (a `oneof`)."""

    request_range: Annotated[RangeRequest | None, Field(1)] = None
    request_put: Annotated[PutRequest | None, Field(2)] = None
    request_delete_range: Annotated[DeleteRangeRequest | None, Field(3)] = None
    request_txn: Annotated[TxnRequest | None, Field(4)] = None


class TxnRequest(EtcdMessage, frozen=True):
    compare: Annotated[tuple[EtcdCompare, ...], Field(1)] = ()
    success: Annotated[tuple[RequestOp, ...], Field(2)] = ()
    failure: Annotated[tuple[RequestOp, ...], Field(3)] = ()


class ResponseOp(EtcdMessage, frozen=True):
    """One of these (a `oneof`)."""

    response_range: Annotated[RangeResponse | None, Field(1)] = None
    response_put: Annotated[PutResponse | None, Field(2)] = None
    response_delete_range: Annotated[DeleteRangeResponse | None, Field(3)] = None
    response_txn: Annotated[TxnResponse | None, Field(4)] = None


class TxnResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    succeeded: Annotated[bool, Field(2)] = False
    responses: Annotated[tuple[ResponseOp, ...], Field(3)] = ()


class CompactionRequest(EtcdMessage, frozen=True):
    revision: Annotated[int, Field(1)] = 0
    physical: Annotated[bool, Field(2)] = False


class CompactionResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
