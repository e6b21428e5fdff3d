"""What makes a transaction contradict itself, before anything is read: its lists, its operations, keys written twice.

Both branches of every transaction in it are checked, whichever is taken later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coterie.app.etcd.errors import etcd_error
from coterie.app.etcd.messages.kv import RequestOp, TxnRequest
from coterie.app.etcd.service.access import Span, span_of


def check_txn(txn: TxnRequest, most: int) -> None:
    """`most`: operations in a list; of what the longest list takes, the transactions within have the rest. Raises
    EtcdError."""
    _check_lists(txn, most)
    for branch in (txn.success, txn.failure):
        _written(branch)


def _check_lists(txn: TxnRequest, most: int) -> None:
    longest = max(len(txn.compare), len(txn.success), len(txn.failure))
    if longest > most:
        raise etcd_error("too_many_ops")
    if any(not compare.key for compare in txn.compare):
        raise etcd_error("empty_key")
    for op in (*txn.success, *txn.failure):
        _check_operation(op, most - longest)


def _check_operation(op: RequestOp, most: int) -> None:
    if op.request_range is not None:
        if not op.request_range.key:
            raise etcd_error("empty_key")
    elif op.request_put is not None:
        put = op.request_put
        if not put.key:
            raise etcd_error("empty_key")
        if put.ignore_value and put.value:
            raise etcd_error("value_provided")
        if put.ignore_lease and put.lease:
            raise etcd_error("lease_provided")
    elif op.request_delete_range is not None:
        if not op.request_delete_range.key:
            raise etcd_error("empty_key")
    elif op.request_txn is not None:
        _check_lists(op.request_txn, most)
    else:
        raise etcd_error("key_not_found")


def _written(ops: Sequence[RequestOp]) -> tuple[set[bytes], list[Span]]:
    """The keys that operations put, and the spans that they delete, those of transactions within included. Raises
    EtcdError where a key is put twice, or put and deleted."""
    spans = [
        span_of(op.request_delete_range.key, op.request_delete_range.range_end)
        for op in ops
        if op.request_delete_range is not None
    ]
    puts: set[bytes] = set()
    for op in ops:
        if op.request_txn is None:
            continue
        then, then_spans = _written(op.request_txn.success)
        otherwise, otherwise_spans = _written(op.request_txn.failure)
        _check_new(then, puts, spans)
        _check_new(otherwise, puts, spans)  # one of the two is done: they may share keys
        puts |= then | otherwise
        spans += then_spans + otherwise_spans
    for op in ops:
        if op.request_put is not None:
            _check_new((op.request_put.key,), puts, spans)
            puts.add(op.request_put.key)
    return puts, spans


def _check_new(keys: Iterable[bytes], puts: set[bytes], spans: Sequence[Span]) -> None:
    for key in keys:
        if key in puts or any(key >= start and (end is None or key < end) for start, end in spans):
            raise etcd_error("duplicate_key")
