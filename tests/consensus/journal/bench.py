"""What the journal costs beside the disk that it lies on: `python -m tests.consensus.journal.bench [directory]`.

100-byte entries, one sync a group. A bare write with fdatasync, the journal, the journal in the disk thread, and SQLite
(WAL, full sync) take turns, so that all meet the same disk and the same neighbours.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from coterie.consensus.journal import DiskThread, FileJournal, JournalConfig, open_member_directory

COMMAND = bytes(100)
GROUPS = (1, 16, 64, 256)
SECONDS = 5.0
CONFIG = JournalConfig(max_log_bytes=1 << 30)

Turn = Callable[[], Awaitable[None]]


def fdatasync(directory: Path, group: int) -> Turn:
    fd = os.open(directory / f"bare {group}", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 64 << 20)
    os.fsync(fd)
    data = bytes(24 + group * 121)
    offset = 0

    async def turn() -> None:
        nonlocal offset
        os.pwrite(fd, data, offset)
        os.fdatasync(fd)
        offset = (offset + len(data)) % (32 << 20)

    return turn


def add_group(journal: FileJournal, group: int) -> None:
    index = journal[-1][1] if len(journal) else 0
    for number in range(index + 1, index + 1 + group):
        journal.add(COMMAND, number, 1)


def inline(directory: Path, group: int) -> Turn:
    journal = open_member_directory(directory / f"inline {group}", config=CONFIG).journal

    async def turn() -> None:
        add_group(journal, group)
        journal.sync()

    return turn


def threaded(directory: Path, group: int) -> Turn:
    journal = open_member_directory(directory / f"thread {group}", config=CONFIG).journal
    disk = DiskThread()
    loop = asyncio.get_running_loop()

    def end_wait(waiting: asyncio.Future[None], _result: object, error: BaseException | None) -> None:
        if error is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(None)

    async def turn() -> None:
        add_group(journal, group)
        ended = loop.create_future()
        disk.submit(journal.begin_sync(), partial(end_wait, ended))
        await ended

    return turn


def sqlite(directory: Path, group: int) -> Turn:
    db = sqlite3.connect(directory / f"sqlite {group}", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE log (number INTEGER PRIMARY KEY, term INTEGER, command BLOB)")
    index = 0

    async def turn() -> None:
        nonlocal index
        db.execute("BEGIN")
        db.executemany("INSERT INTO log VALUES (?, 1, ?)", [(index + n, COMMAND) for n in range(group)])
        db.execute("COMMIT")
        index += group

    return turn


CONTENDERS: dict[str, Callable[[Path, int], Turn]] = {
    "write and fdatasync": fdatasync,
    "journal": inline,
    "journal, disk thread": threaded,
    "SQLite": sqlite,
}


async def rows(directory: Path) -> AsyncIterator[str]:
    """One line a contender and group size: p10, p50 and p99 in microseconds a group, and entries/s at p50."""
    for group in GROUPS:
        turns = {name: make(directory, group) for name, make in CONTENDERS.items()}
        times: dict[str, list[float]] = {name: [] for name in turns}
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            for name, turn in turns.items():
                start = time.perf_counter()
                await turn()
                times[name].append(time.perf_counter() - start)
        for name, found in times.items():
            found.sort()
            p10, p50, p99 = (found[int(len(found) * share)] * 1e6 for share in (0.1, 0.5, 0.99))
            rate = group / p50 * 1e6
            yield f"{group:4}  {name:22} p10 {p10:7,.0f}  p50 {p50:7,.0f}  p99 {p99:7,.0f} us  {rate:9,.0f} entries/s"


async def run(directory: Path) -> None:
    async for row in rows(directory):
        print(row, flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        asyncio.run(run(Path(directory)))


if __name__ == "__main__":
    main()
