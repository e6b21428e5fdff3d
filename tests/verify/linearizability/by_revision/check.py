"""The main checker: linearizability by revision, in near-linear time.

Every operation is placed at the revision that its answer names, or, its outcome unknown, where the record shows it.
Writes take revisions of their own, and what only reads at a revision comes right behind its write. If that order obeys
real time, and every answer is what a sequential machine would have given, then the history is linearizable: that order
shows it. So nothing is searched, and transactions, ranges, historic reads and watches are judged as easily as
registers. It is stricter than linearizability: the answers must also have come about at the revisions they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.verify.linearizability.by_revision.realtime import check_real_time
from tests.verify.linearizability.by_revision.replay import Replay
from tests.verify.linearizability.by_revision.sightings import Sightings, sightings_of
from tests.verify.linearizability.by_revision.watching import WatchRules, check_record
from tests.verify.linearizability.histories.history import Commit, History, Operation, check_shape
from tests.verify.linearizability.rendering.findings import Finding, Report, unique


def check(history: History) -> Report:
    """Judge a history with its record. Raises HistoryError where it is malformed."""
    check_shape(history)
    everything = sightings_of(history)
    sightings = Sightings(everything)
    replay = Replay(history, sightings)
    replay.run()
    findings = [
        *check_record(history),
        *replay.findings,
        *check_real_time(history, replay.applied, everything, sightings),
        *WatchRules(history).check(),
    ]
    causes = _causes(history, replay.applied)
    unknown = [operation for operation in history.operations if operation.unknown]
    return Report(
        findings=tuple(_with_causes(finding, causes) for finding in findings),
        acknowledged=sum(operation.ok for operation in history.operations),
        refused=sum(operation.failed for operation in history.operations),
        unknown=len(unknown),
        unknown_applied=sum(operation.id in replay.applied for operation in unknown),
    )


def _causes(history: History, applied: Mapping[str, Commit]) -> Mapping[int, list[Operation]]:
    causes: dict[int, list[Operation]] = {}
    for id_, commit in applied.items():
        causes.setdefault(commit.revision, []).append(history.by_id[id_])
    return causes


def _with_causes(finding: Finding, causes: Mapping[int, list[Operation]]) -> Finding:
    """A finding with the operations that caused its commits, in the order of time."""
    behind = [operation for commit in finding.commits for operation in causes.get(commit.revision, ())]
    return replace(finding, operations=unique([*finding.operations, *behind]))
