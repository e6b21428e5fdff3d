"""The links of a run, as its driver sees them: faults that are laid over each other, and the switch that obeys."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tests.verify.consistency.network.links import WORKS, Link
from tests.verify.consistency.network.namespaces import NodeNetwork

Ends = tuple[int, int]
"""Sender and receiver, by number."""

ANSWER_SECONDS = 30.0


def overlay(one: Link, other: Link) -> Link:
    """Both faults on one link: the worse of each."""
    return Link(
        cut=one.cut or other.cut,
        reset=one.reset or other.reset,
        only=one.only if one.only == other.only or other.works else other.only if one.works else "",
        loss=max(one.loss, other.loss),
        duplicate=max(one.duplicate, other.duplicate),
        delay=max(one.delay, other.delay),
        jitter=max(one.jitter, other.jitter),
        reorder=max(one.reorder, other.reorder),
        rate=min([rate for rate in (one.rate, other.rate) if rate], default=0.0),
    )


class Wiring:
    """All links. Every fault has a name under which it is laid and lifted."""

    def __init__(self, switch: asyncio.subprocess.Process) -> None:
        self._switch = switch
        self._faults: dict[int, dict[Ends, Link]] = {}
        self._asking = asyncio.Lock()
        self.counters: Mapping[str, int] = {}

    @classmethod
    async def open(cls, networks: Sequence[NodeNetwork], seed: int) -> Wiring:
        """Start the switch."""
        switch = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.verify.consistency.network.switch", "--seed", str(seed)),
            *[f"{each.number}:{each.tun}" for each in networks],
            pass_fds=[each.tun for each in networks],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        wiring = cls(switch)
        await wiring._tell()
        return wiring

    async def lay(self, fault: int, links: Mapping[Ends, Link]) -> None:
        """A fault on links; holds when this returns."""
        self._faults[fault] = dict(links)
        await self._tell()

    async def lift(self, fault: int) -> None:
        if self._faults.pop(fault, None) is not None:
            await self._tell()

    async def lift_all(self) -> None:
        self._faults.clear()
        await self._tell()

    def links(self) -> dict[Ends, Link]:
        """Those that do not work."""
        found: dict[Ends, Link] = {}
        for fault in self._faults.values():
            for ends, link in fault.items():
                found[ends] = overlay(found.get(ends, WORKS), link)
        return found

    async def _tell(self) -> None:
        assert self._switch.stdin is not None
        assert self._switch.stdout is not None
        async with self._asking, asyncio.timeout(ANSWER_SECONDS):
            rules = [[*ends, link.to_json()] for ends, link in self.links().items()]
            self._switch.stdin.write(json.dumps(rules).encode() + b"\n")
            answer = await self._switch.stdout.readline()
            self.counters = json.loads(answer)

    async def close(self) -> None:
        assert self._switch.stdin is not None
        self._switch.stdin.close()
        await self._switch.wait()


def between(one: Iterable[int], other: Iterable[int], link: Link, *, back: bool = True) -> dict[Ends, Link]:
    """The links from each of `one` to each of `other`; with `back`, also the other way."""
    others = list(other)
    there = {(sender, receiver): link for sender in one for receiver in others if sender != receiver}
    return there | {(receiver, sender): replace(link) for sender, receiver in there} if back else there
