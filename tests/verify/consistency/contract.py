"""What the parts of a consistency run say to each other: the cluster, the workload on a layer, and its verdict.

The driver makes the cluster and breaks it; workloads use it, write down what they did and saw, and judge it. All times
are seconds of the runner's `time.monotonic()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

Layer = Literal["gossip", "raft"]


class SettleError(Exception):
    """A layer did not come back after everything was healed; the message says what is missing."""


@dataclass
class Life:
    """One run of a node's process."""

    started: float
    ended: float | None = None
    how: str = ""
    """How it ended: kill, stop, power_cut, wipe, remove, or crash, where nobody ended it."""


class NodeHandle(Protocol):
    """One node, over all its restarts."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str:
        """Base URL of its HTTP face, the same at every start, on a network that no fault touches."""

    @property
    def up(self) -> bool:
        """As far as the driver knows, its process has started, runs, and is not paused."""

    @property
    def gone(self) -> bool:
        """Out of the cluster for good."""

    @property
    def lives(self) -> Sequence[Life]: ...

    @property
    def pauses(self) -> Sequence[tuple[float, float | None]]:
        """When it was stopped by a signal, and when it went on; None while it is stopped."""


class Cluster(Protocol):
    @property
    def nodes(self) -> Mapping[str, NodeHandle]:
        """In the order they joined; grows while a run goes on."""

    @property
    def directory(self) -> Path:
        """The run's folder."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Those of every node, as environment variables less their prefix."""


class Recording(Protocol):
    def write(self, kind: str, body: Mapping[str, Any]) -> None:
        """One line of history.jsonl, `{kind: body}`."""

    def raw(self, line: str) -> None:
        """A line that is JSON already."""

    def flush(self) -> None:
        """What was written can be read from the file."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that must not be."""

    kind: str
    explanation: str
    rendering: str = ""
    """The smallest failing part, drawn."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one layer in one run."""

    layer: Layer
    operations: int
    acknowledged: int
    failed: int
    """Refused, certainly without effect."""
    unknown: int
    anomalies: tuple[Anomaly, ...] = ()
    longest_unavailability: float = 0.0
    """Seconds in which nothing was acknowledged, at the longest."""
    extra: Mapping[str, float | int | str] = field(default_factory=dict)


class Workload(Protocol):
    """Clients on one layer, and the judgement of what they saw."""

    @property
    def layer(self) -> Layer: ...

    async def start(self, cluster: Cluster, recording: Recording, rng: Random, rate: float) -> None:
        """Begin about `rate` operations a second; returns once they run."""

    async def settle(self, within: float) -> float:
        """Wait, under load, until the healed layer is whole at every node: the seconds it took. Raises SettleError."""

    async def stop(self) -> None:
        """Begin nothing more, and see what is under way to its end. May be called at any time, also twice."""

    async def judge(self) -> Verdict:
        """Final reads, then the checkers."""


@dataclass
class RunResult:
    """The summary of a run, as in its result.json."""

    scenario: str
    seed: int
    nodes: int
    seconds: float
    sabotage: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    """By kind."""
    verdicts: list[Verdict] = field(default_factory=list)
    convergence: dict[str, float] = field(default_factory=dict)
    """Seconds from the healing until the layer was whole, by layer."""
    driver_anomalies: list[Anomaly] = field(default_factory=list)
    """What the driver found wrong, such as a leader that went on leading on a hung disk."""
    error: str = ""
    """Why the run itself failed: a cluster that did not start, a node that crashed."""

    @property
    def anomalies(self) -> list[Anomaly]:
        found = [anomaly for verdict in self.verdicts for anomaly in verdict.anomalies]
        return [*self.driver_anomalies, *found]

    @property
    def ok(self) -> bool:
        return not self.error and not self.anomalies

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ok": self.ok}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunResult:
        fields = {name: value for name, value in data.items() if name not in {"ok", "verdicts", "driver_anomalies"}}
        verdicts = [
            Verdict(**(each | {"anomalies": tuple([Anomaly(**anomaly) for anomaly in each["anomalies"]])}))
            for each in data["verdicts"]
        ]
        driver = [Anomaly(**each) for each in data["driver_anomalies"]]
        return RunResult(**fields, verdicts=verdicts, driver_anomalies=driver)
