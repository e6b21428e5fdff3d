"""What every stream of watches does, whoever makes its watchers: it takes requests while answers go out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Protocol

from coterie.app.etcd.messages.watch import WatchCreateRequest, WatchRequest, WatchResponse
from coterie.app.etcd.rpcs import EtcdError

QUEUED_ANSWERS = 16
"""Answers that wait for the client to take them."""


class Answers(asyncio.Queue[WatchResponse | EtcdError]):
    """Those of one stream, in order. An error is the last."""

    def __init__(self) -> None:
        super().__init__(QUEUED_ANSWERS)


class Watchers(Protocol):
    """The watchers of one stream."""

    async def create(self, request: WatchCreateRequest) -> None: ...

    async def cancel(self, watch_id: int) -> None: ...

    async def ask_progress(self) -> None: ...

    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """To be ended with the stream."""


async def answered(
    watchers: Watchers, requests: AsyncIterator[WatchRequest], answers: Answers
) -> AsyncGenerator[WatchResponse, None]:
    """The answers of a stream until it is closed. Raises EtcdError."""
    reading = asyncio.create_task(_read(watchers, requests, answers), name="etcd watch requests")
    try:
        while True:
            answer = await answers.get()
            if isinstance(answer, EtcdError):
                raise answer
            yield answer
    finally:
        tasks = [reading, *watchers.tasks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(watchers: Watchers, requests: AsyncIterator[WatchRequest], answers: Answers) -> None:
    try:
        async for request in requests:
            if request.create_request is not None:
                await watchers.create(request.create_request)
            elif request.cancel_request is not None:
                await watchers.cancel(request.cancel_request.watch_id)
            elif request.progress_request is not None:
                await watchers.ask_progress()
    except EtcdError as error:
        await answers.put(error)
