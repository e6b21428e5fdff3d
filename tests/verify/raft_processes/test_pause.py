"""A leader that is stopped (SIGSTOP) and goes on (SIGCONT) believes for a moment that it leads: it must not show."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

import pytest

from coterie.consensus.store import Put
from tests.verify.linearizability import Operation, render
from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.histories import requests as words
from tests.verify.raft_processes.clients import Client, Watcher
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.processes import ProcessGroup, process_group
from tests.verify.raft_processes.recording import Recorder
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]

READS = 20
ENOUGH = 50
"""Acknowledged operations: with fewer a run says little."""
KEY = "k0"


async def test_a_leader_that_was_stopped_serves_no_old_data(tmp_path: Path) -> None:
    seed = time.time_ns() % 10**9
    print(f"seed {seed}")
    rng = Random(seed)
    recorder = Recorder()
    over = asyncio.Event()
    async with process_group(tmp_path) as group:
        clients = [
            Client(f"c{number}", group, recorder, Random(rng.random()), patient=number % 2 == 0) for number in range(3)
        ]
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.run(over))
            tasks.create_task(Watcher("w", group, recorder, Random(rng.random())).run(over))
            for _ in range(3):
                await stop_and_go_on(group, recorder)
            await eventually(lambda: recorder.acknowledged > ENOUGH)
            over.set()
        history = await recorder.history(group)
    report = check(history)
    assert report.ok, f"{report.smallest.explanation}\n{render(report.smallest)}"
    assert report.acknowledged > ENOUGH


async def stop_and_go_on(group: ProcessGroup, recorder: Recorder) -> None:
    number = await group.complete()
    former = group.running[number]
    reader = Client(f"reader {recorder.next_id()}", group, recorder, Random(1), patient=False)
    writer = Client(f"writer {recorder.next_id()}", group, recorder, Random(2), patient=True)

    def reads() -> list[asyncio.Task[Operation]]:
        return [asyncio.create_task(reader.read(words.Get(KEY), former)) for _ in range(READS)]

    early = reads()
    await asyncio.sleep(0)  # they are in its pipe
    former.pause()
    other = next(each for each in group.running.values() if each is not former)
    written = await writer.write(lambda id_: words.Put(KEY, id_), other)
    assert written.ok, "two of three elect, and write"
    assert written.revision is not None
    queued = reads()  # in the stopped process's pipe
    await asyncio.sleep(0)
    former.go_on()
    for _ in range(10):
        queued += reads()
        await asyncio.sleep(0.01)
    await asyncio.gather(*early)
    for found in await asyncio.gather(*queued):
        assert not found.ok or (found.revision or 0) >= written.revision, "old data, after the new was acknowledged"


async def test_calls_that_a_stopped_leader_holds_end_and_are_done_by_the_next(tmp_path: Path) -> None:
    async with process_group(tmp_path) as group:
        number = await group.complete()
        former = group.running[number]
        follower = next(each for each in group.running.values() if each is not former)
        former.pause()

        def write(key: bytes, *, retry: bool, timeout: float) -> asyncio.Future[wire.Answer]:
            return follower.begin(
                lambda n: wire.Submit(number=n, operation=Put(key, b""), retry=retry, timeout=timeout)
            )

        patient = [write(b"patient/%d" % each, retry=True, timeout=30.0) for each in range(20)]
        single = [write(b"single/%d" % each, retry=False, timeout=30.0) for each in range(20)]
        hasty = [write(b"hasty/%d" % each, retry=True, timeout=0.05) for each in range(20)]
        reads = [follower.begin(lambda n: wire.Read(number=n, start=b"patient/0", timeout=30.0)) for _ in range(20)]
        for answer in await asyncio.gather(*hasty):
            assert isinstance(answer, wire.Failed)  # ended while nobody led
            assert answer.kind in {"unavailable", "unknown"}
        for answer in await asyncio.gather(*patient, *reads):
            assert isinstance(answer, wire.Result | wire.Records), answer
        for answer in await asyncio.gather(*single):
            assert isinstance(answer, wire.Result | wire.Failed), answer
            assert isinstance(answer, wire.Result) or answer.kind in {"unavailable", "unknown"}, answer
        former.go_on()
        await group.complete()
        found = await former.ask(
            lambda n: wire.Read(number=n, start=b"patient/", end=b"patient0", timeout=30.0), wire.Records
        )
        assert isinstance(found, wire.Records)
        assert [record.version for record in found.records] == [1] * 20, "each of them once"
