"""Carries a schedule out on a cluster, and writes down what it did to whom."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any

from tests.verify.consistency.contract import Anomaly, Recording
from tests.verify.consistency.nemesis.faults import KINDS
from tests.verify.consistency.nemesis.schedule import SkipError, Step
from tests.verify.consistency.network import Link
from tests.verify.consistency.network.wiring import Ends
from tests.verify.consistency.nodes.cluster import Cluster
from tests.verify.consistency.nodes.node import Node


class Act:
    """One fault under way: what faults do goes through here, so that it is written down, and can be undone."""

    def __init__(self, nemesis: Nemesis, step: Step, number: int) -> None:
        self.nemesis = nemesis
        self.cluster: Cluster = nemesis.cluster
        self.step = step
        self.number = number
        self.rng = Random(step.chance)

    async def victim(self, among: Callable[[Node], bool] = lambda _: True) -> Node:
        """The node that the step is on. Raises SkipError."""
        fitting = [node for node in self.cluster.up if among(node)]
        leader = await self.cluster.leader()
        if self.step.on == "leader" and leader in fitting:
            return leader
        if self.step.on == "follower":
            fitting = [node for node in fitting if node is not leader] or fitting
        if not fitting:
            raise SkipError("no node is fit for it")
        return self.rng.choice(fitting)

    def others(self, nodes: Iterable[Node]) -> list[Node]:
        left_out = list(nodes)
        return [node for node in self.cluster.nodes.values() if node not in left_out]

    def begin(self, *nodes: Node, links: Iterable[Ends] = (), **detail: Any) -> None:
        names = {node.number: node.name for node in self.cluster.nodes.values()}
        ends = [[names.get(sender, "?"), names.get(receiver, "?")] for sender, receiver in links]
        self.nemesis.done[self.step.kind] += 1
        self._write("begin", [node.name for node in nodes], ends, detail)

    def end(self, *nodes: Node, **detail: Any) -> None:
        self._write("end", [node.name for node in nodes], [], detail)

    def _write(self, phase: str, nodes: list[str], links: list[list[str]], detail: Mapping[str, Any]) -> None:
        body = {"id": self.number, "kind": self.step.kind, "phase": phase, "at": time.monotonic()}
        self.nemesis.recording.write("fault", body | {"nodes": nodes, "links": links, "detail": dict(detail)})

    async def wait(self, seconds: float | None = None) -> None:
        await asyncio.sleep(self.step.seconds if seconds is None else seconds)

    async def on_links(self, nodes: Iterable[Node], links: Mapping[Ends, Link], **detail: Any) -> None:
        """A fault on links, for as long as the step says."""
        victims = list(nodes)
        self.begin(*victims, links=links, **detail)
        await self.cluster.wiring.lay(self.number, links)
        try:
            await self.wait()
        finally:
            await self.cluster.wiring.lift(self.number)
            self.end(*victims)

    def complain(self, kind: str, explanation: str) -> None:
        self.nemesis.anomalies.append(Anomaly(kind, explanation))


class Nemesis:
    def __init__(self, cluster: Cluster, recording: Recording) -> None:
        self.cluster = cluster
        self.recording = recording
        self.done: Counter[str] = Counter()
        """Faults that were had, by kind."""
        self.anomalies: list[Anomaly] = []
        """What a fault itself found wrong, such as a leader that went on leading on a hung disk."""
        self.membership = asyncio.Lock()
        """One change of who belongs to the cluster at a time, and none on top of another loss of data."""
        self._active = 0
        self.begun = 0
        """How many faults have begun."""
        self._numbers = count(1)

    @property
    def alone(self) -> bool:
        """One fault is under way, and no other."""
        return self._active == 1

    async def start_again(self, node: Node) -> None:
        """Start a node that was ended, unless something else has, or ended it anew meanwhile."""
        if not node.running and not node.starting:
            await node.start(self.cluster.seeds)

    async def carry_out(self, steps: Sequence[Step]) -> None:
        """The whole schedule. What is under way at its end is seen to its end."""
        start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                await asyncio.sleep(max(0.0, start + step.at - time.monotonic()))
                tasks.create_task(self._one(step))

    async def _one(self, step: Step) -> None:
        act = Act(self, step, next(self._numbers))
        self._active += 1
        self.begun += 1
        try:
            await KINDS[step.kind](act)
        except SkipError as error:
            body = {"id": act.number, "kind": step.kind, "phase": "skipped", "at": time.monotonic()}
            self.recording.write("fault", body | {"nodes": [], "links": [], "detail": {"why": str(error)}})
        finally:
            self._active -= 1
