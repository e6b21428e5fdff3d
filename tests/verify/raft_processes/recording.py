"""The history of a run: what clients did and saw, and the record of what became of it, as each member tells it."""

from __future__ import annotations

import asyncio
import time
from itertools import count

from tests.verify.linearizability import Commit, Delivery, History, Operation, Watch
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.processes import Process, ProcessGroup
from tests.verify.raft_processes.translation import by_revision


class Recorder:
    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.watches: list[Watch] = []
        self._numbers = count(1)

    def next_id(self) -> str:
        return f"op{next(self._numbers)}"

    @property
    def acknowledged(self) -> int:
        return sum(operation.ok for operation in self.operations)

    def first_write_after(self, moment: float) -> float | None:
        """Seconds from `moment` to the first acknowledgement of a write that was begun after it."""
        ends = [
            operation.returned
            for operation in self.operations
            if operation.returned is not None and operation.invoked >= moment and operation.ok and operation.wrote
        ]
        return min(ends) - moment if ends else None

    async def history(self, group: ProcessGroup) -> History:
        """With the record of each member: that of the first is the record, the others must agree with it."""
        records: list[list[wire.Batch]] = []
        revision = max([operation.revision or 0 for operation in self.operations], default=0)
        for number, process in sorted(group.running.items()):
            opened = time.monotonic()
            batches = await told(process, revision)
            records.append(batches)
            self.watches.append(watch_of(f"end of {number}", f"end of {number}", 1, opened, [(opened, batches)]))
        events = [event for batch in records[0] for event in batch.events]
        commits = tuple([Commit(revision, found) for revision, found in by_revision(events).items()])
        return History(tuple(self.operations), commits, tuple(self.watches))


async def told(process: Process, revision: int) -> list[wire.Batch]:
    """All that a watch from revision 1 says up to the member's present, which includes `revision`."""
    answer = await process.ask(lambda n: wire.Read(number=n, start=b"k", timeout=10.0), wire.Records)
    assert isinstance(answer, wire.Records), answer
    goal = max(revision, answer.revision)
    batches: list[wire.Batch] = []
    there = asyncio.Event()

    def take(batch: wire.Batch) -> None:
        if not there.is_set():
            batches.append(batch)
            if batch.revision >= goal:
                there.set()

    watching = asyncio.create_task(process.watch(1, take))
    async with asyncio.timeout(60.0):
        await there.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return batches


def watch_of(name: str, watcher: str, start: int, opened: float, heard: list[tuple[float, list[wire.Batch]]]) -> Watch:
    deliveries: list[Delivery] = []
    for at, batches in heard:
        for batch in batches:
            found = by_revision(batch.events)
            deliveries += [Delivery(at, revision, events) for revision, events in found.items()]
            if batch.revision not in found:
                deliveries.append(Delivery(at, batch.revision))
    return Watch(name, watcher, "", start, opened, tuple(deliveries))
