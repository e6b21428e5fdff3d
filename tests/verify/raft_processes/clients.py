"""Clients of a group of processes: each does one thing after another, and writes down what it did and saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from random import Random

from coterie.consensus import store
from tests.verify.linearizability import Operation
from tests.verify.linearizability.histories import requests as words
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.processes import GoneError, Process, ProcessGroup
from tests.verify.raft_processes.recording import Recorder, watch_of
from tests.verify.raft_processes.translation import item_of, operation_of, result_of

CALL_SECONDS = 2.0
PATIENCE_SECONDS = 8.0
"""How long a client that retries keeps trying one write."""

ENDS_SECONDS = 30.0
"""A call that has not ended so long after its deadline breaks the promise that every call ends."""

KEYS = [f"k{number}" for number in range(6)]
PREFIX = "k"


class Client:
    """Does one thing after another, each at some member; a `patient` one tries a write again under its request id."""

    def __init__(self, name: str, group: ProcessGroup, recorder: Recorder, rng: Random, *, patient: bool) -> None:
        self.name = name
        self._group = group
        self._recorder = recorder
        self._rng = rng
        self._patient = patient
        self._seen: dict[str, words.Item] = {}
        self.favourite: int | None = None
        """The member that half of the calls go to: the leader, where the test says so."""

    async def run(self, over: asyncio.Event, *, pause: float = 0.004) -> None:
        while not over.is_set():
            await self.act()
            await asyncio.sleep(self._rng.random() * pause)

    async def act(self) -> None:
        choice = self._rng.random()
        key = self._rng.choice(KEYS)
        if choice < 0.35:
            await self.write(lambda id_: words.Put(key, id_))
        elif choice < 0.55:
            await self.write(lambda id_: self._compare_and_set(key, id_))
        elif choice < 0.60:
            await self.write(lambda _: words.Delete(key))
        elif choice < 0.62:
            await self.write(lambda _: words.DeleteRange(PREFIX))
        elif choice < 0.72:
            other = self._rng.choice([each for each in KEYS if each != key])
            await self.write(
                lambda id_: words.Txn(
                    (words.Compare(key, words.Target.VERSION, words.Relation.LESS, self._rng.randrange(4)),),
                    (words.Put(key, id_), words.Get(other), words.Delete(other)),
                    (words.Range(PREFIX), words.Put(other, id_)),
                )
            )
        elif choice < 0.90:
            await self.read(words.Get(key, consistency=self._consistency()))
        else:
            await self.read(words.Range(PREFIX, consistency=self._consistency()))

    def _consistency(self) -> words.Consistency:
        return words.Consistency.STALE if self._rng.random() < 0.1 else words.Consistency.LINEARIZABLE

    def _compare_and_set(self, key: str, id_: str) -> words.Txn:
        known = self._seen.get(key)
        revision = 0 if known is None or known.mod_revision is None else known.mod_revision
        compare = words.Compare(key, words.Target.MOD_REVISION, words.Relation.EQUAL, revision)
        return words.Txn((compare,), (words.Put(key, id_),), (words.Get(key),))

    def _member(self) -> Process | None:
        there = {number: each for number, each in self._group.running.items() if each.serves}
        if self.favourite in there and self._rng.random() < 0.5:
            return there[self.favourite]
        return self._rng.choice(list(there.values())) if there else None

    async def _some_member(self) -> Process:
        async with asyncio.timeout(PATIENCE_SECONDS * 10):
            while (process := self._member()) is None:  # noqa: ASYNC110 - processes come and go
                await asyncio.sleep(0.01)
        return process

    async def write(self, make: Callable[[str], words.Request], process: Process | None = None) -> Operation:
        """One write, written down. `process`: where it is tried first."""
        id_ = self._recorder.next_id()
        request = make(id_)
        operation = operation_of(request)
        process = process or await self._some_member()
        name: tuple[bytes, int] | None = None
        if self._patient:
            try:
                given = await process.ask(lambda n: wire.NewRequest(number=n), wire.Request)
            except GoneError:
                given = None
            if isinstance(given, wire.Request):
                name = (given.id, given.time_ms)
        invoked = time.monotonic()
        doubt = False
        error = ""
        while True:
            answer: wire.Result | wire.Failed | None
            try:
                answer = await self._submit(process, operation, name)
            except GoneError:
                answer = None
            if isinstance(answer, wire.Result):
                result = result_of(answer.result)
                self._learn(result)
                return self._record(id_, request, invoked, time.monotonic(), result)
            error = "gone" if answer is None else f"{answer.kind} {answer.code}"
            doubt = doubt or answer is None or answer.kind == "unknown"
            final = answer is not None and answer.kind == "refused"
            if name is None or final or time.monotonic() - invoked > PATIENCE_SECONDS:
                return self._record(id_, request, invoked, None if doubt else time.monotonic(), None, error)
            await asyncio.sleep(0.02)
            process = await self._some_member()

    async def _submit(
        self, process: Process, operation: store.ClientOperation, name: tuple[bytes, int] | None
    ) -> wire.Result | wire.Failed:
        retry = self._rng.random() < 0.5
        async with asyncio.timeout(CALL_SECONDS + ENDS_SECONDS):
            return await process.ask(
                lambda n: wire.Submit(number=n, timeout=CALL_SECONDS, operation=operation, request=name, retry=retry),
                wire.Result,
            )

    async def read(self, request: words.Get | words.Range, process: Process | None = None) -> Operation:
        id_ = self._recorder.next_id()
        process = process or await self._some_member()
        stale = request.consistency == words.Consistency.STALE
        start = request.key if isinstance(request, words.Get) else request.prefix
        end = b"" if isinstance(request, words.Get) else (store.prefix_end(start.encode()) or b"")
        invoked = time.monotonic()
        try:
            async with asyncio.timeout(CALL_SECONDS + ENDS_SECONDS):
                answer = await process.ask(
                    lambda n: wire.Read(number=n, timeout=CALL_SECONDS, start=start.encode(), end=end, stale=stale),
                    wire.Records,
                )
        except GoneError:
            return self._record(id_, request, invoked, None, None, "gone")
        if isinstance(answer, wire.Failed):
            return self._record(id_, request, invoked, time.monotonic(), None, f"{answer.kind} {answer.code}")
        found = words.Found(answer.revision, tuple(map(item_of, answer.records)), staleness=answer.staleness)
        if not stale:
            self._learn(found)
        return self._record(id_, request, invoked, time.monotonic(), found)

    def _learn(self, result: words.Result) -> None:
        if isinstance(result, words.Found):
            self._seen.update({item.key: item for item in result.items})
        elif isinstance(result, words.Decided):
            for response in result.responses:
                self._learn(response)

    def _record(
        self,
        id_: str,
        request: words.Request,
        invoked: float,
        returned: float | None,
        result: words.Result | None,
        error: str = "",
    ) -> Operation:
        operation = Operation(id_, self.name, request, invoked, returned, result, error)
        self._recorder.operations.append(operation)
        return operation


class Watcher:
    """Watches everything from revision 1, at one member after another, going on where it was."""

    def __init__(self, name: str, group: ProcessGroup, recorder: Recorder, rng: Random) -> None:
        self._name = name
        self._group = group
        self._recorder = recorder
        self._rng = rng

    async def run(self, over: asyncio.Event) -> None:
        start = 1
        for connection in count(1):
            if over.is_set():
                return
            there = [each for each in self._group.running.values() if each.serves]
            if not there:
                await asyncio.sleep(0.02)
                continue
            heard: list[tuple[float, list[wire.Batch]]] = []
            opened = time.monotonic()

            def take(batch: wire.Batch, heard: list[tuple[float, list[wire.Batch]]] = heard) -> None:
                heard.append((time.monotonic(), [batch]))

            ended = asyncio.create_task(self._rng.choice(there).watch(start, take))
            stop = asyncio.create_task(over.wait())
            await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
            for task in (ended, stop):
                task.cancel()
            await asyncio.gather(ended, stop, return_exceptions=True)
            self._recorder.watches.append(
                watch_of(f"{self._name}.{connection}", self._name, start, opened, list(heard))
            )
            if heard:
                start = heard[-1][1][-1].revision + 1
