"""Watchers of the metadata: each follows a prefix through one connection after another, at one node after another.

What a connection delivered is written down as it ended: changes with their revisions, and the marks of progress. The
next one begins behind the last revision heard, by `Last-Event-ID`, as browsers do it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

import orjson

from tests.verify.consistency.contract import NodeHandle
from tests.verify.consistency.workload.choosing import Chooser, address_of
from tests.verify.consistency.workload.http_client import Connection, GoneError
from tests.verify.consistency.workload.raft.words import event_of
from tests.verify.linearizability import Delivery, Watch

HEAD_SECONDS = 3.0

STAY_SECONDS = (0.5, 6.0)
"""How long a watcher stays at a node."""

RETRY_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event. A mark of progress has an id alone."""

    event: str
    id: int | None
    data: bytes


async def messages(pieces: AsyncIterator[bytes]) -> AsyncGenerator[Message, None]:
    """The events of a stream. Raises GoneError where it breaks off."""
    pending = b""
    async for piece in pieces:
        pending += piece
        *whole, pending = pending.split(b"\n\n")
        for block in whole:
            event, id_, data = "", None, b""
            for line in block.split(b"\n"):
                name, _, value = line.partition(b": ")
                if name == b"event":
                    event = value.decode()
                elif name == b"id":
                    id_ = int(value)
                elif name == b"data":
                    data = value
            yield Message(event, id_, data)


@dataclass
class Heard:
    """What one connection brought."""

    start: int
    opened: float
    deliveries: list[Delivery]
    compacted: int | None = None
    failed: bool = False
    """It never began, or broke off."""

    def as_watch(self, name: str, watcher: str, prefix: str) -> Watch:
        return Watch(name, watcher, prefix, self.start, self.opened, tuple(self.deliveries), self.compacted)

    @property
    def position(self) -> int:
        """The last revision up to which nothing is missing."""
        return self.deliveries[-1].revision if self.deliveries else self.start - 1


async def follow(
    node: NodeHandle, prefix: str, start: int, take: Callable[[Delivery], None] | None = None
) -> AsyncGenerator[Heard, None]:
    """Watch at a node from a revision on: what was heard so far, as it grows; the last one is the whole."""
    heard = Heard(start, time.monotonic(), [])
    path, headers = f"/v1/watch?prefix={prefix}", {"last-event-id": str(start - 1)}
    if start == 1:  # nothing to resume from yet
        path, headers = f"{path}&revision=1", {}
    try:
        connection = await Connection.open(address_of(node))
        head, pieces = await connection.stream(path, headers, seconds=HEAD_SECONDS)
        if head.status != 200:
            connection.close()
            compacted = head.details.get("compacted")
            heard.failed, heard.compacted = True, None if compacted is None else int(compacted) + 1
            yield heard
            return
        async with aclosing(messages(pieces)) as stream:
            async for message in stream:
                delivery = delivery_of(message, time.monotonic())
                if message.event == "compacted":
                    heard.compacted = int(orjson.loads(message.data)["compacted"]) + 1
                elif delivery is not None:
                    heard.deliveries.append(delivery)
                    if take is not None:
                        take(delivery)
                yield heard
    except GoneError:
        heard.failed = True
        yield heard


def delivery_of(message: Message, at: float) -> Delivery | None:
    """What an event says of the changes up to its revision."""
    if message.id is None:
        return None
    if message.event != "change":
        return Delivery(at, message.id)
    told = orjson.loads(message.data)
    return Delivery(at, told["revision"], tuple([event_of(each) for each in told["changes"]]))


class Watcher:
    def __init__(self, name: str, prefix: str, chooser: Chooser, rng: Random, write: Callable[[Watch], None]) -> None:
        self._name = name
        self._prefix = prefix
        self._chooser = chooser
        self._rng = rng
        self._write = write
        self.connections = 0
        self.deliveries = 0

    async def run(self, over: asyncio.Event) -> None:
        position, node = 0, None
        while not over.is_set():
            node = self._chooser.node(other_than="" if node is None else node.name)
            heard = await self._stay(node, position + 1, over)
            self.connections += 1
            self.deliveries += len(heard.deliveries)
            self._write(heard.as_watch(f"{self._name}.{self.connections}", self._name, self._prefix))
            position = heard.position if heard.compacted is None else heard.compacted - 1
            if heard.failed:
                await asyncio.sleep(RETRY_PAUSE_SECONDS)

    async def _stay(self, node: NodeHandle, start: int, over: asyncio.Event) -> Heard:
        """One connection, for as long as it lasts and pleases."""
        latest = Heard(start, time.monotonic(), [], failed=True)

        async def watch() -> None:
            nonlocal latest
            async with aclosing(follow(node, self._prefix, start)) as growing:
                async for heard in growing:
                    latest = heard

        tasks = [asyncio.create_task(watch()), asyncio.create_task(over.wait())]
        try:
            await asyncio.wait(tasks, timeout=self._rng.uniform(*STAY_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return latest
