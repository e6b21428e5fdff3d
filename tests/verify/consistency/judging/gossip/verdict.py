"""The gossip layer judged: versions, values, deletions, liveness, and agreement at the end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.verify.consistency.contract import Anomaly, Verdict
from tests.verify.consistency.judging.availability import longest_gap
from tests.verify.consistency.judging.faults import faults_of
from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.gossip.convergence import Convergence
from tests.verify.consistency.judging.gossip.history import (
    Entry,
    GossipHistory,
    GossipOperation,
    Identity,
    Life,
    Silence,
    StateChange,
    View,
)
from tests.verify.consistency.judging.gossip.liveness import liveness_anomalies
from tests.verify.consistency.judging.gossip.values import value_anomalies
from tests.verify.consistency.judging.gossip.versions import version_anomalies

MOST_ANOMALIES = 20


def judge_gossip(lines: Lines) -> Verdict:
    history = gossip_history(lines)
    faults = faults_of(lines)
    anomalies = [*version_anomalies(history), *value_anomalies(history), *liveness_anomalies(history, faults)]
    for end in lines.of_kind("gossip_end"):
        anomalies += [Anomaly("did not become equal", difference) for difference in end["differences"]]
    distinct = list(dict.fromkeys(anomalies))
    outcomes = [operation.outcome for operation in history.operations]
    convergence = Convergence(history)
    behind = convergence.longest(list(convergence.lags()))
    return Verdict(
        layer="gossip",
        operations=len(outcomes),
        acknowledged=outcomes.count("ok"),
        failed=outcomes.count("failed"),
        unknown=outcomes.count("unknown"),
        anomalies=tuple(distinct[:MOST_ANOMALIES]),
        longest_unavailability=longest_gap(
            [each.returned for each in history.operations if each.outcome == "ok" and each.returned is not None]
        ),
        extra={
            "anomalies": len(distinct),
            "views": len(history.views),
            "longest_divergence": 0.0 if behind is None else round(behind.seconds, 3),
            "identities": len({change.identity for view in history.views for change in view.changes}),
        },
    )


def gossip_history(lines: Lines) -> GossipHistory:
    settings: dict[str, Any] = next(iter(lines.of_kind("gossip_settings")), {})
    return GossipHistory(
        operations=[GossipOperation(**each) for each in lines.of_kind("gossip")],
        views=sorted((_view(each) for each in lines.of_kind("gossip_view")), key=lambda view: view.asked),
        silences=[Silence(**each) for each in lines.of_kind("gossip_silence")],
        lives=lives_of(lines),
        dead_node_grace=float(settings.get("GOSSIP__DEAD_NODE_GRACE_PERIOD") or "inf"),
    )


def _view(line: dict[str, Any]) -> View:
    return View(
        observer=line["observer"],
        generation=line["generation"],
        asked=line["asked"],
        answered=line["answered"],
        live=frozenset(map(_identity, line["live"])),
        dead=frozenset(map(_identity, line["dead"])),
        forgotten=frozenset(map(_identity, line["forgotten"])),
        changes=tuple(
            [
                StateChange(
                    (each["node"], each["generation"]),
                    each["max_version"],
                    each["last_gc_version"],
                    {key: Entry(*entry) for key, entry in each["set"].items()},
                    tuple(each["lost"]),
                )
                for each in line["states"]
            ]
        ),
    )


def _identity(told: list[Any]) -> Identity:
    return told[0], told[1]


def lives_of(lines: Lines) -> list[Life]:
    """The runs of each node's process, from the driver's account."""
    started: dict[str, float] = {}
    paused: dict[str, float] = {}
    pauses: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    lives: list[Life] = []

    def end(node: str, at: float) -> None:
        if node in paused:
            pauses[node].append((paused.pop(node), at))
        lives.append(Life(node, started.pop(node), at, tuple(pauses.pop(node, ()))))

    for line in sorted(lines.of_kind("node"), key=lambda line: line["at"]):
        node, at = line["node"], line["at"]
        match line["what"]:
            case "started":
                started[node] = at
            case "ended" if node in started:
                end(node, at)
            case "paused":
                paused[node] = at
            case "continued" if node in paused:
                pauses[node].append((paused.pop(node), at))
    for node in list(started):
        end(node, float("inf"))
    return lives
