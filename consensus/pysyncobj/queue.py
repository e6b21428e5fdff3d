"""The program's calls on their way to the node: as many as it can take at once, the rest in order behind them; and how
they end, in PySyncObj's words.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from coterie.consensus.pysyncobj.engine import FAIL_REASON, SyncObjConf
from coterie.consensus.pysyncobj.machine import Raised
from coterie.consensus.raft.errors import RaftError, RaftRefusedError, RaftUnknownOutcomeError, StoppedError

MAX_BYTES_IN_FLIGHT = 1 << 20
"""Calls with so many bytes together, and one more, are with the node at a time. More would crowd out its heartbeats,
and find no room in its log."""

Callback = Callable[[Any, int], None]
Done = Callable[[RaftError | None, Any], None]
Start = Callable[[Done], None]

_REASONS: dict[str, int] = {
    "busy": FAIL_REASON.QUEUE_FULL,
    "disk_full": FAIL_REASON.QUEUE_FULL,
    "log_full": FAIL_REASON.QUEUE_FULL,
    "not_leader": FAIL_REASON.NOT_LEADER,
    "discarded": FAIL_REASON.DISCARDED,
    "timed_out": FAIL_REASON.MISSING_LEADER,
}


def outcome(error: RaftError | None, result: Any) -> tuple[Any, int]:
    """(result, fail reason) for a callback. Nothing has happened, and nothing will, for every reason but SUCCESS and
    UNKNOWN_OUTCOME; a method that raised (REQUEST_DENIED) may have changed the state before it did."""
    if error is None:
        return (None, FAIL_REASON.REQUEST_DENIED) if isinstance(result, Raised) else (result, FAIL_REASON.SUCCESS)
    if isinstance(error, RaftUnknownOutcomeError):
        return None, FAIL_REASON.UNKNOWN_OUTCOME
    if isinstance(error, StoppedError):
        return None, FAIL_REASON.MISSING_LEADER
    if isinstance(error, RaftRefusedError):
        return None, _REASONS.get(error.reason, FAIL_REASON.REQUEST_DENIED)
    return None, FAIL_REASON.REQUEST_DENIED


class CallQueue:
    """`add` from any thread; all else in the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, conf: SyncObjConf) -> None:
        self._loop = loop
        self._conf = conf
        self._lock = threading.Lock()
        self._waiting = 0
        self._queue: deque[tuple[Start, Done, int]] = deque()
        self._bytes_in_flight = 0
        self._opened = self._closed = self._starting = False

    def add(self, start: Start, callback: Callback | None, size: int = 0) -> None:
        """`start(done)` once it is its turn; `callback(result, fail reason)` at its end, or now where the queue is
        full."""
        with self._lock:
            full = self._waiting >= self._conf.commandsQueueSize
            self._waiting += not full
        if full:
            if callback is not None:
                callback(None, FAIL_REASON.QUEUE_FULL)
            return

        def ended(error: RaftError | None, result: Any) -> None:
            with self._lock:
                self._waiting -= 1
            if callback is not None:
                callback(*outcome(error, result))

        try:
            self._loop.call_soon_threadsafe(self._enqueue, start, ended, size)
        except RuntimeError:  # the loop is closed
            ended(StoppedError("stopped"), None)

    def open(self) -> None:
        """The node is there."""
        self._opened = True
        self._start_queued()

    def close(self) -> None:
        """The node has stopped, or never was: what waits, and what comes, gets that as its outcome."""
        self._closed = True
        self._start_queued()

    def _enqueue(self, start: Start, ended: Done, size: int) -> None:
        self._queue.append((start, ended, size))
        self._start_queued()

    def _start_queued(self) -> None:
        if self._starting or not (self._opened or self._closed):
            return
        self._starting = True
        try:
            while self._queue and self._bytes_in_flight < MAX_BYTES_IN_FLIGHT:
                self._start_one(*self._queue.popleft())
        finally:
            self._starting = False

    def _start_one(self, start: Start, ended: Done, size: int) -> None:
        self._bytes_in_flight += size

        def done(error: RaftError | None, result: Any) -> None:
            self._bytes_in_flight -= size
            try:
                ended(error, result)
            finally:
                self._start_queued()

        try:
            if not self._opened:
                raise StoppedError("stopped")
            start(done)
        except RaftError as error:
            done(error, None)
