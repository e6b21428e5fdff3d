"""Transactions within one another: comparisons first, one revision, ranges with options; against a naive model."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from coterie.consensus.store import (
    KEEP_LEASE,
    KNOWN_LEVEL,
    CompareRange,
    DeleteDone,
    DeleteRange,
    LeaseGrant,
    Put,
    PutDone,
    RefusalCode,
    Refused,
    Scan,
    ScanDone,
    SetFeatureLevel,
    SortBy,
    Target,
    TreeDone,
    TreeOp,
    TxnTree,
)
from coterie.consensus.store.schema.errors import RefusalError
from coterie.consensus.store.schema.limits import MAX_TXN_DEPTH
from tests.consensus.store.helpers import Driver, restored, snapshot


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.do(SetFeatureLevel(KNOWN_LEVEL))
    driver.put(b"a", b"one")
    driver.put(b"b", b"two")
    driver.put(b"a", b"three")
    return driver


def one(key: bytes) -> tuple[bytes, bytes]:
    return key, key + b"\0"


ABSENT = CompareRange(*one(b"none"), Target.CREATE_REVISION, "=", 0)


def test_the_leaders_key_is_kept_or_made_anew_in_one_transaction(driver: Driver) -> None:
    """What Patroni asks for: mine, else nobody's."""
    mine = CompareRange(*one(b"leader"), Target.VALUE, "=", b"me")
    nobodys = CompareRange(*one(b"leader"), Target.CREATE_REVISION, "=", 0)
    put = Put(b"leader", b"me")
    keep = TxnTree((mine,), (put,), (TxnTree((nobodys,), (put,)),))
    assert driver.expect(TreeDone, keep) == TreeDone(4, False, (TreeDone(4, True, (PutDone(4),)),))
    assert driver.expect(TreeDone, keep) == TreeDone(5, True, (PutDone(5),))
    driver.put(b"leader", b"other")
    assert driver.expect(TreeDone, keep) == TreeDone(6, False, (TreeDone(6, False, ()),))


def test_all_comparisons_are_made_before_anything_is_done(driver: Driver) -> None:
    inner = TxnTree((CompareRange(*one(b"new"), Target.VERSION, "=", 0),), (Put(b"seen", b""),), (Put(b"late", b""),))
    result = driver.expect(TreeDone, TxnTree((), (Put(b"new", b""), inner)))
    assert result.results[1] == TreeDone(4, True, (PutDone(4),))
    assert driver.keys() == [b"a", b"b", b"new", b"seen"]


def test_a_comparison_over_a_range_holds_for_every_key_or_none(driver: Driver) -> None:
    def holds(target: Target, op: Any, operand: int | bytes, start: bytes = b"a", end: bytes | None = b"c") -> bool:
        return driver.expect(TreeDone, TxnTree((CompareRange(start, end, target, op, operand),))).succeeded

    assert holds(Target.VERSION, ">", 0)
    assert not holds(Target.VERSION, ">", 1)
    assert holds(Target.VALUE, "!=", b"one")
    assert not holds(Target.VALUE, "!=", b"two")
    assert holds(Target.VERSION, "=", 0, b"x", b"y")
    assert not holds(Target.VALUE, "!=", b"z", b"x", b"y")
    assert holds(Target.MOD_REVISION, ">", 1, b"", None)


def test_reserved_keys_are_out_of_reach_of_ranges(driver: Driver) -> None:
    driver.put(b"coterie/x", b"hidden")
    driver.put(b"d")
    scan = driver.state.scan(Scan(b"", None), 10_000)
    assert [record.key for record in scan.records] == [b"a", b"b", b"d"]
    assert scan.count == 3
    tree = TxnTree((CompareRange(b"", None, Target.VALUE, "!=", b"hidden"),), (DeleteRange(b"", None),))
    result = driver.expect(TreeDone, tree)
    assert result.succeeded
    assert result.results == (DeleteDone(6, 3),)
    assert driver.keys() == [b"coterie/x"]


def test_a_key_is_written_once_and_deleted_ranges_may_overlap(driver: Driver) -> None:
    put, delete = Put(b"a", b""), DeleteRange(b"a", b"c")
    driver.refused(RefusalCode.DUPLICATE_KEY, TxnTree((), (put, TxnTree((), (put,)))))
    driver.refused(RefusalCode.DUPLICATE_KEY, TxnTree((), (put, delete)))
    driver.refused(RefusalCode.DUPLICATE_KEY, TxnTree((), (delete, put)))
    result = driver.expect(TreeDone, TxnTree((), (delete, Scan(b"", None), DeleteRange(b"", None, prev=True))))
    assert result.results == (DeleteDone(4, 2), ScanDone((), 0, False, 4), DeleteDone(4, 0))


def test_revisions_within_say_what_was_written_so_far(driver: Driver) -> None:
    scan = Scan(*one(b"k"), count_only=True)
    result = driver.expect(TreeDone, TxnTree((), (scan, Put(b"k", b""), scan, TxnTree((), (scan,)))))
    counts = [(each.revision, each.count) for each in result.results if isinstance(each, ScanDone)]
    assert counts == [(3, 0), (4, 1)]
    reads = driver.expect(TreeDone, TxnTree((), (scan, DeleteRange(*one(b"none")))))
    assert reads == TreeDone(4, True, (ScanDone((), 1, False, 4), DeleteDone(4, 0)))


def test_a_read_of_the_past_shows_nothing_of_the_transaction(driver: Driver) -> None:
    past, now = Scan(b"", None, revision=1), Scan(b"", None, revision=3)
    result = driver.expect(TreeDone, TxnTree((), (DeleteRange(b"", None), past, now)))
    shown = [[record.value for record in each.records] for each in result.results if isinstance(each, ScanDone)]
    assert shown == [[b"one"], [b"three", b"two"]]
    assert driver.refused(RefusalCode.FUTURE_REVISION, TxnTree((), (Put(b"z", b""), Scan(b"", None, revision=5)))) == 4


def test_a_put_that_keeps_what_is_not_there_is_refused(driver: Driver) -> None:
    driver.refused(RefusalCode.KEY_NOT_FOUND, TxnTree((), (Put(b"z", b"v", KEEP_LEASE),)))
    driver.refused(RefusalCode.KEY_NOT_FOUND, TxnTree((), (Put(b"b", b"w"), Put(b"z", None))))
    driver.do(LeaseGrant(2_000))
    driver.put(b"b", lease=1)
    driver.do(TxnTree((), (Put(b"b", b"w", KEEP_LEASE),)))
    assert driver.record(b"b").lease == 1


def test_depth_and_lists_are_bounded(driver: Driver) -> None:
    deep = TxnTree()
    for _ in range(MAX_TXN_DEPTH - 1):
        deep = TxnTree((), (deep,))
    assert isinstance(driver.do(deep), TreeDone)
    assert driver.refused(RefusalCode.TOO_MANY_OPS, TxnTree((), (deep,))) == MAX_TXN_DEPTH
    many = TxnTree(tuple([ABSENT] * 129))
    assert driver.refused(RefusalCode.TOO_MANY_OPS, TxnTree((), (many,))) == 128


def test_what_ranges_look_at_is_bounded(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.consensus.store.tables.scans.MAX_SCANNED_KEYS", 3)
    scan = Scan(b"", None)
    assert isinstance(driver.do(TxnTree((), (scan, Scan(b"", None, count_only=True)))), TreeDone)
    driver.refused(RefusalCode.SCAN_TOO_LARGE, TxnTree((), (scan, scan)))
    compare = CompareRange(b"", None, Target.VERSION, ">", 0)
    driver.refused(RefusalCode.SCAN_TOO_LARGE, TxnTree((compare, compare)))
    driver.put(b"c")
    driver.put(b"d")
    assert driver.state.scan(scan, 10_000).count == 4
    with pytest.raises(RefusalError, match="scan_too_large"):
        driver.state.scan(Scan(b"", None, by=SortBy.VALUE), 10_000)
    with pytest.raises(RefusalError, match="result_too_large"):
        driver.state.scan(scan, 100)


def test_a_level_before_has_none_of_it() -> None:
    driver = Driver()
    driver.do(SetFeatureLevel(KNOWN_LEVEL - 1))
    assert driver.do(TxnTree()) == Refused(RefusalCode.UNSUPPORTED, KNOWN_LEVEL - 1)


# -- against a model -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    key: bytes
    value: bytes
    create: int
    mod: int
    version: int


Table = dict[bytes, Kept]
KEYS = [b"a", b"ab", b"b", b"c", b"coterie/k"]
COMPARISONS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt}


class TwiceError(Exception):
    """A key is written twice."""


class Naive:
    """The same, told simply: a table for every revision."""

    def __init__(self) -> None:
        self.tables: list[Table] = [{}]

    @property
    def now(self) -> Table:
        return self.tables[-1]

    def run(self, op: TxnTree) -> tuple[bool, list[Any]]:
        branches = iter(self._branches(op))
        table, written = dict(self.now), set[bytes]()
        done = self._txn(op, branches, table, written)
        if written:
            self.tables.append(table)
        return done

    def _branches(self, op: TxnTree) -> list[bool]:
        held = all(map(self._holds, op.compares))
        found = [held]
        for each in op.then if held else op.otherwise:
            if isinstance(each, TxnTree):
                found += self._branches(each)
        return found

    def _holds(self, it: CompareRange) -> bool:
        found = [self.now[key] for key in self._in(self.now, it.start, it.end)]
        if it.target is Target.VALUE:
            return bool(found) and all(COMPARISONS[it.op](each.value, it.operand) for each in found)
        field = {Target.VERSION: "version", Target.CREATE_REVISION: "create", Target.MOD_REVISION: "mod"}[it.target]
        numbers = [getattr(each, field) for each in found] or [0]
        return all(COMPARISONS[it.op](each, it.operand) for each in numbers)

    @staticmethod
    def _in(table: Table, start: bytes, end: bytes | None) -> list[bytes]:
        return [
            key
            for key in sorted(table)
            if key >= start and (end is None or key < end) and not key.startswith(b"coterie/")
        ]

    def _txn(self, op: TxnTree, branches: Any, table: Table, written: set[bytes]) -> tuple[bool, list[Any]]:
        held = next(branches)
        revision = len(self.tables)
        results: list[Any] = []
        for each in op.then if held else op.otherwise:
            match each:
                case TxnTree():
                    results.append(self._txn(each, branches, table, written))
                case Put():
                    if each.key in written:
                        raise TwiceError
                    written.add(each.key)
                    before = table.get(each.key)
                    new = Kept(each.key, each.value or b"", revision, revision, 1)
                    if before is not None:
                        new = replace(new, create=before.create, version=before.version + 1)
                    table[each.key] = new
                    results.append("put")
                case DeleteRange():
                    if any(
                        key in table and key >= each.start and (each.end is None or key < each.end) for key in written
                    ):
                        raise TwiceError
                    doomed = self._in(table, each.start, each.end)
                    for key in doomed:
                        del table[key]
                    written |= set(doomed)
                    results.append(len(doomed))
                case Scan():
                    results.append(self.scan(each, table if each.revision is None else self.tables[each.revision]))
        return held, results

    def scan(self, op: Scan, table: Table) -> tuple[list[Kept], int, bool]:
        every = [table[key] for key in self._in(table, op.start, op.end)]
        if op.count_only:
            return [], len(every), False
        found = [
            each
            for each in every
            if each.mod >= op.min_mod_revision
            and (not op.max_mod_revision or each.mod <= op.max_mod_revision)
            and each.create >= op.min_create_revision
            and (not op.max_create_revision or each.create <= op.max_create_revision)
        ]
        filters = (op.min_mod_revision, op.max_mod_revision, op.min_create_revision, op.max_create_revision)
        if op.limit and op.descending is None and not any(filters):
            found = found[: op.limit + 1]
        field = {"create_revision": "create", "mod_revision": "mod"}.get(op.by, str(op.by))
        if op.by is not SortBy.KEY or op.descending:
            found = sorted(found, key=lambda each: getattr(each, field), reverse=bool(op.descending))
        more = bool(op.limit) and len(found) > op.limit
        found = found[: op.limit] if op.limit else found
        return [replace(each, value=b"") if op.keys_only else each for each in found], len(every), more


def shown(result: TreeDone | ScanDone | PutDone | DeleteDone) -> Any:
    match result:
        case TreeDone():
            return result.succeeded, [shown(each) for each in result.results]
        case ScanDone():
            kept = [Kept(it.key, it.value, it.create_revision, it.mod_revision, it.version) for it in result.records]
            return kept, result.count, result.more
        case PutDone():
            return "put"
        case DeleteDone():
            return result.deleted


def random_span(rng: Random) -> tuple[bytes, bytes | None]:
    start = rng.choice(KEYS)
    return start, rng.choice([start + b"\0", start + b"\0", None, rng.choice(KEYS), b"zz"])


def random_scan(rng: Random, revision: int) -> Scan:
    def bound() -> int:
        return rng.choice([0, 0, 0, rng.randint(1, revision + 1)])

    return Scan(
        *random_span(rng),
        revision=rng.choice([None, None, rng.randint(0, revision)]),
        limit=rng.choice([0, 0, 1, 2]),
        by=rng.choice(list(SortBy)),
        descending=rng.choice([None, False, True]),
        keys_only=rng.random() < 0.2,
        count_only=rng.random() < 0.2,
        min_mod_revision=bound(),
        max_mod_revision=bound(),
        min_create_revision=bound(),
        max_create_revision=bound(),
    )


def random_compare(rng: Random, revision: int) -> CompareRange:
    target = rng.choice([Target.VERSION, Target.CREATE_REVISION, Target.MOD_REVISION, Target.VALUE])
    operand = (
        rng.choice([b"", b"v1", b"v2"]) if target is Target.VALUE else rng.choice([0, 0, 1, rng.randint(0, revision)])
    )
    return CompareRange(*random_span(rng), target, rng.choice(["=", "!=", "<", ">"]), operand)


def random_tree(rng: Random, revision: int, depth: int = 0) -> TxnTree:
    def operation() -> TreeOp:
        kind = rng.random()
        if kind < 0.4:
            return Put(rng.choice(KEYS[:4]), rng.choice([b"", b"v1", b"v2"]))
        if kind < 0.5:
            return DeleteRange(*random_span(rng))
        if kind < 0.8 or depth > 2:
            return random_scan(rng, revision)
        return random_tree(rng, revision, depth + 1)

    return TxnTree(
        tuple(random_compare(rng, revision) for _ in range(rng.choice([0, 1, 1, 2]))),
        tuple(operation() for _ in range(rng.randint(0, 3))),
        tuple(operation() for _ in range(rng.randint(0, 2))),
    )


@pytest.mark.parametrize("seed", range(8))
def test_random_transactions_are_as_the_model_has_them(seed: int) -> None:
    rng = Random(seed)
    driver, naive = Driver(), Naive()
    driver.do(SetFeatureLevel(KNOWN_LEVEL))
    driver.put(b"coterie/k", b"v1")
    naive.tables.append({b"coterie/k": Kept(b"coterie/k", b"v1", 1, 1, 1)})
    refused = 0
    for _ in range(300):
        tree = random_tree(rng, len(naive.tables) - 1)
        result = driver.do(tree)
        try:
            wanted = naive.run(tree)
        except TwiceError:
            assert result == Refused(RefusalCode.DUPLICATE_KEY)
            refused += 1
            continue
        assert isinstance(result, TreeDone), (tree, result)
        assert shown(result) == wanted, tree
        assert result.revision == len(naive.tables) - 1
        scan = random_scan(rng, len(naive.tables) - 1)
        table = naive.now if scan.revision is None else naive.tables[scan.revision]
        assert shown(driver.state.scan(scan, 1_000_000)) == naive.scan(scan, table), scan
    assert refused
    assert len(naive.tables) > 50
    assert restored(snapshot(driver.state)).scan(Scan(b"", None), 1_000_000) == driver.state.scan(
        Scan(b"", None), 1_000_000
    )
