"""One run: a cluster, the workload on both layers, what goes wrong, the healing, and the verdict; all in one folder.

history.jsonl   everything that happened, as it happened
result.json     the verdict and its figures
logs/           what each node said
data/           the nodes' disks, where something was wrong
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.verify.consistency.contract import Anomaly, RunResult, SettleError, Verdict, Workload
from tests.verify.consistency.nemesis import Nemesis, plan
from tests.verify.consistency.network import NamespaceError
from tests.verify.consistency.nodes.cluster import Cluster
from tests.verify.consistency.nodes.node import NodeError
from tests.verify.consistency.recording import FileRecording
from tests.verify.consistency.scenarios import SCENARIOS, Scenario

RESULT = "result.json"

NOT_WHOLE = "not whole again"
"""An anomaly: a layer did not come back after everything was healed."""

SETTLE_SECONDS = 60.0
"""A healed layer must be whole again by then."""

FLUSH_SECONDS = 1.0

RATE = 100.0
"""Operations a second aimed at on each layer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a run what it is."""

    scenario: str
    seed: int
    nodes: int
    seconds: float
    sabotage: str = ""
    rate: float = RATE

    @property
    def power(self) -> bool:
        """Whether kills are power cuts."""
        told = SCENARIOS[self.scenario].power
        return self.seed % 2 == 0 if told is None else told

    @property
    def command(self) -> str:
        sabotage = f" --sabotage {self.sabotage}" if self.sabotage else ""
        return (
            f"python -m tests.verify.consistency run {self.scenario} --seed {self.seed} --nodes {self.nodes}"
            f" --seconds {self.seconds:g}{sabotage}"
        )


class Run:
    def __init__(self, what: Plan, directory: Path, workloads: Sequence[Workload]) -> None:
        self._plan = what
        self._scenario: Scenario = SCENARIOS[what.scenario]
        self._directory = directory
        self._workloads = workloads
        self._recording = FileRecording(directory)
        self._result = RunResult(what.scenario, what.seed, what.nodes, what.seconds, what.sabotage)

    async def run(self) -> RunResult:
        """Never raises for what the system under test does: that is in the result."""
        started = {"scenario": self._plan.scenario, "seed": self._plan.seed, "nodes": self._plan.nodes}
        started |= {"seconds": self._plan.seconds, "sabotage": self._plan.sabotage, "command": self._plan.command}
        self._recording.write("run", started | {"started": time.monotonic(), "time": time.time()})
        flushing = asyncio.create_task(self._flush())
        try:
            await self._in_cluster()
        except* (NodeError, NamespaceError) as group:
            self._result.error = "; ".join(str(error) for error in group.exceptions)
        finally:
            flushing.cancel()
            for anomaly in self._result.anomalies:
                self._recording.write("anomaly", {"kind": anomaly.kind, "explanation": anomaly.explanation})
            self._recording.close()
        (self._directory / RESULT).write_text(json.dumps(self._result.to_json(), indent=1))
        return self._result

    async def _in_cluster(self) -> None:
        what, scenario = self._plan, self._scenario
        cluster = Cluster(
            self._directory,
            self._recording,
            founders=what.nodes,
            spares=scenario.spares,
            power=what.power,
            sync_seconds=scenario.sync_seconds if what.power else 0.0,
            sabotage=what.sabotage,
            settings=dict(scenario.settings),
        )
        nemesis = Nemesis(cluster, self._recording)
        rng = Random(what.seed)
        try:
            await cluster.start(what.seed)
            for workload in self._workloads:
                await workload.start(cluster, self._recording, Random(rng.random()), what.rate)
            schedule = plan(what.seed, what.seconds, scenario.kinds, scenario.lanes) if scenario.kinds else []
            await asyncio.gather(nemesis.carry_out(schedule), asyncio.sleep(what.seconds))
            await cluster.heal()
            self._recording.write("heal", {"at": time.monotonic()})
            lost = await asyncio.gather(*[self._settle(workload) for workload in self._workloads])
            await self._voters(cluster, nemesis)
            for workload in self._workloads:
                await workload.stop()
            for workload, anomalies in zip(self._workloads, lost, strict=True):
                self._result.verdicts.append(await self._judge(workload, anomalies))
            self._result.error = "; ".join(cluster.crashes())
        finally:
            self._result.faults = dict(nemesis.done)
            self._result.driver_anomalies = [*nemesis.anomalies, *cluster.complaints()]
            for workload in self._workloads:
                await workload.stop()
            await cluster.close(keep_disks=not self._result.ok)

    async def _settle(self, workload: Workload) -> list[Anomaly]:
        try:
            seconds = await workload.settle(SETTLE_SECONDS)
        except SettleError as error:
            return [Anomaly(NOT_WHOLE, str(error))]
        self._result.convergence[workload.layer] = seconds
        self._recording.write("settled", {"at": time.monotonic(), "layer": workload.layer, "seconds": seconds})
        return []

    async def _voters(self, cluster: Cluster, nemesis: Nemesis) -> None:
        """All voters must be nodes that run, and as many as tolerate a failure: what was lost has been replaced."""
        try:
            await cluster.until(cluster.voters_whole, "a voter is lost or missing", SETTLE_SECONDS)
        except NodeError as error:
            nemesis.anomalies.append(Anomaly("voters not whole again", str(error)))

    async def _judge(self, workload: Workload, lost: list[Anomaly]) -> Verdict:
        try:
            verdict = await workload.judge()
        except SettleError as error:
            lost = [*lost, Anomaly(NOT_WHOLE, str(error))]
            verdict = Verdict(workload.layer, 0, 0, 0, 0)
        if not lost:
            return verdict
        return Verdict(
            verdict.layer,
            verdict.operations,
            verdict.acknowledged,
            verdict.failed,
            verdict.unknown,
            (*lost, *verdict.anomalies),
            verdict.longest_unavailability,
            verdict.extra,
        )

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._recording.flush()


def run(what: Plan, directory: Path, workloads: Sequence[Workload]) -> RunResult:
    """Make a run in `directory`, whose former contents go. In namespaces of this process's own (`network.enter`)."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    try:
        return asyncio.run(Run(what, directory, workloads).run())
    except Exception as error:
        # A fault of the tests themselves: a run that says nothing must not pass for one that found nothing.
        result = RunResult(what.scenario, what.seed, what.nodes, what.seconds, what.sabotage)
        result.error = f"the run itself failed: {error!r}"
        (directory / "traceback").write_text(traceback.format_exc())
        (directory / RESULT).write_text(json.dumps(result.to_json(), indent=1))
        raise
