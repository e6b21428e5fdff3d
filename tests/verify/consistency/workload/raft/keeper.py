"""Keepers of leases: each puts a key on a lease, keeps the lease alive for a while, and then lets it go.

What is written down of a lease is what its judge needs: when each renewal was asked for and whether it was answered,
and which node's process it is bound to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from tests.verify.consistency.workload.choosing import Chooser
from tests.verify.consistency.workload.http_client import Answer, GoneError
from tests.verify.consistency.workload.raft.client import RaftClient
from tests.verify.linearizability.histories import requests as words

TTL_SECONDS = 2.0

RENEWAL_SECONDS = 0.5

HOLD_SECONDS = 1.0


@dataclass
class LeaseLine:
    """A lease's life as its keeper saw it."""

    lease: int
    ttl: float | None
    """Seconds; None where it is bound to a node."""
    node: str = ""
    generation: int = 0
    renewals: list[tuple[float, float]] = field(default_factory=list)
    """When each one that was acknowledged began and ended, the grant first."""
    revoked: float | None = None
    """When it was first asked to end; None where nobody asked."""


class Keeper:
    def __init__(self, client: RaftClient, chooser: Chooser, rng: Random, write: Callable[[LeaseLine], None]) -> None:
        self._client = client
        self._chooser = chooser
        self._rng = rng
        self._write = write

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            line = await self._grant()
            if line is None:
                await asyncio.sleep(RENEWAL_SECONDS)
                continue
            try:
                await self._live(line, over)
            finally:
                self._write(line)

    async def _grant(self) -> LeaseLine | None:
        node = self._chooser.node()
        bound = self._rng.random() < 0.4 and node.up
        body: dict[str, object] = {"node": node.name, "hold": HOLD_SECONDS} if bound else {"ttl": TTL_SECONDS}
        began = time.monotonic()
        told = await self._ask("POST", "/v1/leases", orjson.dumps(body), at_first=True)
        if told is None:
            return None
        line = LeaseLine(told["lease"], told["ttl_seconds"], told["node"] or "", told["generation"] or 0)
        line.renewals.append((began, time.monotonic()))
        return line

    async def _live(self, line: LeaseLine, over: asyncio.Event) -> None:
        key = f"l/{self._client.name}"
        put = await self._client.do(words.Put(key, self._client.next_id(), str(line.lease)))
        if not put.ok:
            return
        for _ in range(self._rng.randrange(2, 12)):
            await asyncio.sleep(RENEWAL_SECONDS * self._rng.uniform(0.5, 1.5))
            if over.is_set():
                break
            if line.ttl is not None:
                began = time.monotonic()
                if await self._ask("POST", f"/v1/leases/{line.lease}/keepalive") is not None:
                    line.renewals.append((began, time.monotonic()))
            await self._client.do(words.Get(key))
        if self._rng.random() < 0.4 or (line.ttl is None and self._rng.random() < 0.7):
            line.revoked = time.monotonic()
            await self._ask("DELETE", f"/v1/leases/{line.lease}")
        elif line.ttl is not None and not over.is_set():
            await asyncio.sleep(line.ttl * self._rng.uniform(0.5, 1.5))
            await self._client.do(words.Get(key))

    async def _ask(self, method: str, path: str, body: bytes = b"", *, at_first: bool = False) -> Any:
        """The answer, or None."""
        node = self._chooser.node()
        name = self._client.next_id() if at_first else ""
        try:
            answer: Answer = await self._client.ask(node, method, path, body, name=name)
        except GoneError:
            return None
        return answer.json() if answer.status == 200 else None
