"""Linearizable reads: what is awaited before the state may be read (raft spec 2b)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coterie.consensus.api.errors import MetadataError
from coterie.consensus.member.event_loop import call_node
from coterie.consensus.raft.node import RaftNode


class ReadRounds:
    """Read-index rounds of one member. Reads that arrive in one turn of the loop share a round."""

    def __init__(self, node: RaftNode, timeout: float) -> None:
        """`timeout`: seconds, of a shared round."""
        self._node = node
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._readers: list[asyncio.Future[None]] | None = None

    async def wait(self, timeout: float | None, trace: Callable[[], str]) -> None:
        """Return once this member has applied what was acknowledged before. Raises MetadataError.

        With a `timeout`, in seconds, the round is this read's own; `trace` gives the `traceparent` that goes along.
        """
        if timeout is not None:
            await call_node(lambda done: self._node.read(done, timeout, trace()))
            return
        readers = self._readers
        if readers is None:
            readers = self._readers = []
            self._loop.call_soon(self._begin)
        future: asyncio.Future[None] = self._loop.create_future()
        readers.append(future)
        await future

    def _begin(self) -> None:
        readers, self._readers = self._readers, None
        task = self._loop.create_task(self._run(readers or []))
        task.add_done_callback(lambda _: None)  # keeps it until it is done

    async def _run(self, readers: list[asyncio.Future[None]]) -> None:
        error: MetadataError | None = None
        try:
            await call_node(lambda done: self._node.read(done, self._timeout))
        except MetadataError as raised:
            error = raised
        for reader in readers:
            if reader.done():
                continue
            if error is None:
                reader.set_result(None)
            else:
                reader.set_exception(error)
