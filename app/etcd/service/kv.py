"""Keys: ranges, writes, transactions, compaction."""

from __future__ import annotations

from coterie.app.etcd.errors import etcd_error, of_metadata
from coterie.app.etcd.messages.kv import (
    CompactionRequest,
    CompactionResponse,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResponse,
    EtcdCompare,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseHeader,
    ResponseOp,
    SortOrder,
    SortTarget,
    TxnRequest,
    TxnResponse,
)
from coterie.app.etcd.rpcs import Caller, EtcdCode
from coterie.app.etcd.service.access import (
    Access,
    check_read,
    check_write,
    from_etcd,
    show_record,
    show_records,
    span_of,
    to_etcd,
)
from coterie.app.etcd.service.txn_checks import check_txn
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.api.types import Consistency
from coterie.consensus.store import (
    KEEP_LEASE,
    CompareRange,
    Delete,
    DeleteDone,
    DeleteRange,
    Put,
    PutDone,
    Scan,
    ScanDone,
    SortBy,
    State,
    Target,
    TreeDone,
    TreeOp,
    TreeResult,
    TxnTree,
)

_SORT_BY = {
    SortTarget.KEY: SortBy.KEY,
    SortTarget.VERSION: SortBy.VERSION,
    SortTarget.CREATE: SortBy.CREATE_REVISION,
    SortTarget.MOD: SortBy.MOD_REVISION,
    SortTarget.VALUE: SortBy.VALUE,
}
_DESCENDING = {SortOrder.NONE: None, SortOrder.ASCEND: False, SortOrder.DESCEND: True}

_NOTHING = 2**53 - 1
"""As a least revision: no record is at it."""


class KvCalls:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def range(self, request: RangeRequest, caller: Caller) -> RangeResponse:
        access = self._access
        if not request.key:
            raise etcd_error("empty_key")
        check_read(caller, span_of(request.key, request.range_end))
        scan = _scan(request)
        consistency = Consistency.STALE if request.serializable else Consistency.LINEARIZABLE
        try:
            answer = await access.metadata.scan(
                scan,
                most_bytes=access.settings.max_answer_bytes,
                consistency=consistency,
                timeout=caller.seconds and access.seconds(caller),
            )
        except MetadataError as error:
            raise of_metadata(error) from None
        done = answer.value
        return RangeResponse(access.header(done.revision), show_records(done.records), done.more, done.count)

    async def put(self, request: PutRequest, caller: Caller) -> PutResponse:
        put = _checked_put(request, caller)
        access = self._access
        done: object
        try:
            if put.lease == KEEP_LEASE:  # of a key that must be there
                tree = await access.metadata.txn_tree(TxnTree((), (put,)), **access.write(caller))
                done = tree.results[0]
            else:
                done = await access.metadata.submit(put, **access.write(caller))
        except MetadataError as error:
            failed = of_metadata(error)
            if request.lease and failed.code is EtcdCode.INVALID_ARGUMENT and access.state.lease(request.lease) is None:
                failed = etcd_error("lease_not_found")  # etcd looks for the lease first
            raise failed from None
        assert isinstance(done, PutDone)  # noqa: S101
        return PutResponse(access.header(done.revision), None if done.prev is None else show_record(done.prev))

    async def delete_range(self, request: DeleteRangeRequest, caller: Caller) -> DeleteRangeResponse:
        delete = _checked_delete(request, caller)
        access = self._access
        operation: Delete | DeleteRange = delete
        if not request.range_end:
            operation = Delete(delete.start, delete.prev)
        try:
            done = await access.metadata.submit(operation, **access.write(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        assert isinstance(done, DeleteDone)  # noqa: S101
        return DeleteRangeResponse(access.header(done.revision), done.deleted, show_records(done.prev))

    async def txn(self, request: TxnRequest, caller: Caller) -> TxnResponse:
        access = self._access
        check_txn(request, access.state.limits.max_txn_ops)
        tree = _tree(request, caller)
        try:
            done = await access.metadata.txn_tree(tree, **access.write(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        return TxnResponse(access.header(done.revision), done.succeeded, _show_results(done))

    async def compact(self, request: CompactionRequest, caller: Caller) -> CompactionResponse:
        """etcd keeps the compacted revision itself; Coterie's compaction takes it too. So it stops one before."""
        access = self._access
        check_write(caller, (b"", None))
        revision, state = from_etcd(request.revision), access.state
        try:
            await access.metadata.barrier(access.seconds(caller))
            if revision > state.keyspace.revision:
                raise etcd_error("future_revision")
            compacted = state.keyspace.history.compacted
            if request.revision < 0 or (compacted and revision - 1 <= compacted):
                raise etcd_error("compacted")
            if revision - 1 > compacted:  # of the first revision nothing can be compacted
                await access.metadata.compact(revision - 1, **access.write(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        return CompactionResponse(access.header())


def is_compacted(revision: int, state: State) -> bool:
    """Of a revision that is read: etcd's compacted revision, one above what is gone here, is the oldest that is not."""
    compacted = state.keyspace.history.compacted
    return compacted > 0 and revision <= compacted


def _scan(request: RangeRequest) -> Scan:
    start, end = span_of(request.key, request.range_end)
    revision = from_etcd(request.revision) if request.revision > 0 else None
    bounds = (
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    )
    least_mod, most_mod = _bounds(*bounds[:2])
    least_create, most_create = _bounds(*bounds[2:])
    descending = _DESCENDING[request.sort_order]
    return Scan(
        start,
        end,
        revision=revision,
        limit=min(max(0, request.limit), _NOTHING),
        by=_SORT_BY[request.sort_target],
        # etcd takes the first ones by key, and sorts these, where neither an order nor a bound is given.
        descending=False if descending is None and any(bounds) else descending,
        keys_only=request.keys_only,
        count_only=request.count_only,
        min_mod_revision=least_mod,
        max_mod_revision=most_mod,
        min_create_revision=least_create,
        max_create_revision=most_create,
    )


def _bounds(least: int, most: int) -> tuple[int, int]:
    """The bounds as the store has them, where 0 is none."""
    if most != 0 and most <= to_etcd(0):
        return _NOTHING, 0
    return max(0, from_etcd(least)), max(0, from_etcd(most))


def _checked_put(request: PutRequest, caller: Caller) -> Put:
    """Raises EtcdError."""
    if not request.key:
        raise etcd_error("empty_key")
    check_write(caller, span_of(request.key, b""))
    if request.ignore_value and request.value:
        raise etcd_error("value_provided")
    if request.ignore_lease and request.lease:
        raise etcd_error("lease_provided")
    if request.lease < 0:
        raise etcd_error("lease_not_found")
    value = None if request.ignore_value else request.value
    lease = KEEP_LEASE if request.ignore_lease else request.lease
    return Put(request.key, value, lease, request.prev_kv)


def _checked_delete(request: DeleteRangeRequest, caller: Caller) -> DeleteRange:
    """Raises EtcdError."""
    if not request.key:
        raise etcd_error("empty_key")
    start, end = span_of(request.key, request.range_end)
    check_write(caller, (start, end))
    return DeleteRange(start, end, request.prev_kv)


# -- transactions ------------------------------------------------------------------------------------------------------


def _tree(request: TxnRequest, caller: Caller) -> TxnTree:
    """Raises EtcdError for what the caller may not read or write, in either branch."""
    return TxnTree(
        tuple([_compare(each, caller) for each in request.compare]),
        tuple([_operation(each, caller) for each in request.success]),
        tuple([_operation(each, caller) for each in request.failure]),
    )


def _operation(op: RequestOp, caller: Caller) -> TreeOp:
    if op.request_range is not None:
        check_read(caller, span_of(op.request_range.key, op.request_range.range_end))
        return _scan(op.request_range)
    if op.request_put is not None:
        return _checked_put(op.request_put, caller)
    if op.request_delete_range is not None:
        return _checked_delete(op.request_delete_range, caller)
    assert op.request_txn is not None  # noqa: S101
    return _tree(op.request_txn, caller)


_TARGETS = {
    CompareTarget.VERSION: Target.VERSION,
    CompareTarget.CREATE: Target.CREATE_REVISION,
    CompareTarget.MOD: Target.MOD_REVISION,
    CompareTarget.VALUE: Target.VALUE,
    CompareTarget.LEASE: Target.LEASE,
}


def _compare(compare: EtcdCompare, caller: Caller) -> CompareRange:
    start, end = span_of(compare.key, compare.range_end)
    check_read(caller, (start, end))
    operand: int | bytes
    match compare.target:
        case CompareTarget.VERSION:
            operand = compare.version
        case CompareTarget.CREATE:
            operand = _revision(compare.create_revision)
        case CompareTarget.MOD:
            operand = _revision(compare.mod_revision)
        case CompareTarget.LEASE:
            operand = compare.lease
        case CompareTarget.VALUE:
            operand = compare.value
    result, target = compare.result, _TARGETS[compare.target]
    if target in {Target.CREATE_REVISION, Target.MOD_REVISION} and _compared_revision(compare) == to_etcd(0):
        # No key of etcd's is at 1, a key that is not there is at 0: between the two.
        if result is CompareResult.EQUAL:
            return CompareRange(start, end, target, "<", 0)
        if result is CompareResult.NOT_EQUAL:
            return CompareRange(start, end, target, ">", -1)
        if result is CompareResult.LESS:
            return CompareRange(start, end, target, "<", 1)
    match result:
        case CompareResult.EQUAL:
            return CompareRange(start, end, target, "=", operand)
        case CompareResult.NOT_EQUAL:
            return CompareRange(start, end, target, "!=", operand)
        case CompareResult.LESS:
            return CompareRange(start, end, target, "<", operand)
        case CompareResult.GREATER:
            return CompareRange(start, end, target, ">", operand)


def _compared_revision(compare: EtcdCompare) -> int:
    """The revision that the key's is compared with."""
    return compare.create_revision if compare.target is CompareTarget.CREATE else compare.mod_revision


def _revision(revision: int) -> int:
    """A revision to compare with. 0 stays 0: so compares a key that is not there, in etcd as in Coterie."""
    return revision - 1 if revision > 0 else revision


def _show_results(done: TreeDone) -> tuple[ResponseOp, ...]:
    return tuple([_show_result(each) for each in done.results])


def _show_result(result: TreeResult) -> ResponseOp:
    header = ResponseHeader(revision=to_etcd(result.revision))
    match result:
        case ScanDone():
            shown = RangeResponse(header, show_records(result.records), result.more, result.count)
            return ResponseOp(response_range=shown)
        case PutDone():
            prev = None if result.prev is None else show_record(result.prev)
            return ResponseOp(response_put=PutResponse(header, prev))
        case DeleteDone():
            deleted = DeleteRangeResponse(header, result.deleted, show_records(result.prev))
            return ResponseOp(response_delete_range=deleted)
        case TreeDone():
            return ResponseOp(response_txn=TxnResponse(ResponseHeader(), result.succeeded, _show_results(result)))
