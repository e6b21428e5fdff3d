"""Streams of server-sent events that are read to their end, however often the connection to a node breaks.

A task of its own reads ahead, up to a bound. A stream that breaks, or says nothing for too long, is opened again at the
next node; what to ask for then, so that nothing is missed or told twice, is the reader's to say.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Generic, TypeVar, cast

import httpx
from httpx_sse import EventSource, ServerSentEvent

from coterie.app.client.errors import ClientError
from coterie.app.client.transport.failures import reading_failure
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.consensus.api.errors import UnavailableError

SHORT_SECONDS = 1.0
"""A stream that breaks sooner than this counts as one more failure: the pauses between them grow."""

MAX_DOUBLINGS = 20

CANCEL_AGAIN_SECONDS = 1.0

_BLANK_LINE = re.compile(rb"\n\r?\n")

T = TypeVar("T")


async def end_tasks(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and wait for their end. Cancels again: a library may lose one that meets a result."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


class BoundedEvents(httpx.AsyncByteStream):
    """A body whose events, which blank lines end, are not longer than a bound."""

    def __init__(self, stream: httpx.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._max = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        tail = b""
        async for part in self._stream:
            events = _BLANK_LINE.split(tail + part)
            lengths = [len(each) for each in events]
            lengths[0] += size
            if max(lengths) > self._max:
                raise ClientError(f"a node sent an event of more than max_event_bytes = {self._max}")
            tail = events[-1][-2:]  # may begin a blank line
            size = lengths[-1] - len(tail)
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class Stream(ABC, Generic[T]):
    """`async with` it, then `async for` what it brings. For one task."""

    def __init__(self, asker: Asker, to: str | None) -> None:
        self._asker = asker
        self._to = to
        self._items: asyncio.Queue[T | Exception] = asyncio.Queue(asker.limits.max_waiting_events)
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    @abstractmethod
    def call(self) -> ApiRequest:
        """The request that goes on behind what was put."""

    @abstractmethod
    async def take(self, event: ServerSentEvent) -> None:
        """Put what an event brings. Raises MetadataError: UnavailableError where another node should be asked."""

    async def put(self, item: T) -> None:
        """Have the program take it; waits while too many wait already."""
        await self._items.put(item)

    def begin(self) -> None:
        self._task = asyncio.create_task(self._read(), name="coterie stream")

    async def end(self) -> None:
        if self._task is not None:
            await end_tasks(self._task)
            self._task = None

    async def next(self, timeout: float | None = None) -> T:
        """The next item. Raises TimeoutError, MetadataError once the stream has ended, StopAsyncIteration."""
        if self._error is not None:
            raise self._error
        if self._task is None:
            raise StopAsyncIteration
        async with asyncio.timeout(timeout):
            item = await self._items.get()
        if isinstance(item, Exception):
            self._error = item
            raise item
        return item

    async def _read(self) -> None:
        try:
            await self._read_on()
        except Exception as error:  # noqa: BLE001 - who waits for the next item is told, whatever it is
            await self._items.put(error)

    async def _read_on(self) -> None:
        """Returns never. Raises MetadataError."""
        patience = self._asker.timeout  # the first time the program waits for it
        failures = 0
        while True:
            begun = None
            try:
                async with self._asker.open(self.call(), patience) as (address, response):
                    begun = self._now()
                    await self._follow(response, address)
            except UnavailableError:
                if begun is None:
                    raise
                if self._to is None:
                    self._asker.leave(address)
            patience = self._asker.limits.patience_seconds
            failures = failures + 1 if self._now() - begun < SHORT_SECONDS else 0
            await asyncio.sleep(self._pause(failures))

    async def _follow(self, response: httpx.Response, address: str) -> None:
        """Until it breaks. Raises MetadataError."""
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise ClientError(f"what answers at {address} is no node of Coterie: it sends no events; check the address")
        stream = cast(httpx.AsyncByteStream, response.stream)
        response.stream = BoundedEvents(stream, self._asker.limits.max_event_bytes)
        try:
            async with aclosing(EventSource(response).aiter_sse()) as events:
                async for event in events:
                    await self.take(event)
        except (httpx.HTTPError, httpx.StreamError, ssl.SSLError) as error:
            raise reading_failure(error, address, begun=True) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ClientError(f"an event of {address} lacks something ({error!r}): is it an older one?") from None
        raise UnavailableError("unreachable", f"{address} ended the stream")

    def _pause(self, failures: int) -> float:
        limits = self._asker.limits
        longest = min(limits.first_pause_seconds * 2.0 ** min(failures, MAX_DOUBLINGS), limits.max_pause_seconds)
        return longest * random.uniform(0.5, 1.0)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
