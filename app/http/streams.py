"""Streamed answers: notices that the client has gone, and ends connections that cannot end in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Scope

from coterie.app.http.protocol import ABORT

T = TypeVar("T")


async def until_gone(receive: Receive) -> None:
    """Return once the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_wanted(work: Coroutine[Any, Any, T], receive: Receive, stopping: asyncio.Event) -> T | None:
    """Do the work unless the client goes, or this node stops, before it is done; then it is cancelled. None: it was."""
    doing = asyncio.ensure_future(work)
    ends = [asyncio.ensure_future(until_gone(receive)), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait([doing, *ends], return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, *ends):
            task.cancel()
        await asyncio.gather(doing, *ends, return_exceptions=True)


async def abort(scope: Scope, receive: Receive) -> None:
    """End the connection: the client sees that the answer is cut short. Another server's way is an exception."""
    end = scope.get("extensions", {}).get(ABORT)
    if end is None:
        raise ConnectionAbortedError("the answer cannot be completed")
    end()
    await until_gone(receive)
