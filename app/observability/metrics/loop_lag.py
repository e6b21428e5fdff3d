"""The event loop's lag: by how much a timer wakes late."""

from __future__ import annotations

import asyncio
import time

from coterie.consensus.raft.metrics import Histogram

PROBE_SECONDS = 0.5
"""Time between two looks. A loop that is blocked for longer is seen once, with the whole time."""

LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""


class LoopLag:
    def __init__(self) -> None:
        self.seconds = Histogram(LAG_BOUNDS)

    async def watch(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            due = time.monotonic() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            self.seconds.observe(max(0.0, time.monotonic() - due))
