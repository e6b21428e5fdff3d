"""The Raft layer judged: the checker by revisions, the search, the watches, the locks' fences and the leases.

Everything is read from the run's lines, so a folder can be judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.verify.consistency.contract import Anomaly, Verdict
from tests.verify.consistency.judging.availability import longest_gap
from tests.verify.consistency.judging.faults import faults_of
from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.raft.fencing import fencing_anomalies, tokens_written
from tests.verify.consistency.judging.raft.leases import KeptLease, LeasesLeft, lease_anomalies
from tests.verify.consistency.judging.raft.places import with_locks
from tests.verify.linearizability import Answer, History, Operation, load, render, render_violation, second_opinion
from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_revision.watching import WatchRules, check_record
from tests.verify.linearizability.histories import requests as words
from tests.verify.linearizability.rendering.findings import Finding

MOST_ANOMALIES = 20
"""That are kept of one run: the smallest."""

SEARCH_STEPS = 2_000_000
"""Of the search, for each key and lock."""


def judge_raft(lines: Lines) -> Verdict:
    raw = without_ages(load(lines.archive()))
    history = with_locks(raw)
    report = check(history)
    findings = [*report.findings, *_watch_findings(raw)]
    findings.sort(key=lambda finding: finding.size)
    anomalies = [Anomaly(finding.anomaly.value, finding.explanation, render(finding)) for finding in findings]
    anomalies += fencing_anomalies(raw)
    kept = [KeptLease(**each) for each in lines.of_kind("lease")]
    anomalies += lease_anomalies(
        raw, kept, _leases_left(lines), [(each.began, each.ended) for each in faults_of(lines)]
    )
    anomalies += [
        Anomaly("internal error", each["what"]) for each in lines.of_kind("internal_error") if each["layer"] == "raft"
    ]
    opinion = second_opinion(history, SEARCH_STEPS)
    anomalies += [
        Anomaly("not linearizable", f"{judged.part.name}: no order explains every answer", render_violation(judged))
        for judged in opinion.violations
    ]
    distinct = list(dict.fromkeys(anomalies))
    connections = [watch for watch in raw.watches if watch.watcher.startswith("w")]
    return Verdict(
        layer="raft",
        operations=len(raw.operations),
        acknowledged=report.acknowledged,
        failed=report.refused,
        unknown=report.unknown,
        anomalies=tuple(distinct[:MOST_ANOMALIES]),
        longest_unavailability=longest_gap(_acknowledged(raw.operations)),
        extra={
            "anomalies": len(distinct),
            "revisions": raw.last_revision,
            "unknown_applied": report.unknown_applied,
            "search_undecided": sum(judged.searched.answer is Answer.UNDECIDED for judged in opinion.judged),
            "search_parts": len(opinion.judged),
            "watch_connections": len(connections),
            "watch_events": sum(bool(each.events) for watch in connections for each in watch.deliveries),
            "lock_holders_that_wrote": tokens_written(raw),
            "leases_kept": len(kept),
        },
    )


def _watch_findings(raw: History) -> Iterator[Finding]:
    """Watches against the record with every key there is, the cluster's own included."""
    yield from check_record(raw)
    yield from WatchRules(raw).check()


def _acknowledged(operations: Iterable[Operation]) -> list[float]:
    """When each answer came that needed a majority."""
    return [
        operation.returned
        for operation in operations
        if operation.ok and operation.returned is not None and not _is_stale(operation)
    ]


def _is_stale(operation: Operation) -> bool:
    request = operation.request
    return isinstance(request, words.Get | words.Range) and request.consistency == words.Consistency.STALE


def _leases_left(lines: Lines) -> LeasesLeft | None:
    told = lines.of_kind("leases_left")
    if not told:
        return None
    leases = told[-1]["leases"]
    return LeasesLeft(
        at=told[-1]["at"],
        ids=frozenset(each["lease"] for each in leases),
        with_ttl=frozenset(each["lease"] for each in leases if each["kind"] == "ttl"),
        bound={each["lease"]: (each["node"], each["generation"]) for each in leases if each["kind"] == "node"},
        generations=told[-1]["generations"],
    )


def without_ages(history: History) -> History:
    """Without what stale reads say of their age: how old they are is judged elsewhere, in virtual time."""
    return replace(
        history,
        operations=tuple(
            [
                replace(each, result=replace(each.result, staleness=None))
                if isinstance(each.result, words.Found)
                else each
                for each in history.operations
            ]
        ),
    )
