"""The summary table: what it adds up, and that nothing bad is hidden in it."""

from __future__ import annotations

from tests.verify.consistency.contract import Anomaly, RunResult, Verdict
from tests.verify.consistency.reporting.summary import table


def run(seed: int, *anomalies: Anomaly, error: str = "") -> RunResult:
    raft = Verdict("raft", 1_000, 900, 60, 40, anomalies, 2.5)
    gossip = Verdict("gossip", 500, 499, 0, 1, (), 0.25)
    return RunResult(
        "mixed",
        seed,
        3,
        120.0,
        faults={"kill": 2, "partition": 1},
        verdicts=[gossip, raft],
        convergence={"gossip": 1.25, "raft": 0.5},
        error=error,
    )


def test_runs_are_added_up() -> None:
    lines = table([run(1), run(2)]).splitlines()
    assert lines[1].split() == [
        "mixed",
        "1",
        "3",
        "120",
        "1,500",
        "1,399",
        "60",
        "41",
        "3",
        "0.25",
        "2.50",
        "1.25",
        "0.50",
        "ok",
    ]
    assert lines[3].split() == [
        "2",
        "runs",
        "240",
        "3,000",
        "2,798",
        "120",
        "82",
        "6",
        "0.25",
        "2.50",
        "1.25",
        "0.50",
        "all",
        "ok",
    ]
    assert "faults: kill 4, partition 2" in lines


def test_what_is_bad_is_told_in_the_line_in_the_total_and_by_itself() -> None:
    told = table([run(1), run(2, Anomaly("stale read", "o7 read the past")), run(3, error="n2 crashed")])
    assert [line.split()[-1] for line in told.splitlines()[1:4]] == ["ok", "ANOMALY", "ERROR"]
    assert "2 BAD" in told
    assert "ANOMALY in mixed --seed 2 --nodes 3: stale read: o7 read the past" in told
    assert "ERROR in mixed --seed 3 --nodes 3: n2 crashed" in told


def test_a_run_without_a_verdict_has_a_line_too() -> None:
    told = table([RunResult("calm", 1, 3, 10.0, error="it did not start")])
    assert told.splitlines()[1].split() == [
        "calm",
        "1",
        "3",
        "10",
        "0",
        "0",
        "0",
        "0",
        "0",
        "-",
        "-",
        "-",
        "-",
        "ERROR",
    ]
