"""Calls of the Raft node as awaitables, with the errors of the metadata API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from coterie.consensus.api.errors import MetadataError, RefusedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.raft import errors as raft

_BUSY = frozenset({"busy", "disk_full", "transfer_pending", "change_pending", "not_ready"})
"""Refusals of the Raft node that are about now, not about the call."""

Callback = Callable[[raft.RaftError | None, Any], None]


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
