"""One thread for blocking disk calls, beside an event loop: followers receive while the leader syncs (fault 5; raft
spec 2b, the loop). The only file here that knows of threads or of asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

Done = Callable[[Any, BaseException | None], None]


class DiskThread:
    """Runs jobs one after the other, in order, and reports each on the loop that it was made in."""

    def __init__(self) -> None:
        """To be made inside a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="disk")

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        """`done(result, error)` is called on the loop; not any more once the loop has ended."""

        def run() -> None:
            report: tuple[Any, BaseException | None]
            try:
                report = (job(), None)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must learn of it
                report = (None, error)
            self._loop.call_soon_threadsafe(done, *report)

        self._executor.submit(run)

    async def run(self, job: Callable[[], Result]) -> Result:
        """Run `job` in its turn. Raises what it raises."""
        return await self._loop.run_in_executor(self._executor, job)

    async def close(self, last: Callable[[], None] = lambda: None) -> None:
        """Wait for what was submitted, run `last`, then end the thread. Their `done` calls come before this returns.

        Raises what `last` raises."""
        try:
            await self.run(last)
        finally:
            self._executor.shutdown(wait=False)
