"""The table against a sorted dictionary, with views taken in between."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.consensus.store import Record
from coterie.consensus.store.tables.sorted_table import MAX_BLOCK, SortedTable


def record(number: int, version: int = 1) -> Record:
    return Record(b"%05d" % number, b"", 1, 1, version, 0)


def put(table: SortedTable, it: Record) -> None:
    number, at, prev = table.locate(it.key)
    if prev is None:
        table.insert(number, at, it)
    else:
        table.replace(number, at, it)


def remove(table: SortedTable, key: bytes) -> bool:
    number, at, prev = table.locate(key)
    if prev is not None:
        table.remove(number, at)
    return prev is not None


def check(table: SortedTable, model: dict[bytes, Record]) -> None:
    expected = [model[key] for key in sorted(model)]
    assert len(table) == len(model)
    assert list(table.view()) == expected
    assert table.scan(b"", None, 10**9) == expected
    assert table.last_key() == (expected[-1].key if expected else b"")
    assert all(block.keys for block in table._blocks) or not model
    assert all(len(block.keys) <= MAX_BLOCK for block in table._blocks)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(["fill", "drain", "rewrite", "view", "sweep"]), max_size=12))
def test_the_table_is_a_sorted_dictionary_and_its_views_never_change(seed: int, steps: list[str]) -> None:
    rng = random.Random(seed)
    table = SortedTable()
    model: dict[bytes, Record] = {}
    views: list[tuple[Iterator[Record], list[Record]]] = []
    for step in steps:
        low = rng.randrange(2_000)
        if step == "view":
            views.append((table.view(), [model[key] for key in sorted(model)]))
        elif step == "sweep":  # empty a stretch of keys, whole blocks of it
            for number in range(low, low + 600):
                assert remove(table, b"%05d" % number) == (model.pop(b"%05d" % number, None) is not None)
        else:
            for _ in range(rng.randrange(400)):
                it = record(rng.randrange(low, low + 500), rng.randrange(9))
                if step == "drain":
                    assert remove(table, it.key) == (model.pop(it.key, None) is not None)
                elif step == "fill" or it.key in model:
                    put(table, it)
                    model[it.key] = it
        check(table, model)
    for key in (b"%05d" % rng.randrange(2_600) for _ in range(50)):
        assert table.get(key) == model.get(key)
    for view, expected in views:
        assert list(view) == expected


@settings(max_examples=100)
@given(
    st.lists(st.integers(0, 3_000), unique=True, max_size=900),
    st.integers(0, 3_000),
    st.none() | st.integers(0, 3_000),
    st.integers(0, 400),
)
def test_a_scan_gives_the_first_records_of_a_range(numbers: list[int], start: int, end: int | None, limit: int) -> None:
    table = SortedTable()
    for number in numbers:
        put(table, record(number))
    expected = [record(it) for it in sorted(numbers) if it >= start and (end is None or it < end)]
    assert table.scan(b"%05d" % start, None if end is None else b"%05d" % end, limit) == expected[:limit]


def test_a_loaded_table_goes_on_as_any_other() -> None:
    table = SortedTable()
    model = {}
    for begin in range(0, 1_000, 130):
        part = [record(number) for number in range(begin, begin + 130)]
        table.append(part)
        model.update({it.key: it for it in part})
    check(table, model)
    for number in range(0, 2_000, 3):
        put(table, record(number, 2))
        model[b"%05d" % number] = record(number, 2)
    check(table, model)


def test_a_view_keeps_a_block_that_takes_in_its_neighbour() -> None:
    table = SortedTable()
    table.append([record(number) for number in range(2 * (MAX_BLOCK // 2))])  # two blocks
    for number in range(20, MAX_BLOCK // 2):
        remove(table, b"%05d" % number)
    view = table.view()
    expected = table.scan(b"", None, 10**9)
    for number in range(MAX_BLOCK // 2, MAX_BLOCK):  # the second one shrinks until the first takes it in
        remove(table, b"%05d" % number)
    assert len(table._blocks) == 1
    assert list(view) == expected
