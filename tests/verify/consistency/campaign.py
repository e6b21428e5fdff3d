"""Many runs side by side, each a process with namespaces of its own, and one table of what came out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.verify.consistency.contract import RunResult
from tests.verify.consistency.reporting.summary import table
from tests.verify.consistency.run import RESULT, Plan

SUMMARY = "summary.json"

EXTRA_SECONDS = 600.0
"""What a run may take besides the time in which things go wrong, before it is given up."""


@dataclass(frozen=True, slots=True)
class Order:
    """A run that is to be made, and where."""

    plan: Plan
    folder: Path


def make(order: Order) -> RunResult:
    """Make a run in a process of its own, and wait for it."""
    plan = order.plan
    order.folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.verify.consistency", "run", plan.scenario, "--seed", str(plan.seed)]
    command += ["--seconds", str(plan.seconds), "--nodes", str(plan.nodes), "--rate", str(plan.rate)]
    command += ["--sabotage", plan.sabotage] if plan.sabotage else []
    command += ["--out", str(order.folder)]
    output = order.folder.with_suffix(".out")
    result = RunResult(plan.scenario, plan.seed, plan.nodes, plan.seconds, plan.sabotage)
    with output.open("w") as file:
        try:
            subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, timeout=plan.seconds + EXTRA_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            result.error = "the run did not end"
    written = order.folder / RESULT
    if written.exists():
        result = RunResult.from_json(json.loads(written.read_text()))
        output.rename(order.folder / "output")
    else:
        result.error = result.error or f"the run left no result: see {output}"
    return result


def campaign(orders: Sequence[Order], parallel: int, out: Path, *, keep: bool) -> bool:
    """Make all runs, `parallel` at a time; whether all were good. Of those that were, only the result is kept."""
    results: list[RunResult] = []
    lock = threading.Lock()
    began = time.monotonic()

    def one(order: Order) -> None:
        result = make(order)
        if result.ok and not keep:
            prune(order.folder)
        with lock:
            results.append(result)
            tell(len(results), len(orders), result, time.monotonic() - began)
            out.mkdir(parents=True, exist_ok=True)
            (out / SUMMARY).write_text(json.dumps([each.to_json() for each in results], indent=1))

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(one, orders))
    print()
    print(table(sorted(results, key=lambda result: result.seed)))
    return all(result.ok for result in results)


def tell(number: int, count: int, result: RunResult, seconds: float) -> None:
    """A line about a run that has ended."""
    operations = sum(verdict.operations for verdict in result.verdicts)
    word = "good" if result.ok else "BAD "
    what = "; ".join(sorted({anomaly.kind for anomaly in result.anomalies}) + ([result.error] if result.error else []))
    print(
        f"{number:4} of {count}  {word}  {result.scenario:20} seed {result.seed:<6} {result.nodes} nodes"
        f"  {operations:7,} operations  {seconds:6.0f} s  {what}",
        flush=True,
    )


def prune(folder: Path) -> None:
    """Leave nothing of a good run but its result."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.name != RESULT:
            path.unlink()
