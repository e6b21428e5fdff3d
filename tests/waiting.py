"""How tests wait: for what they look at to be so, and never for a time that should be enough.

A deadline only bounds a hang, on the slowest machine. Where a time is what a test claims, it measures virtual time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 120.0
"""After this a wait has failed."""

POLL_SECONDS = 0.02

T = TypeVar("T")


def wait_for(ask: Callable[[], T | None], what: object = "") -> T:
    """The first answer that is not None. Fails after PATIENCE_SECONDS with `what`, or with what it then returns."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := ask()) is None:
        assert time.monotonic() < deadline, _failure(what)
        time.sleep(POLL_SECONDS)
    return found


def wait_until(condition: Callable[[], object], what: object = "") -> float:
    """Ask until `condition` holds: how many seconds that took. Fails as `wait_for` does."""
    start = time.monotonic()
    wait_for(lambda: True if condition() else None, what)
    return time.monotonic() - start


async def eventually(condition: Callable[[], object], what: object = "") -> None:
    """As `wait_until`, while the event loop goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, _failure(what)
        await asyncio.sleep(POLL_SECONDS)


def _failure(what: object) -> str:
    told = what() if callable(what) else what
    return f"not so after {PATIENCE_SECONDS:g} s" + (f": {told}" if told else "")
