"""How tests wait: for what they look at to be so, and never for a time that should be enough.

A deadline here only bounds a hang. Where a time is the claim of a test, the test says so with `within`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""After this a wait has failed, on the slowest machine; nothing is measured by it."""

POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], object], within: float = PATIENCE_SECONDS, what: object = "") -> float:
    """Ask until `condition` holds: how many seconds it took. Fails after `within` seconds, with `what`.

    `what` may be a function, which is called once the time is over.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < within, _failure(waited, what)
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start


async def eventually(condition: Callable[[], object], within: float = PATIENCE_SECONDS, what: object = "") -> float:
    """As `wait_until`, while the event loop goes on."""
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < within, _failure(waited, what)
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - start


def _failure(waited: float, what: object) -> str:
    told = what() if callable(what) else what
    return f"not so after {waited:.1f} s: {told}" if told else f"not so after {waited:.1f} s"
