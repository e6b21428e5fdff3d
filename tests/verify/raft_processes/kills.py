"""A run of kills under load, judged: what `test_kills` runs, briefly and as a campaign."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.verify.linearizability import History, render
from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.histories import requests as words
from tests.verify.linearizability.rendering.findings import Report
from tests.verify.raft_processes.clients import KEYS, Client, Watcher
from tests.verify.raft_processes.members.processes import GoneError, ProcessGroup, process_group
from tests.verify.raft_processes.recording import Recorder
from tests.waiting import eventually

CLIENTS = 6
ENOUGH = 100
"""Acknowledged operations: with fewer a run says little."""

SYNC_SECONDS = 0.005
"""What a sync takes on the disks that lose power: long enough for a kill to fall into one."""


@dataclass
class Kill:
    victims: str
    """leader, other (one that does not lead) or all."""
    outage: float
    """Seconds from the death to the next acknowledged write."""


@dataclass
class Outcome:
    seed: int
    kills: list[Kill] = field(default_factory=list)
    history: History | None = None
    report: Report | None = None

    def outages(self, victims: str) -> list[float]:
        return sorted(kill.outage for kill in self.kills if kill.victims == victims)

    def describe(self) -> str:
        assert self.history is not None
        assert self.report is not None
        finding = self.report.smallest
        return f"seed {self.seed}: {finding.explanation}\n{render(finding)}"


async def run_kills(directory: Path, seed: int, kills: int, *, hold: bool, loop: str = "asyncio") -> Outcome:
    """`hold`: a kill is a power cut. The returned report says what the checker found."""
    rng = Random(seed)
    outcome = Outcome(seed)
    recorder = Recorder()
    over = asyncio.Event()
    options = ("--loop", loop, *(("--hold", str(SYNC_SECONDS)) if hold else ()))
    async with process_group(directory, options=options) as group:
        clients = [
            Client(f"c{number}", group, recorder, Random(rng.random()), patient=number % 2 == 0)
            for number in range(CLIENTS)
        ]
        watchers = [Watcher(f"w{number}", group, recorder, Random(rng.random())) for number in range(2)]
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.run(over))
            for watcher in watchers:
                tasks.create_task(watcher.run(over))
            for _ in range(kills):
                await _kill_once(group, clients, recorder, rng, outcome)
            await group.complete()
            await eventually(lambda: recorder.acknowledged > ENOUGH)
            over.set()
        outcome.history = await recorder.history(group)
    outcome.report = await asyncio.to_thread(check, outcome.history)
    return outcome


async def _kill_once(
    group: ProcessGroup, clients: list[Client], recorder: Recorder, rng: Random, outcome: Outcome
) -> None:
    leader = await group.complete()
    for client in clients:
        client.favourite = leader
    await asyncio.sleep(rng.uniform(0.1, 0.6))
    choice = rng.random()
    if choice < 0.6:
        victims = [leader]
    elif choice < 0.8:
        victims = [rng.choice(list(group.running))]
    else:
        victims = list(group.running)
    kind = "all" if len(victims) > 1 else "leader" if victims == [leader] else "other"
    group.kill(victims)
    moment = time.monotonic()
    probes = [
        asyncio.create_task(_probe(clients[0], recorder, group, number))
        for number in group.running
        if number not in victims
    ]
    await group.buried(victims)
    await asyncio.sleep(rng.uniform(0.0, 0.3))
    await asyncio.gather(*[group.start(number) for number in victims])
    await eventually(lambda: recorder.first_write_after(moment) is not None)
    outcome.kills.append(Kill(kind, recorder.first_write_after(moment) or 0.0))
    await asyncio.gather(*probes)


async def _probe(like: Client, recorder: Recorder, group: ProcessGroup, number: int) -> None:
    """Write at a survivor from the first moment on, so that the outage is seen to the end and no longer."""
    probe = Client(f"probe {recorder.next_id()}", group, recorder, Random(number), patient=False)
    process = group.running[number]
    for _ in range(100):
        try:
            operation = await probe.write(lambda id_: words.Put(KEYS[0], id_), process)
        except GoneError:
            return
        if operation.ok or process.gone:
            return
        await asyncio.sleep(0.01)
