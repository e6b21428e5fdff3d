"""Reading server-sent events from the application itself, one connection at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

from tests.waiting import PATIENCE_SECONDS


class Stream:
    """A client that reads: `stalls` makes it stop taking what is sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.messages: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()
        """Events by their fields, comments under the name "comment"; None at the end."""
        self.body = b""
        self.asked = False
        self.gone = asyncio.Event()
        self.stalls = asyncio.Event()
        self.aborted = asyncio.Event()
        self.started = asyncio.Event()

    def abort(self) -> None:
        self.aborted.set()
        self.gone.set()

    async def receive(self) -> Any:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.stalls.is_set():
            await asyncio.Event().wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self.body += message.get("body", b"")
        while b"\n\n" in self.body:
            one, _, self.body = self.body.partition(b"\n\n")
            self.messages.put_nowait(_fields(one.decode()))
        self.started.set()
        if not message.get("more_body", False):
            self.messages.put_nowait(None)

    async def next(self) -> dict[str, str] | None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.messages.get()

    async def next_data(self) -> Any:
        """The data of the next event, which must be there."""
        message = await self.next()
        while message is not None and "data" not in message:
            message = await self.next()
        assert message is not None
        return json.loads(message["data"])


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.split("\n"))
    return {name or "comment": value.removeprefix(" ") for name, _, value in pairs}


@asynccontextmanager
async def streaming(
    app: ASGIApp, path: str, query: str = "", headers: Any = (), client: Callable[[], Stream] = Stream
) -> AsyncIterator[Stream]:
    """GET a stream; at the end of the block the client leaves."""
    stream = client()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), *headers],
        "extensions": {"coterie.abort": stream.abort},
    }
    task = asyncio.create_task(_run(app, scope, stream))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.started.wait()
        yield stream
    finally:
        stream.gone.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def _run(app: ASGIApp, scope: Any, stream: Stream) -> None:
    await app(scope, stream.receive, stream.send)
