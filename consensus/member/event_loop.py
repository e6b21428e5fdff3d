"""A node in an event loop: ticks when there is work, once a loop turn, and when a deadline comes; and calls of the node
as awaitables, with the errors of the metadata API. No thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from coterie.consensus.api.errors import MetadataError, RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.raft import errors as raft
from coterie.consensus.raft.node import RaftNode

_BUSY = frozenset({"busy", "disk_full", "transfer_pending", "change_pending", "not_ready", "would_strand"})
"""Refusals of the Raft node that are about now, not about the call."""

Callback = Callable[[raft.RaftError | None, Any], None]


class SystemClock:
    """The machine's monotonic clock, and its randomness."""

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self) -> float:
        return random.random()


class Driver:
    """Pass `wake` to the node as `on_work`; then `run` it. All proposals and messages of a loop turn share one tick."""

    def __init__(self, before_tick: Callable[[], None] = lambda: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._before_tick = before_tick
        self._node: RaftNode | None = None
        self._soon = False
        self._timer: asyncio.TimerHandle | None = None

    def run(self, node: RaftNode) -> None:
        """Start a node that is loaded, and go on ticking. Raises what `node.start` raises."""
        node.start()
        self._node = node
        self.wake()

    def wake(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._tick)

    def stop(self) -> None:
        self._node = None
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._soon = False
        node = self._node
        if node is None or node.stopped:
            return
        self._before_tick()
        node.tick()
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, node.next_wakeup() - node.clock.monotonic())
        self._timer = self._loop.call_later(delay + 0.0005, self.wake)


def translate(error: raft.RaftError) -> MetadataError:
    """The same outcome, as users of the API know it."""
    match error:
        case raft.RaftUnknownOutcomeError():
            return UnknownOutcomeError(str(error))
        case raft.RaftUnavailableError():
            return UnavailableError(error.reason, str(error))
        case raft.RaftRefusedError() if error.reason in _BUSY:
            return UnavailableError(error.reason, str(error))
        case raft.RaftRefusedError():
            return RefusedError(error.reason, message=str(error))
    return UnavailableError("failed", str(error))


async def call_node(start: Callable[[Callback], None]) -> Any:
    """Start a call of the node, and await its result. Raises MetadataError."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(error: raft.RaftError | None, result: Any) -> None:
        if future.done():
            return  # the caller was cancelled
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(translate(error))

    try:
        start(done)
    except raft.RaftError as error:
        raise translate(error) from None
    return await future
