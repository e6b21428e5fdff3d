"""The scenarios' schedules, and a few short runs of real nodes; `make consistency` makes all, longer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verify.consistency.contract import Anomaly, RunResult, Verdict
from tests.verify.consistency.nemesis import KINDS, plan
from tests.verify.consistency.network import why_not
from tests.verify.consistency.run import RESULT
from tests.verify.consistency.scenarios import SCENARIOS

RUN_SECONDS = 240.0


def test_every_scenario_knows_its_kinds_of_faults() -> None:
    assert {kind for scenario in SCENARIOS.values() for kind in scenario.kinds} == set(KINDS)


def test_a_seed_is_one_schedule_and_another_seed_another() -> None:
    kinds = SCENARIOS["mixed"].kinds
    assert plan(7, 120.0, kinds, 2) == plan(7, 120.0, kinds, 2)
    assert plan(7, 120.0, kinds, 2) != plan(8, 120.0, kinds, 2)


def test_faults_end_before_the_run_does_and_no_more_are_under_way_than_there_are_lanes() -> None:
    for seed in range(50):
        steps = plan(seed, 60.0, SCENARIOS["mixed"].kinds, 2)
        assert len(steps) > 10
        assert all(step.at + step.seconds < 60.0 for step in steps)
        for step in steps:
            under_way = [each for each in steps if each.at <= step.at < each.at + each.seconds]
            assert len(under_way) <= 2


def test_a_result_is_what_was_written() -> None:
    anomaly = Anomaly("stale read", "why", "drawn")
    verdict = Verdict("raft", 10, 8, 1, 1, (anomaly,), 0.5, {"reads": 4})
    result = RunResult("mixed", 7, 3, 120.0, "", {"kill": 2}, [verdict], {"raft": 0.1}, [Anomaly("a", "b")])
    assert RunResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert not result.ok


REASON = why_not()
needs_network = pytest.mark.skipif(bool(REASON), reason=f"no network namespaces here: {REASON}")


def make(scenario: str, folder: Path, *options: str) -> RunResult:
    command = [sys.executable, "-m", "tests.verify.consistency", "run", scenario, "--out", str(folder), "--rate", "30"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=RUN_SECONDS)
    assert (folder / RESULT).exists(), done.stderr + done.stdout
    result = RunResult.from_json(json.loads((folder / RESULT).read_text()))
    assert done.returncode == (0 if result.ok else 1)
    return result


@pytest.mark.slow
@pytest.mark.cluster
@needs_network
@pytest.mark.parametrize(("scenario", "seed"), [("kills", 2), ("partitions", 2)])
def test_a_short_run_finds_nothing_wrong(scenario: str, seed: int, tmp_path: Path) -> None:
    result = make(scenario, tmp_path / "run", "--seed", str(seed), "--seconds", "8")
    assert result.anomalies == []
    assert result.error == ""
    assert sum(result.faults.values()) >= 1
    assert {verdict.layer for verdict in result.verdicts} == {"gossip", "raft"}
    assert all(verdict.acknowledged > 50 for verdict in result.verdicts)
    assert set(result.convergence) == {"gossip", "raft"}
