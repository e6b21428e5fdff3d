"""Work assignment: a pool of workers that elects a coordinator, which gives each live worker its share of the work.

    python docs/recipes/worker_pool.py --name ann &
    python docs/recipes/worker_pool.py --name bob &

Every process is a worker, and a candidate for the coordinator's place; both live on one lease. The coordinator follows
who is there and writes who owns which shard, through its guard. A worker counts up in each of its shards, and each of
these writes names the revision of the assignment it works under: once the shard is another's, the write does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from coterie import Client, CompactedError, Compare, LeaseLostError, MetadataError, Put, Record, Target

TTL = 3.0
"""Seconds until a worker that died is gone, and its shards are another's."""

PAUSE = 1.0
"""Seconds before another try, where the cluster cannot serve."""

STEP = 0.2
"""Seconds between two steps in a shard."""

WORKERS, OWNERS, STEPS = b"pool/workers/", b"pool/owners/", b"pool/steps/"
COORDINATOR = b"pool/coordinator"


class Worker:
    def __init__(self, client: Client, name: str, shards: int) -> None:
        """`name`: no other worker's. `shards`: into how many parts the work is cut; the same for all workers."""
        self._metadata = client.metadata
        self._name = name
        self._shards = [f"{number:02}" for number in range(shards)]

    async def run(self) -> None:
        """Work, until cancelled; on the way out give the lease back, so that others take over at once."""
        while True:
            try:
                async with self._metadata.lease(TTL) as lease, asyncio.TaskGroup() as tasks:
                    await self._metadata.put(WORKERS + self._name.encode(), b"", lease=lease.id)
                    self._say("is there")
                    tasks.create_task(self._coordinate(lease.id))
                    tasks.create_task(self._work())
                    await lease.lost.wait()
                    raise LeaseLostError("cut off for too long: others have this worker's shards")
            except* MetadataError as errors:
                self._say(f"begins again: {causes(errors)}")
            await asyncio.sleep(PAUSE)

    # -- the coordinator -----------------------------------------------------------------------------------------------

    async def _coordinate(self, lease: int) -> None:
        """Wait to be elected, then keep the shards with workers that live. Raises MetadataError."""
        async with self._metadata.elect(COORDINATOR, self._name.encode(), lease=lease) as held:
            self._say("coordinates")
            async for workers in self._follow(WORKERS):
                owners = {record.key: record.value.decode() for record in await self._read(OWNERS)}
                former = {shard: owners.get(OWNERS + shard.encode()) for shard in self._shards}
                wanted = assign(former, sorted(workers))
                moved = [shard for shard in self._shards if former[shard] != wanted.get(shard)]
                for start in range(0, len(moved), 100):  # a transaction has its limit
                    puts = [Put(OWNERS + s.encode(), wanted[s].encode()) for s in moved[start : start + 100]]
                    if not (await self._metadata.txn([held.guard], puts)).succeeded:
                        raise LeaseLostError("another coordinates")
                if moved:
                    self._say(f"moved {len(moved)} shards")

    # -- the worker ----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Have a task for each shard that is this worker's. Raises MetadataError."""
        tasks: dict[str, tuple[int, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            async for owners in self._follow(OWNERS):
                mine = {shard: each.mod_revision for shard, each in owners.items() if each.value.decode() == self._name}
                for shard in [shard for shard, (revision, _) in tasks.items() if mine.get(shard) != revision]:
                    tasks.pop(shard)[1].cancel()
                for shard in mine.keys() - tasks.keys():
                    tasks[shard] = (mine[shard], group.create_task(self._do(shard, mine[shard])))
                self._say(f"owns {' '.join(sorted(mine)) or 'nothing'}")

    async def _do(self, shard: str, revision: int) -> None:
        """The work in one shard, for as long as the assignment of `revision` holds. Raises MetadataError."""
        owned = Compare(OWNERS + shard.encode(), Target.MOD_REVISION, "=", revision)
        key = STEPS + shard.encode()
        found = (await self._metadata.get(key)).value
        step = int(found.value) if found else 0
        while True:
            step += 1
            # Repeated under one request id where an answer is lost, so a step is written once or not at all.
            if not (await self._metadata.txn([owned], [Put(key, b"%d" % step)])).succeeded:
                return  # it is another's now
            await asyncio.sleep(STEP)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _follow(self, prefix: bytes) -> AsyncIterator[dict[str, Record]]:
        """The records under a prefix by what follows it, now and after each change. Raises MetadataError."""
        while True:
            records: dict[str, Record] = {}
            page = (await self._metadata.prefix(prefix)).value
            records = {each.key.removeprefix(prefix).decode(): each for each in page.records}
            revision = page.revision
            while page.next is not None:  # of the same revision
                page = (await self._metadata.next_page(page.next)).value
                records |= {each.key.removeprefix(prefix).decode(): each for each in page.records}
            yield dict(records)
            with suppress(CompactedError):  # away for so long that changes are missing: read all anew
                async with self._metadata.watch_prefix(prefix, from_revision=revision + 1) as watching:
                    async for batch in watching:
                        for event in batch.events:
                            name = event.key.removeprefix(prefix).decode()
                            if event.record is None:
                                records.pop(name, None)
                            else:
                                records[name] = event.record
                        yield dict(records)

    async def _read(self, prefix: bytes) -> list[Record]:
        page = (await self._metadata.prefix(prefix, limit=10_000)).value
        return page.records

    def _say(self, what: str) -> None:
        print(f"{self._name} {what}", flush=True)


def assign(former: Mapping[str, str | None], workers: list[str]) -> dict[str, str]:
    """Who is to own each shard: evenly, and moving as few as that allows. `workers`: at least one."""
    owned = Counter(former.values())
    share, more = divmod(len(former), len(workers))
    ranked = sorted(workers, key=lambda worker: -owned[worker])  # who has most keeps one more
    room = {worker: share + (place < more) for place, worker in enumerate(ranked)}
    owners: dict[str, str] = {}
    for shard, owner in former.items():
        if owner is not None and room.get(owner):
            owners[shard] = owner
            room[owner] -= 1
    for shard in former:
        if shard not in owners:
            owners[shard] = max(room, key=lambda worker: room[worker])
            room[owners[shard]] -= 1
    return owners


def causes(group: BaseExceptionGroup[MetadataError]) -> str:
    """What went wrong in the tasks of a group, in words."""
    return "; ".join(causes(each) if isinstance(each, BaseExceptionGroup) else str(each) for each in group.exceptions)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--name", required=True, help="of this worker; no other has it")
    parser.add_argument("--shards", type=int, default=12)
    asked = parser.parse_args()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Client.from_settings() as client:
        await Worker(client, asked.name, asked.shards).run()


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):  # a signal: the lease has been given back on the way out
        asyncio.run(main())
