"""Asks processes that gossip holds lost whether they are there, before leases that are bound to them end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from coterie.consensus.autopilot.node_lease_reaper import Heard, LifeSigns, Process, addresses_of
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.store import LeaseNodeLost, State

AskProcess = Callable[[tuple[str, int]], Awaitable[Heard]]
"""Which process is at an address; it takes no longer than a second, and raises nothing."""

MAX_QUESTIONS = 64
"""Under way at a time."""


class ProcessWitness:
    def __init__(self, ask: AskProcess | None) -> None:
        """`ask`: None: nobody is asked, and links alone can speak against gossip."""
        self._ask = ask
        self._signs = LifeSigns()
        self._asking: dict[tuple[Process, tuple[str, int]], asyncio.Task[None]] = {}

    def confirm(
        self,
        suspected: Sequence[LeaseNodeLost],
        state: State,
        seen: Observations,
        answering: Collection[str],
        now: float,
    ) -> list[LeaseNodeLost]:
        """Those of gossip's suspicions against which nothing speaks. The others are asked; the next turn sees more."""
        found: list[LeaseNodeLost] = []
        processes: set[Process] = set()
        for end in suspected:
            lease = state.lease(end.lease)
            if lease is None:
                continue
            process = lease.node, lease.generation
            if process not in processes:
                processes.add(process)
                self._ask_all(process, seen, now)
            later = end.generation > lease.generation
            if self._signs.is_gone(process, seen, answering, now, later=later, asks=self._ask is not None):
                found.append(end)
        self._signs.keep(processes)
        return found

    def _ask_all(self, process: Process, seen: Observations, now: float) -> None:
        if self._ask is None:
            return
        for address in addresses_of(process, seen):
            key = process, address
            if key in self._asking or len(self._asking) >= MAX_QUESTIONS:
                continue
            if not self._signs.are_fresh(process, address, now):
                self._asking[key] = asyncio.create_task(
                    self._ask_one(self._ask, process, address), name="asking a lost process"
                )

    async def _ask_one(self, ask: AskProcess, process: Process, address: tuple[str, int]) -> None:
        try:
            self._signs.note(process, address, await ask(address), time.monotonic())
        finally:
            self._asking.pop((process, address), None)

    async def stop(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
