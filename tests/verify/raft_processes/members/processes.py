"""A Raft group of real processes on loopback: started, killed, stopped and continued one by one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from coterie.consensus.journal import open_member_directory
from tests.bench.idle_bench import processor_seconds, resident_bytes
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.member import CLUSTER, journal_config
from tests.waiting import PATIENCE_SECONDS

READ_BYTES = 1 << 20

T = TypeVar("T")


class GoneError(Exception):
    """The process ended before it answered: whatever it was asked may have happened."""


class Process:
    """A running member. Answers are matched to questions by number."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._batches: dict[int, Callable[[wire.Batch], None]] = {}
        self._listening: asyncio.Future[wire.Listening] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())
        self.address: wire.Address = ("", 0)
        self.gone = False
        self.stopped = False

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def serves(self) -> bool:
        """As far as its parent knows: it is up, neither stopped nor gone."""
        return self.address[1] != 0 and not self.gone and not self.stopped

    async def listening(self) -> wire.Listening:
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard = await asyncio.shield(self._listening)
        self.address = heard.address
        return heard

    async def ask(self, question: Callable[[int], wire.Question], kind: type[T]) -> T | wire.Failed:
        """Put a question, made for its number. Raises GoneError."""
        answer = await self.begin(question)
        assert isinstance(answer, kind | wire.Failed), answer
        return answer

    def begin(self, question: Callable[[int], wire.Question]) -> asyncio.Future[Any]:
        """As `ask`, written to the process at once, awaited by the caller."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        if self.gone:
            future.set_exception(GoneError())
            return future
        self._waiting[number] = future
        assert self._child.stdin is not None
        self._child.stdin.write(wire.frame(question(number)))
        return future

    async def said(self, question: Callable[[int], wire.Question]) -> dict[str, Any]:
        """As `ask`, for answers that cannot fail but by a fault of the test."""
        answer = await self.ask(question, wire.Said)
        assert isinstance(answer, wire.Said), answer
        return answer.what

    async def status(self) -> dict[str, Any]:
        return await self.said(lambda number: wire.Status(number=number))

    async def watch(self, start: int, take: Callable[[wire.Batch], None]) -> wire.Failed:
        """Hand out everything from a revision on, until the watch ends. Raises GoneError."""
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.gone:
            raise GoneError
        self._waiting[number] = future
        self._batches[number] = take
        assert self._child.stdin is not None
        self._child.stdin.write(wire.frame(wire.WatchAll(number=number, start=start)))
        try:
            ended: wire.Failed = await future
            return ended
        finally:
            self._waiting.pop(number, None)
            self._batches.pop(number, None)

    async def _read(self) -> None:
        frames = wire.Frames()
        assert self._child.stdout is not None
        while data := await self._child.stdout.read(READ_BYTES):
            for answer in frames.feed(data, wire.answers):
                if isinstance(answer, wire.Listening):
                    self._listening.set_result(answer)
                elif isinstance(answer, wire.Batch):
                    if (take := self._batches.get(answer.number)) is not None:
                        take(answer)
                elif (future := self._waiting.pop(answer.number, None)) is not None and not future.done():
                    future.set_result(answer)
        self.gone = True
        for future in [*self._waiting.values(), self._listening]:
            if not future.done():
                future.set_exception(GoneError())
                future.exception()  # nobody may be waiting any more
        self._waiting.clear()

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def pause(self) -> None:
        self.stopped = True
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.stopped = False
        self.signal(signal.SIGCONT)

    def strike(self) -> None:
        """Kill it, without waiting for its end."""
        if self._child.returncode is None:
            self.signal(signal.SIGKILL)

    async def ended(self) -> int:
        await self._reader
        return await self._child.wait()

    async def stop(self) -> int:
        """A clean end."""
        if self.stopped:
            self.go_on()
        if self._child.stdin is not None and self._child.returncode is None:
            self._child.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.ended()
        except TimeoutError:
            self.strike()
            raise

    @property
    def resident_bytes(self) -> int:
        return resident_bytes(self.pid)

    @property
    def processor_seconds(self) -> float:
        return processor_seconds(self.pid)


class ProcessGroup:
    """`size` founders by number, and members that join later. What they say goes to `N.log` in the directory."""

    def __init__(self, directory: Path, size: int = 3, *, options: tuple[str, ...] = (), segment_mib: int = 1) -> None:
        """`options`: of the program in `member`."""
        self.directory = directory
        self.options = (*options, "--segment-mib", str(segment_mib))
        self._segment_mib = segment_mib
        self.ids: dict[int, str] = {}
        self.running: dict[int, Process] = {}
        for number in range(size):
            self.new_directory(number)
        self._founders = tuple(self.ids.values())

    def new_directory(self, number: int) -> None:
        store = open_member_directory(self.directory / str(number), config=journal_config(self._segment_mib))
        store.identity.join_cluster(CLUSTER)
        self.ids[number] = store.identity.member_id.hex
        store.close()

    def log(self, number: int) -> str:
        return (self.directory / f"{number}.log").read_text()

    async def start(self, number: int) -> Process:
        founders = ",".join(self._founders) if self.ids[number] in self._founders else ""
        with open(self.directory / f"{number}.log", "ab") as log:  # noqa: ASYNC230 - it takes no time
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *(
                    "-m",
                    "tests.verify.raft_processes.members.member",
                    str(self.directory / str(number)),
                    "--founders",
                    founders,
                ),
                *self.options,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        process = Process(child)
        self.running[number] = process
        try:
            await process.listening()
        except BaseException:
            process.strike()
            raise
        await self.tell_addresses()
        return process

    @property
    def processor_seconds(self) -> float:
        """Of all that run."""
        return sum(process.processor_seconds for process in self.running.values())

    async def tell_addresses(self) -> None:
        where = {self.ids[number]: each.address for number, each in self.running.items() if each.address[1]}
        for process in list(self.running.values()):
            if not process.gone and not process.stopped:
                process.begin(lambda number: wire.Links(number=number, where=where)).add_done_callback(_forget)

    def kill(self, numbers: list[int]) -> None:
        """Kill these at one instant."""
        for number in numbers:
            self.running[number].strike()

    async def buried(self, numbers: list[int]) -> None:
        for number in numbers:
            await self.running.pop(number).ended()

    async def leader(self) -> int | None:
        """The number of the member that says so of itself, in the highest term."""
        found: list[tuple[int, int]] = []
        for number, process in list(self.running.items()):
            if process.stopped or process.gone:
                continue
            try:
                status = await process.status()
            except GoneError:
                continue
            if status["role"] == "leader":
                found.append((status["term"], number))
        return max(found)[1] if found else None

    async def led(self, within: float = PATIENCE_SECONDS) -> int:
        """Wait for a leader that has committed something of its term."""
        async with asyncio.timeout(within):
            while True:
                number = await self.leader()
                if number is not None:
                    answer = await self.running[number].ask(
                        lambda n: wire.Read(number=n, start=b"anything", timeout=5.0), wire.Records
                    )
                    if isinstance(answer, wire.Records):
                        return number
                await asyncio.sleep(0.02)

    async def complete(self, within: float = PATIENCE_SECONDS) -> int:
        """Wait for a leader, and until all members have links to each other. Returns the leader's number."""
        async with asyncio.timeout(within):
            while True:
                leader = await self.led(within)
                said = [await process.status() for process in self.running.values()]
                if all(each["connected"] == len(said) - 1 for each in said):
                    return leader
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for process in self.running.values():
            if process.stopped:
                process.go_on()
        await asyncio.gather(*[process.stop() for process in self.running.values()])
        self.running.clear()


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def process_group(
    directory: Path, size: int = 3, *, options: tuple[str, ...] = (), segment_mib: int = 1
) -> AsyncIterator[ProcessGroup]:
    """A group whose leader is ready. Every process has ended when this has."""
    group = ProcessGroup(directory, size, options=options, segment_mib=segment_mib)
    try:
        await asyncio.gather(*[group.start(number) for number in range(size)])
        await group.led()
        yield group
        await group.stop()
    finally:
        for process in group.running.values():
            process.strike()
        for process in group.running.values():
            await process.ended()
