"""An event loop whose clock stands still while anything can run, and jumps to the next timer when nothing can.

For code that reads `loop.time()` alone and waits for no socket: its deadlines then say what comes first, and not how
busy the machine is. Use it as `anyio_backend`.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing that has an end; tells by how much it should have waited."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(timeout if timeout is None else 0)
        if timeout is not None and not ready:
            self._jump(timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def _jump(self, seconds: float) -> None:
        self._seconds += seconds

    def time(self) -> float:
        return self._seconds


JUMPING = ("asyncio", {"loop_factory": JumpingLoop})
