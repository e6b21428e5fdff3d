"""The workload on the gossip layer: clients that write and read at every node, and an observer of each node's view."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any, Literal

from tests.verify.consistency.contract import Cluster, Recording, SettleError, Verdict
from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.gossip.verdict import judge_gossip
from tests.verify.consistency.workload.gossip.client import GossipClient, Numbers
from tests.verify.consistency.workload.gossip.observer import Identity, Observer, State
from tests.verify.consistency.workload.tasks import Tasks

CLIENTS = 4

END_SECONDS = 20.0

EQUAL_SECONDS = 60.0
"""How long the nodes have at the end, without new writes, until all know the same."""

POLL_SECONDS = 0.1

GRACES = ("GOSSIP__MARKED_FOR_DELETION_GRACE_PERIOD", "GOSSIP__DEAD_NODE_GRACE_PERIOD")


class GossipWorkload:
    layer: Literal["gossip"] = "gossip"

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._observed = asyncio.Event()
        self._tasks = Tasks()
        self._watching = Tasks()
        self._observers: dict[str, Observer] = {}

    async def start(self, cluster: Cluster, recording: Recording, rng: Random, rate: float) -> None:
        self._cluster = cluster
        self._recording = recording
        recording.write("gossip_settings", {name: cluster.settings.get(name) for name in GRACES})
        numbers = Numbers()
        for number in range(CLIENTS):
            client = GossipClient(f"g{number}", cluster, Random(rng.random()), CLIENTS / rate, numbers, self._write)
            self._tasks.start(client.run(self._over))
        self._tasks.start(self._observe())

    async def _observe(self) -> None:
        """An observer for each node, those that join later included."""
        while not self._over.is_set():
            for name, node in self._cluster.nodes.items():
                if name not in self._observers:
                    self._observers[name] = Observer(node, self._recording.write)
                    self._watching.start(self._observers[name].run(self._observed))
            await asyncio.sleep(POLL_SECONDS)

    # -- the whole -----------------------------------------------------------------------------------------------------

    async def settle(self, within: float) -> float:
        """Every node knows all that the others had written when it was asked, and holds just those alive that run."""
        began = time.monotonic()
        goal: dict[Identity, int] = {}
        missing = ""
        while time.monotonic() - began < within:
            self._tasks.check()
            self._watching.check()
            there = self._there()
            fresh = [each for each in there.values() if each.own is not None and each.seen >= began]
            if len(fresh) == len(there) > 0:
                goal = goal or {each.own: each.states[each.own][0] for each in fresh if each.own is not None}
                missing = self._missing(goal)
                if not missing:
                    return time.monotonic() - began
            else:
                silent = sorted(there.keys() - {each.name for each in fresh})
                missing = f"{', '.join(silent)} did not answer" if there else "no node is left"
            await asyncio.sleep(POLL_SECONDS)
        raise SettleError(f"{within:g} s after the healing, {missing}")

    def _there(self) -> dict[str, Observer]:
        return {
            name: self._observers[name]
            for name, node in self._cluster.nodes.items()
            if not node.gone and name in self._observers
        }

    def _missing(self, goal: dict[Identity, int]) -> str:
        for name, observer in self._there().items():
            for identity, version in goal.items():
                known = observer.states.get(identity)
                if known is None or known[0] < version:
                    held = "nothing" if known is None else f"version {known[0]}"
                    return f"{name} has {held} of {identity[0]}, which had {version}"
            if observer.live != set(goal):
                return f"{name} holds {sorted(observer.live)} for alive, and {sorted(goal)} run"
        return ""

    async def stop(self) -> None:
        self._over.set()
        try:
            await self._tasks.end(END_SECONDS)
        finally:
            self._observed.set()
            await self._watching.end(END_SECONDS)

    async def judge(self) -> Verdict:
        await self._become_equal()
        self._recording.flush()
        return await asyncio.to_thread(lambda: judge_gossip(Lines.of(self._cluster.directory)))

    async def _become_equal(self) -> None:
        """Look on until all nodes know the same, or the time for it is over; the judge reads the last views."""
        began = time.monotonic()
        there = self._there()
        while True:
            for observer in there.values():
                await observer.look()
            differences = differing(there)
            if not differences or time.monotonic() - began > EQUAL_SECONDS:
                break
            await asyncio.sleep(POLL_SECONDS)
        self._recording.write(
            "gossip_end", {"at": time.monotonic(), "nodes": sorted(there), "differences": differences}
        )

    def _write(self, line: dict[str, Any]) -> None:
        self._recording.write("gossip", line)


def differing(observers: dict[str, Observer]) -> list[str]:
    """Where a node's view of a running one is not what that one says of itself. What expires goes when it goes."""
    found: list[str] = []
    for owner, of in observers.items():
        if of.own is None:
            found.append(f"{owner} does not answer")
            continue
        own = _lasting(of.states[of.own])
        for name, observer in observers.items():
            held = observer.states.get(of.own)
            if held is None:
                found.append(f"{name} does not know {owner}")
                continue
            theirs = _lasting(held)
            found += [
                f"{name} has {theirs.get(key)} as {owner}'s {key}, which is {own.get(key)}"
                for key in sorted(own.keys() | theirs.keys())
                if own.get(key) != theirs.get(key)
            ]
    return found


def _lasting(state: State) -> dict[str, list[Any]]:
    return {key: each for key, each in state[2].items() if each[2] == "Set"}
