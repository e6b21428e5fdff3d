"""Ticks a node from the event loop: when there is work, once a loop turn, and when a deadline comes. No thread."""

from __future__ import annotations

import asyncio
import random
import time

from coterie.consensus.raft.node import RaftNode


class SystemClock:
    """The machine's monotonic clock, and its randomness."""

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self) -> float:
        return random.random()


class Driver:
    """Pass `wake` to the node as `on_work`; then `run` it. All proposals and messages of a loop turn share one tick."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._node: RaftNode | None = None
        self._soon = False
        self._timer: asyncio.TimerHandle | None = None

    def run(self, node: RaftNode) -> None:
        """Load the state (the first tick), then go on ticking. Raises what `node.start` raises."""
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
        node.tick()
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, node.next_wakeup() - node.clock.monotonic())
        self._timer = self._loop.call_later(delay + 0.0005, self.wake)
