"""Transactions within one another, on ranges: what etcd's transactions are made of (raft spec 3).

All comparisons come first: which branches are taken follows from the state before the whole. Then the operations run in
order, on staged writes, which are made at one revision or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coterie.consensus.store.handlers.keys import check_weight, compare_values, number_of
from coterie.consensus.store.handlers.staged_writes import StagedWrites
from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.limits import MAX_SCANNED_KEYS, MAX_TXN_DEPTH
from coterie.consensus.store.schema.operations import (
    KEEP_LEASE,
    CompareRange,
    DeleteRange,
    Put,
    Scan,
    Target,
    TxnTree,
)
from coterie.consensus.store.schema.records import Record
from coterie.consensus.store.schema.results import ScanDone, TreeDone, TreeResult, weight
from coterie.consensus.store.state import State
from coterie.consensus.store.tables.scans import (
    PastKeys,
    ScanBudget,
    ScanSource,
    check_scan_revision,
    run_scan,
    scan_all,
)


def txn_tree(state: State, op: TxnTree) -> TreeDone:
    budget = ScanBudget()
    branches = iter(list(_branches(state, op, budget, 1)))
    running = _Running(state, StagedWrites(state), branches, budget)
    done = running.txn(op)
    return TreeDone(running.staged.commit(), done.succeeded, done.results)


def _branches(state: State, op: TxnTree, budget: ScanBudget, depth: int) -> Iterator[bool]:
    """Whether the comparisons hold: of the transaction, then of those in the branch that it takes, in order."""
    limit = state.limits.max_txn_ops
    if max(len(op.compares), len(op.then), len(op.otherwise)) > limit:
        raise RefusalError(RefusalCode.TOO_MANY_OPS, limit)
    if depth > MAX_TXN_DEPTH:
        raise RefusalError(RefusalCode.TOO_MANY_OPS, MAX_TXN_DEPTH)
    held = [_holds(state, it, budget) for it in op.compares]  # all: one without sense is refused wherever it stands
    succeeded = all(held)
    yield succeeded
    for it in op.then if succeeded else op.otherwise:
        if isinstance(it, TxnTree):
            yield from _branches(state, it, budget, depth + 1)


@dataclass(slots=True)
class _Running:
    """One transaction with all those in it, while its operations run."""

    state: State
    staged: StagedWrites
    branches: Iterator[bool]
    budget: ScanBudget
    weight: int = 0

    def txn(self, op: TxnTree) -> TreeDone:
        succeeded = next(self.branches)
        results = []
        for it in op.then if succeeded else op.otherwise:
            result = self._do(it)
            if not isinstance(result, TreeDone):
                self.weight += weight(result)
                check_weight(self.state, self.weight)
            results.append(result)
        return TreeDone(self.staged.revision, succeeded, tuple(results))

    def _do(self, op: Put | DeleteRange | Scan | TxnTree) -> TreeResult:
        match op:
            case Put():
                if op.lease == KEEP_LEASE and self.staged.get(op.key) is None:
                    raise RefusalError(RefusalCode.KEY_NOT_FOUND)
                return self.staged.put(op)
            case DeleteRange():
                return self.staged.delete_rest(op)
            case Scan():
                return self._scan(op)
            case TxnTree():
                return self.txn(op)

    def _scan(self, op: Scan) -> ScanDone:
        keyspace = self.state.keyspace
        source: ScanSource = self.staged
        if op.revision is not None:
            check_scan_revision(keyspace, op.revision)
            source = PastKeys(keyspace, op.revision)
        records, count, more = run_scan(source, op, self.budget, self.state.limits.max_result_bytes)
        return ScanDone(records, count, more, self.staged.revision)


def _holds(state: State, it: CompareRange, budget: ScanBudget) -> bool:
    if (it.target is Target.VALUE) != isinstance(it.operand, bytes):
        raise RefusalError(RefusalCode.MALFORMED)
    records: list[Record] = scan_all(state.keyspace.table, it.start, it.end, MAX_SCANNED_KEYS + 1)
    budget.take(len(records))
    if isinstance(it.operand, bytes):
        operand = it.operand
        return bool(records) and all(compare_values(record.value, it.op, operand) for record in records)
    number = it.operand
    if not records:
        return compare_values(0, it.op, number)
    return all(compare_values(number_of(record, it.target), it.op, number) for record in records)
