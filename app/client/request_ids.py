"""Request ids over HTTP: how they are written, and the cluster time that each of them holds.

An id holds the cluster time of its first try. A client need not know that time exactly: any earlier one is as good,
while it lies within the window in which the cluster remembers ids. So the time is asked for once in a few seconds and
used as it was told, which can never be ahead of the cluster; not once a write, which would double the round trips.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable

from coterie.consensus.api.errors import MetadataError, RefusedError
from coterie.consensus.api.types import RequestId
from coterie.consensus.store import RefusalCode

HEADER = "Coterie-Request-Id"

ID_BYTES = 16

MAX_AGE_SECONDS = 5.0
"""After this the time is asked for anew. A cluster under load forgets ids earlier than its window says."""

_FORM = re.compile(r"(\d{1,16})-([!-~]{1,64})")
_OWN = re.compile(r"[0-9a-f]{32}")


def write_request_id(request: RequestId) -> str:
    """Raises RefusedError where HTTP cannot carry it."""
    if len(request.id) == ID_BYTES:
        return f"{request.time_ms}-{request.id.hex()}"
    text = f"{request.time_ms}-{request.id.decode('latin-1')}"
    if _FORM.fullmatch(text) is None:
        raise RefusedError(
            RefusalCode.MALFORMED,
            message=f"over HTTP a request id is {ID_BYTES} bytes, or up to 64 visible ASCII characters",
        )
    return text


def read_request_id(text: str) -> RequestId | None:
    """None where it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    part = found[2]
    return RequestId(bytes.fromhex(part) if _OWN.fullmatch(part) else part.encode(), int(found[1]))


class ClusterTime:
    """A time that the cluster has passed, not long ago."""

    def __init__(self, ask: Callable[[float], Awaitable[tuple[int, float]]]) -> None:
        """`ask`, within so many seconds: a cluster time in milliseconds, and for how long ids of it are remembered."""
        self._ask = ask
        self._lock = asyncio.Lock()
        self._time_ms: int | None = None
        self._asked = 0.0
        self._valid = 0.0

    async def new_request(self, seconds: float) -> RequestId:
        """An id for one write. Raises as `ask`."""
        return RequestId(secrets.token_bytes(ID_BYTES), await self._recent(seconds))

    def forget(self) -> None:
        """The cluster refused an id of this time."""
        self._time_ms = None

    async def _recent(self, seconds: float) -> int:
        if self._time_ms is not None and self._age() < min(MAX_AGE_SECONDS, self._valid / 4):
            return self._time_ms
        async with self._lock:  # one asks for all who wait
            if self._time_ms is not None and self._age() < min(MAX_AGE_SECONDS, self._valid / 4):
                return self._time_ms
            asked = self._now()
            try:
                time_ms, self._valid = await self._ask(seconds)
            except MetadataError:
                if self._time_ms is None or self._age() > self._valid / 2:
                    raise
                return self._time_ms
            self._asked = asked
            self._time_ms = time_ms
            return time_ms

    def _age(self) -> float:
        return self._now() - self._asked

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
