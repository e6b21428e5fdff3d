"""The disk thread: jobs in order, reports on the loop, the loop free meanwhile."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from random import Random
from typing import Any

import pytest

from coterie.consensus.journal import DiskThread
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import Member

pytestmark = pytest.mark.anyio


async def test_jobs_run_in_order_in_one_thread_and_report_on_the_loop() -> None:
    disk = DiskThread()
    here = threading.get_ident()
    ran: list[tuple[int, int]] = []
    told: list[tuple[int, int]] = []

    def job(number: int) -> int:
        ran.append((number, threading.get_ident()))
        return number

    for number in range(50):
        disk.submit(partial(job, number), lambda result, _error: told.append((result, threading.get_ident())))
    await disk.close()
    assert [number for number, _ in ran] == list(range(50))
    assert len({thread for _, thread in ran} | {here}) == 2
    assert told == [(number, here) for number in range(50)]


async def test_the_loop_runs_on_while_a_job_waits_for_the_disk() -> None:
    disk = DiskThread()
    may_end = threading.Event()
    ended = asyncio.Event()
    disk.submit(may_end.wait, lambda _result, _error: ended.set())
    await asyncio.sleep(0)
    assert not ended.is_set()
    may_end.set()
    await ended.wait()
    await disk.close()


async def test_an_error_of_a_job_is_reported_and_the_next_job_runs() -> None:
    disk = DiskThread()
    reports: list[tuple[Any, BaseException | None]] = []
    disk.submit(lambda: 1 // 0, lambda *report: reports.append(report))
    disk.submit(lambda: "next", lambda *report: reports.append(report))
    await disk.close()
    assert isinstance(reports[0][1], ZeroDivisionError)
    assert reports[1] == ("next", None)


def tell(future: asyncio.Future[tuple[Any, Any]], *report: Any) -> None:
    future.set_result((report[0], report[1]))


async def test_entries_are_added_while_others_are_synced() -> None:
    member = Member(MemoryFiles())
    member.open()
    disk = DiskThread()
    for _ in range(100):
        member.add(b"x")
        log = list(member.log)
        ended = asyncio.get_running_loop().create_future()
        disk.submit(member.store.journal.begin_sync(), partial(tell, ended))
        member.add(b"y")
        assert await ended == (None, None)
        member.logs = [log]
    await disk.close()
    member.crashed(Fate.DROP, Random(0)).open()
