"""What the Raft layer costs: three processes on loopback, 100-byte values, every acknowledgement behind an fsync.

The load runs inside a member's process, on the Python API; so does stock PySyncObj's, which syncs nothing. etcd is
driven over HTTP by `wrk`: another boundary, so its figures are for scale, and no ratio is taken. All groups are up at
once and take turns, so that they meet the same disk and the same neighbours.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.bench.rivals import TUNED, Etcd, Figures, Stock, etcd, etcd_is_here, stock
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.failover import seconds_without_writes
from tests.verify.raft_processes.members.processes import ProcessGroup, process_group

Row = tuple[str, float]

IN_FLIGHT = (1, 16, 64, 256)
SECONDS = 1.0
TURNS = 3
READ_SECONDS = 2.0
IDLE_SECONDS = 10.0
FAILOVERS = 7
STATE_KEYS, STATE_VALUE_BYTES = 50_000, 1_000
SEGMENT_MIB = 16
OURS, OURS_PLAIN = "ours", "ours without request ids"

PROTOTYPE = {
    "leader": dict(zip(IN_FLIGHT, (1_091, 10_985, 20_264, 33_705), strict=True)),
    "follower": dict(zip(IN_FLIGHT, (635, 4_524, 9_921, 16_081), strict=True)),
}
"""Writes/s of a prototype of PySyncObj with one fsync a tick, as the issue gives them, on such a machine unshared."""


def fdatasync_seconds(directory: Path, count: int = 400) -> list[float]:
    """A write of 200 bytes and its fdatasync, sorted."""
    fd = os.open(directory / "bare", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 1 << 20)
    os.fsync(fd)
    taken = []
    for number in range(count):
        since = time.perf_counter()
        os.pwrite(fd, bytes(200), number * 200)
        os.fdatasync(fd)
        taken.append(time.perf_counter() - since)
    os.close(fd)
    return sorted(taken)


Load = Callable[[], Awaitable[Figures]]


async def measured(
    group: ProcessGroup, member: int, kind: str, in_flight: int, *, seconds: float, retry: bool = False
) -> Figures:
    before = group.processor_seconds
    answer = await group.running[member].ask(
        lambda number: wire.Load(number=number, kind=kind, in_flight=in_flight, seconds=seconds, retry=retry),
        wire.Measured,
    )
    assert isinstance(answer, wire.Measured), answer
    used = (group.processor_seconds - before) / max(answer.calls, 1)
    return Figures(answer.calls / answer.seconds, answer.p50, answer.p99, answer.failed, used)


def figures(name: str, found: Figures) -> Iterator[Row]:
    yield f"{name} (calls/s)", found.rate
    yield f"{name}, p50 (us)", found.p50 * 1e6
    yield f"{name}, p99 (us)", found.p99 * 1e6
    yield f"{name}, processor time of the whole group (us/call)", found.processor_seconds * 1e6
    if found.failed:
        yield f"{name}, failed (calls)", found.failed


class Contest:
    """Everybody's writes, level by level: short loads in turns, and the median of each contender's."""

    def __init__(self, ours: ProcessGroup, rivals: dict[str, Stock], server: Etcd | None) -> None:
        self.ours = ours
        self.rivals = rivals
        self.server = server

    async def rows(self) -> AsyncIterator[Row]:
        for place in ("leader", "follower"):
            for in_flight in IN_FLIGHT:
                async for row in self._level(place, in_flight):
                    yield row

    async def _level(self, place: str, in_flight: int) -> AsyncIterator[Row]:
        label = f"writes at the {place}, {in_flight} in flight"
        found: dict[str, list[Figures]] = {}
        for _ in range(TURNS):
            for name, load in self._contenders(place, in_flight).items():
                found.setdefault(name, []).append(await load())
        middle = {name: median(each) for name, each in found.items()}
        for name, each in middle.items():
            for row in figures(f"{label}: {name}", each):
                yield row
        for mine in (OURS, OURS_PLAIN):
            for other in self.rivals:
                if middle[other].rate:
                    yield f"{label}: {mine} / {other} (ratio)", middle[mine].rate / middle[other].rate
            prototype = PROTOTYPE[place][in_flight]
            yield f"{label}: {mine} / the prototype, unshared (ratio)", middle[mine].rate / prototype

    def _contenders(self, place: str, in_flight: int) -> dict[str, Load]:
        def ours(*, retry: bool) -> Load:
            async def load() -> Figures:
                leader = await self.ours.led()
                member = leader if place == "leader" else next(n for n in self.ours.running if n != leader)
                return await measured(self.ours, member, "put", in_flight, seconds=SECONDS, retry=retry)

            return load

        def other(rival: Stock | Etcd) -> Load:
            address = rival.leader if place == "leader" else rival.follower
            return lambda: asyncio.to_thread(rival.load, address, in_flight, SECONDS)

        contenders = {OURS: ours(retry=True), OURS_PLAIN: ours(retry=False)}
        contenders |= {name: other(rival) for name, rival in self.rivals.items()}
        if self.server is not None:
            contenders["etcd, over HTTP"] = other(self.server)
        return contenders


def median(found: list[Figures]) -> Figures:
    """The one with the median rate; failures of all."""
    middle = sorted(found, key=lambda each: each.rate)[len(found) // 2]
    return replace(middle, failed=sum(each.failed for each in found))


async def reads(group: ProcessGroup, server: Etcd | None) -> AsyncIterator[Row]:
    leader = await group.led()
    follower = next(n for n in group.running if n != leader)
    for place, member in (("leader", leader), ("follower", follower)):
        for kind, name in (("get", "linearizable"), ("stale", "stale")):
            for in_flight in (1, 64):
                found = await measured(group, member, kind, in_flight, seconds=READ_SECONDS)
                for row in figures(f"{name} reads at the {place}, {in_flight} in flight", found):
                    yield row
    if server is not None:
        found = await asyncio.to_thread(server.load, server.leader, 64, READ_SECONDS, read=True)
        for row in figures("linearizable reads at the leader, 64 in flight: etcd, over HTTP", found):
            yield row


async def idle(group: ProcessGroup) -> AsyncIterator[Row]:
    leader = await group.led()
    yield "memory of the leader after the load (MB)", group.running[leader].resident_bytes / 1e6
    await asyncio.sleep(2.0)
    before = {number: process.processor_seconds for number, process in group.running.items()}
    await asyncio.sleep(IDLE_SECONDS)
    for number, process in group.running.items():
        used = (process.processor_seconds - before[number]) / IDLE_SECONDS * 100
        yield f"idle {'leader' if number == leader else 'follower'} (% of a core)", used


async def failover(group: ProcessGroup) -> AsyncIterator[Row]:
    taken: list[float] = []
    linked: list[float] = []
    for _ in range(FAILOVERS):
        leader = await group.complete()
        others = [process for number, process in group.running.items() if number != leader]
        group.kill([leader])
        taken.append(await seconds_without_writes(others))
        await group.buried([leader])
        await group.start(leader)
        since = time.monotonic()
        await group.complete()
        linked.append(time.monotonic() - since)
    taken.sort()
    yield f"from kill -9 of the leader to the next write, median of {FAILOVERS} (ms)", taken[len(taken) // 2] * 1e3
    yield f"from kill -9 of the leader to the next write, worst of {FAILOVERS} (ms)", taken[-1] * 1e3
    yield f"from a member's start to having all its links, worst of {FAILOVERS} (ms)", max(linked) * 1e3


async def large_state(group: ProcessGroup) -> AsyncIterator[Row]:
    """A state of 50 MB: its snapshot, and a new member that gets it, without a change of leader."""
    leader = await group.led()
    process = group.running[leader]
    said = await process.said(lambda number: wire.Fill(number=number, keys=STATE_KEYS, value_bytes=STATE_VALUE_BYTES))
    yield "filling the state with 50 MB (s)", said["seconds"]
    said = await process.said(lambda number: wire.Snapshot(number=number))
    yield "snapshot of 50 MB (s)", said["seconds"]
    yield "snapshot of 50 MB, longest stall of the leader's loop (ms)", said["stall"] * 1e3
    yield "memory of the leader with 50 MB (MB)", process.resident_bytes / 1e6
    term = (await process.status())["term"]
    newcomer = max(group.ids) + 1
    group.new_directory(newcomer)
    fresh = await group.start(newcomer)
    since = time.monotonic()
    goal = (await process.status())["revision"]
    while (await fresh.status())["revision"] < goal:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.02)
    yield "50 MB to a new member, from its start to holding all (s)", time.monotonic() - since
    after = await process.status()
    same = after["role"] == "leader" and after["term"] == term
    yield "changes of leader during the transfer", 0 if same else after["term"] - term or 1


async def all_rows() -> AsyncIterator[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        yield "load average of the machine at the start", os.getloadavg()[0]
        synced = fdatasync_seconds(directory)
        yield "fdatasync of 200 bytes, p50 (us)", synced[len(synced) // 2] * 1e6
        yield "fdatasync of 200 bytes, p99 (us)", synced[int(len(synced) * 0.99)] * 1e6
        rivals = {
            "stock PySyncObj, defaults and journal": stack.enter_context(stock(directory / "default", {})),
            "stock PySyncObj, tuned, with journal": stack.enter_context(stock(directory / "tuned", TUNED)),
        }
        server = stack.enter_context(etcd(directory / "etcd")) if etcd_is_here() else None
        (directory / "ours").mkdir()
        async with process_group(directory / "ours", segment_mib=SEGMENT_MIB) as group:
            async for row in Contest(group, rivals, server).rows():
                yield row
            async for row in reads(group, server):
                yield row
            stack.close()  # what follows is ours alone
            for part in (idle, failover, large_state):
                async for row in part(group):
                    yield row
        synced = fdatasync_seconds(directory)
        yield "fdatasync of 200 bytes at the end, p50 (us)", synced[len(synced) // 2] * 1e6


def rows() -> Iterator[Row]:
    with asyncio.Runner() as runner:
        found = all_rows()
        while True:
            try:
                yield runner.run(_next(found))
            except StopAsyncIteration:
                return


async def _next(found: AsyncIterator[Row]) -> Row:
    return await anext(found)
