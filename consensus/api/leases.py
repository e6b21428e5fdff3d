"""Leases that are kept alive in the background (raft spec 3).

A holder learns from its own clock that a lease is lost, before the cluster gives what lived on it to another: a lease
counts from when its renewal was *sent*, and a tenth of it is kept back for clocks that differ. A process that was
stopped for long learns it late; fencing tokens are for that.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from coterie.consensus.api.errors import MetadataError, RefusedError
from coterie.consensus.store import ClientOperation, LeaseDone, LeaseEnded, LeaseKeepAlive, SingleResult

RENEWALS_PER_TTL = 3
SAFETY = 0.1
"""Part of a lease that its holder does not rely on."""


class LeaseApi(Protocol):
    """The calls of `Metadata` that a kept lease makes."""

    async def submit(
        self, operation: ClientOperation, *, retry: bool = True, timeout: float | None = None
    ) -> SingleResult: ...

    async def grant_lease(self, ttl: float) -> LeaseDone: ...

    async def revoke(self, lease: int, *, timeout: float) -> LeaseEnded: ...


class KeptLease:
    """`async with metadata.lease(ttl) as lease`: `lease.id` to put keys with; `lease.lost` is set when it is gone."""

    def __init__(self, metadata: LeaseApi, ttl: float) -> None:
        self._metadata = metadata
        self._ttl = ttl
        self._task: asyncio.Task[None] | None = None
        self._until = 0.0
        self.id = 0
        self.lost = asyncio.Event()

    async def __aenter__(self) -> KeptLease:
        sent = self._now()
        self.id = (await self._metadata.grant_lease(self._ttl)).lease
        self._renewed(sent)
        self._task = asyncio.create_task(self._keep(), name=f"lease {self.id}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self.lost.is_set():
            self.lost.set()
            with suppress(MetadataError):  # else it ends by itself
                await self._metadata.revoke(self.id, timeout=self._ttl)

    @property
    def seconds_left(self) -> float:
        """For how long it may be relied on without another renewal."""
        return max(0.0, self._until - self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _renewed(self, sent: float) -> None:
        self._until = sent + self._ttl * (1 - SAFETY)

    async def _keep(self) -> None:
        period = self._ttl / RENEWALS_PER_TTL
        due = self._now() + period
        while self._now() < self._until:
            await asyncio.sleep(min(due, self._until) - self._now())
            sent = self._now()
            try:
                await self._metadata.submit(
                    LeaseKeepAlive(self.id), retry=False, timeout=max(0.0, min(period, self._until - sent))
                )
            except RefusedError:
                break
            except MetadataError:
                due = self._now() + period / 10
            else:
                self._renewed(sent)
                due = sent + period
        self.lost.set()
