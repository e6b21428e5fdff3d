"""Load from inside a member's process, on the Python API: what it costs with no other boundary in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from coterie.consensus import Consistency, Member, MetadataError
from tests.verify.raft_processes.members import wire

KEYS = 1_000
FILLERS = 64


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Loader:
    def __init__(self, member: Member) -> None:
        self._member = member

    def _call(self, question: wire.Load) -> Callable[[bytes], Awaitable[object]]:
        metadata = self._member.metadata
        value = bytes(question.value_bytes)
        match question.kind:
            case "put":
                return lambda key: metadata.put(key, value, retry=question.retry)
            case "get":
                return metadata.get
            case "stale":
                return lambda key: metadata.get(key, consistency=Consistency.STALE)
        raise ValueError(question.kind)

    async def run(self, question: wire.Load) -> wire.Measured:
        """`in_flight` tasks, each with one call at a time, for `seconds`."""
        call = self._call(question)
        taken: list[float] = []
        failed = 0
        clock = time.perf_counter
        began = clock()
        end = began + question.seconds

        async def caller(first: int) -> None:
            nonlocal failed
            at = first
            since = clock()
            while since < end:
                at += question.in_flight
                try:
                    await call(b"load/%05d" % (at % KEYS))
                except MetadataError:
                    failed += 1
                else:
                    now = clock()
                    taken.append(now - since)
                    if len(taken) % 256 == 0:
                        await asyncio.sleep(0)  # stale reads never wait
                since = clock()

        await asyncio.gather(*[caller(number) for number in range(question.in_flight)])
        seconds = clock() - began
        taken.sort()
        return wire.Measured(
            question.number,
            len(taken),
            failed,
            seconds,
            quantile(taken, 0.5),
            quantile(taken, 0.99),
        )

    async def fill(self, keys: int, value_bytes: int) -> float:
        """Make the state large. Returns the seconds taken."""
        metadata = self._member.metadata
        value = bytes(value_bytes)
        began = time.perf_counter()

        async def filler(first: int) -> None:
            for number in range(first, keys, FILLERS):
                await metadata.put(b"fill/%08d" % number, value, retry=False, timeout=30.0)

        await asyncio.gather(*[filler(first) for first in range(FILLERS)])
        return time.perf_counter() - began

    async def snapshot(self) -> dict[str, float]:
        """Take one now; the stall is the longest time that the loop did not come round."""
        node = self._member.node
        before = node.snapshot_index
        began = last = time.perf_counter()
        stall = 0.0
        self._member.compact()
        while node.snapshot_index == before:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            stall, last = max(stall, now - last), now
        return {"seconds": last - began, "stall": stall}
