"""A run as it is told to people: its lines put together, and what each fault did to either layer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.verify.consistency.contract import RunResult
from tests.verify.consistency.judging.availability import longest_gap
from tests.verify.consistency.judging.faults import Fault, faults_of
from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.gossip.convergence import Convergence, Lag
from tests.verify.consistency.judging.gossip.history import GossipHistory
from tests.verify.consistency.judging.gossip.verdict import gossip_history
from tests.verify.linearizability import Operation, load
from tests.verify.linearizability.histories import requests as words

RESULT = "result.json"

CUT_SECONDS = 0.5
"""A fault of the links is in force so long after its beginning was written down."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of both layers while one fault lasted, and after it. Seconds; None where there is nothing to tell."""

    fault: Fault
    gossip_tried: int
    gossip_acknowledged: int
    """Writes at nodes that ran."""
    diverged: float
    """The age of the oldest acknowledged write that some running node did not know of, at the highest."""
    converged: float | None
    """From the end of the fault until all knew what had been acknowledged by then."""
    raft_silent: float
    """The longest time without an acknowledgement that needs a majority, at any node."""
    minority_acknowledged: int
    """By nodes without a majority, before they had it again, of operations that began after they lost it."""
    minority_refused: int
    minority_unknown: int
    raft_back: float | None
    """From the end of the fault until each node that it had cut off acknowledged again."""


class Story:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines = Lines.of(folder)
        self.run: Mapping[str, Any] = next(iter(self.lines.of_kind("run")), {})
        self.started = float(self.run.get("started", 0.0))
        self.faults = faults_of(self.lines)
        result = folder / RESULT
        self.result = RunResult.from_json(json.loads(result.read_text())) if result.exists() else None
        self.healed: float | None = next((float(line["at"]) for line in self.lines.of_kind("heal")), None)

    @cached_property
    def gossip(self) -> GossipHistory:
        return gossip_history(self.lines)

    @cached_property
    def raft(self) -> Sequence[Operation]:
        return load(self.lines.archive()).operations if self.lines.of_kind("history") else ()

    @cached_property
    def convergence(self) -> Convergence:
        return Convergence(self.gossip)

    @cached_property
    def lags(self) -> list[Lag]:
        """Of those whose owners ran."""
        return [lag for lag in self.convergence.lags() if lag.owner in self.convergence.running(lag.at).values()]

    @cached_property
    def nodes(self) -> list[str]:
        return sorted({life.node for life in self.gossip.lives})

    @cached_property
    def loaded(self) -> float:
        """When the load began."""
        times = [each.invoked for each in self.raft] + [each.invoked for each in self.gossip.operations]
        return min(times, default=self.started)

    @cached_property
    def ended(self) -> float:
        times = [each.returned for each in self.raft if each.returned is not None]
        times += [each.returned for each in self.gossip.operations if each.returned is not None]
        return max([*times, self.healed or self.started])

    # -- faults --------------------------------------------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        return [self._effect(fault) for fault in self.faults]

    def _effect(self, fault: Fault) -> Effect:
        start, end = fault.began, min(fault.ended, self.healed or self.ended)
        minority = self.minority(fault)
        writes = [each for each in self.gossip.operations if each.op != "get" and start <= each.invoked <= end]
        writes = [each for each in writes if each.node in self.convergence.running(each.invoked)]
        without = [each for each in self.raft if _strong(each) and each.node in minority]
        without = [each for each in without if start + CUT_SECONDS <= each.invoked <= end]
        return Effect(
            fault=fault,
            gossip_tried=len(writes),
            gossip_acknowledged=sum(each.outcome == "ok" for each in writes),
            diverged=max((lag.seconds for lag in self.lags if start <= lag.at <= end), default=0.0),
            converged=self.convergence.converged_after(end),
            raft_silent=self._silent(start, end),
            minority_acknowledged=sum(each.ok and _end(each) <= end for each in without),
            minority_refused=sum(each.failed for each in without),
            minority_unknown=sum(each.unknown for each in without),
            raft_back=self._back(minority, end) if minority else None,
        )

    @cached_property
    def _acknowledged(self) -> list[float]:
        return sorted(each.returned for each in self.raft if each.ok and each.returned is not None and _strong(each))

    def _silent(self, start: float, end: float) -> float:
        """The longest gap that touches the fault, up to its own length from where it began."""
        before = max((at for at in self._acknowledged if at <= start), default=start)
        after = min((at for at in self._acknowledged if at >= end), default=end)
        return longest_gap([before, *[at for at in self._acknowledged if start < at < end], after])

    def _back(self, nodes: Iterable[str], moment: float) -> float | None:
        latest = 0.0
        for node in nodes:
            answers = [
                each.returned
                for each in self.raft
                if each.node == node and each.ok and _strong(each) and each.returned and each.returned >= moment
            ]
            if not answers:
                return None
            latest = max(latest, min(answers) - moment)
        return latest

    def minority(self, fault: Fault) -> frozenset[str]:
        """The nodes that the fault cuts off from every majority, where it cuts the links both ways."""
        if fault.kind not in {"partition", "isolate"}:
            return frozenset()
        cut = {link for link in fault.links if (link[1], link[0]) in fault.links}
        there = [node for node in self.nodes if node in self.convergence.running(fault.began)]
        found: set[str] = set()
        for node in there:
            reached = {node}
            while more := {o for o in there for r in reached if o not in reached and (r, o) not in cut}:
                reached |= more
            if 2 * len(reached) <= len(there):
                found.add(node)
        return frozenset(found)


def _strong(operation: Operation) -> bool:
    """Whether it needs a majority."""
    request = operation.request
    if isinstance(request, words.Get | words.Range):
        return request.consistency == words.Consistency.LINEARIZABLE
    return True


def _end(operation: Operation) -> float:
    return operation.invoked if operation.returned is None else operation.returned
