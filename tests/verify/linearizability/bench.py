"""Processor time of the checkers, in seconds: `python -m tests.verify.linearizability.bench [operations ...]`.

On generated histories of 20 keys and 5 locks, where 8 in 100 answers are lost: the main checker on all kinds of
operations and 5 watchers, with and without request ids in the record; the search on keys one by one, on the same with a
stale read in it, and the smallest failing part of that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random
from typing import TypeVar

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.opinion import render_violation, second_opinion
from tests.verify.linearizability.generated.generate import Workload, generate
from tests.verify.linearizability.generated.mutations import stale_read
from tests.verify.linearizability.histories.archive import dump, load
from tests.verify.linearizability.histories.history import History

ResultT = TypeVar("ResultT")

SIZES = (5_000, 50_000)


def main() -> None:
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        print(f"\n{size:,} operations")
        for ids in (True, False):
            history = generate(Random(1), _workload(size, request_ids=ids))
            what = f"main, {len(history.commits):,} commits, {'with' if ids else 'without'} request ids"
            report = _timed(what, lambda history=history: check(history))  # type: ignore[misc]
            assert report.ok
        lines = _timed("archive written", lambda history=history: list(dump(history)))  # type: ignore[misc]
        _timed(f"archive read, {sum(map(len, lines)) / 1e6:.1f} MB", lambda lines=lines: load(lines))  # type: ignore[misc]
        _search(generate(Random(1), _workload(size, multi=False)))


def _workload(size: int, *, request_ids: bool = True, multi: bool = True) -> Workload:
    return Workload(operations=size, keys=20, locks=5, watchers=5, request_ids=request_ids, multi=multi)


def _search(history: History) -> None:
    opinion = _timed("search", lambda: second_opinion(history))
    steps = sum(judged.searched.steps for judged in opinion.judged)
    print(f"    {opinion.answer}, {len(opinion.judged)} parts, {steps:,} steps")
    broken = next(m for seed in range(1000) if (m := stale_read(Random(seed), history)) is not None and m.search)
    report = _timed("main, with a stale read", lambda: check(broken.history))
    assert not report.ok
    opinion = _timed("search, with a stale read", lambda: second_opinion(broken.history))
    print(f"    {opinion.answer}")
    for judged in opinion.violations:
        text = _timed("smallest failing part", lambda judged=judged: render_violation(judged))  # type: ignore[misc]
        print("\n" + text)


def _timed(what: str, work: Callable[[], ResultT]) -> ResultT:
    start = time.process_time()
    result = work()
    print(f"  {time.process_time() - start:8.2f} s  {what}", flush=True)
    return result


if __name__ == "__main__":
    main()
