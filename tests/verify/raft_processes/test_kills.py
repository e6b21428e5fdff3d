"""Killed at any moment, one or all, with or without the power: nothing acknowledged is lost (raft spec 1).

The seed of every run is printed; a run is not replayed exactly by it, for processes race, but its choices are.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.verify.linearizability import dump
from tests.verify.raft_processes.kills import ENOUGH, Outcome, run_kills

pytestmark = pytest.mark.anyio

ROUNDS = 12
KILLS_A_ROUND = 25


def judge(outcome: Outcome, directory: Path) -> None:
    assert outcome.history is not None
    assert outcome.report is not None
    if not outcome.report.ok:
        kept = directory / "history.jsonl"
        with kept.open("w") as out:
            out.writelines(dump(outcome.history))
        pytest.fail(f"{outcome.describe()}\n(history in {kept})")


@pytest.mark.cluster
@pytest.mark.parametrize("hold", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["crash", "power cut"])
async def test_a_few_kills_lose_nothing(tmp_path: Path, hold: bool) -> None:
    seed = time.time_ns() % 10**9
    print(f"seed {seed}")
    outcome = await run_kills(tmp_path, seed, 5, hold=hold)
    judge(outcome, tmp_path)
    assert outcome.report is not None
    assert outcome.report.acknowledged > ENOUGH


@pytest.mark.campaign
@pytest.mark.timeout(0)
async def test_three_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    first = int(os.environ.get("SEED", time.time_ns() % 10**9))
    outages: dict[str, list[float]] = {"leader": [], "other": [], "all": []}
    for number in range(ROUNDS):
        directory = tmp_path / str(number)
        directory.mkdir()
        began = time.monotonic()
        outcome = await run_kills(directory, first + number, KILLS_A_ROUND, hold=number % 2 == 1)
        report = outcome.report
        assert report is not None
        print(
            f"seed {first + number}, {'power cuts' if number % 2 else 'crashes'}: {len(outcome.kills)} kills, "
            f"{report.acknowledged} acknowledged, {report.refused} refused, {report.unknown} unknown of which "
            f"{report.unknown_applied} happened, {time.monotonic() - began:.0f} s, "
            f"outages {[round(kill.outage, 2) for kill in outcome.kills if kill.victims == 'leader']}",
            flush=True,
        )
        judge(outcome, directory)
        for victims in outages:
            outages[victims] += outcome.outages(victims)
    for victims, unsorted in outages.items():
        found = sorted(unsorted)
        print(
            f"{victims}: {len(found)} kills, seconds to the next write: p50 {found[len(found) // 2]:.2f}, "
            f"p99 {found[int(len(found) * 0.99)]:.2f}, max {found[-1]:.2f}",
            flush=True,
        )
