"""The tasks of a workload: started together, ended together, and none of them fails unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def check(self) -> None:
        """Raises what ended a task before its time."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def end(self, within: float) -> None:
        """Wait for all; cancel those that take longer. Raises the first error of any."""
        if not self._tasks:
            return
        tasks, self._tasks = self._tasks, []
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
