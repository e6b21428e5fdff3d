"""A way to a node that can be made to fail: it ends connections, or has the node answer and loses the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from coterie.gossip import Address

READ_BYTES = 65_536


class Proxy:
    """Passes bytes on between clients and a node."""

    def __init__(self, to: Address) -> None:
        self._to = to
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.loses = 0
        """Answers to writes that are still to be lost: the connection ends in their place."""
        self.lost = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def fail(self) -> None:
        """End all connections, and take no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._to)
            try:
                there = asyncio.create_task(self._requests(reader, to_writer))
                back = asyncio.create_task(self._answers(to_reader, writer))
                try:
                    await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.gather(there, back, return_exceptions=True)
            finally:
                to_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            self._is_write = data.startswith((b"PUT ", b"DELETE ", b"POST /v1/txn"))
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            if self.loses and self._is_write:
                self.loses -= 1
                self.lost.set()
                return
            writer.write(data)
            await writer.drain()

    _is_write = False


@asynccontextmanager
async def passing(to: Address) -> AsyncIterator[Proxy]:
    proxy = Proxy(to)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.fail()
