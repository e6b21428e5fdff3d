"""Holders of locks: each takes a lock on a lease, writes under its fencing token, and sometimes sleeps too long.

A sleeper goes on with the token it had, as a process does that a garbage collector stopped: that write must not take
effect once another holds the lock. The fenced keys stand under `f/`, one for each lock.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import orjson

from tests.verify.consistency.contract import NodeHandle
from tests.verify.consistency.workload.choosing import Chooser
from tests.verify.consistency.workload.http_client import GoneError
from tests.verify.consistency.workload.raft.client import RaftClient
from tests.verify.linearizability.histories import requests as words

LOCKS = ["lock-0", "lock-1"]

TTL_SECONDS = 1.0
"""The shortest that is allowed."""

HOLD_SECONDS = 1.0
"""For how long a node must be dead until a lease bound to it ends."""

WAIT_SECONDS = 1.0

OVERSLEEP_SECONDS = 2.5


def fenced_key(lock: str) -> str:
    return f"f/{lock}"


def fenced_value(token: int, id_: str) -> str:
    return f"{token}.{id_}"


class Holder:
    def __init__(self, client: RaftClient, chooser: Chooser, rng: Random, interval: float) -> None:
        """`interval`: seconds between two operations, on average."""
        self._client = client
        self._chooser = chooser
        self._rng = rng
        self._interval = interval

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            lock = self._rng.choice(LOCKS)
            lease = await self._lease()
            if lease is not None:
                await self._hold(lock, lease, over)
            await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(self._rng.expovariate(1 / self._interval))

    async def _lease(self) -> int | None:
        """A lease with a time to live, or bound to a node that is up."""
        node = self._chooser.node()
        body: dict[str, object] = {"ttl": TTL_SECONDS}
        if self._rng.random() < 0.3 and node.up:
            body = {"node": node.name, "hold": HOLD_SECONDS}
        try:
            answer = await self._client.ask(node, "POST", "/v1/leases", orjson.dumps(body))
        except GoneError:
            return None
        return answer.json()["lease"] if answer.status == 200 else None

    async def _hold(self, lock: str, lease: int, over: asyncio.Event) -> None:
        id_ = self._client.next_id()
        wait = WAIT_SECONDS if self._rng.random() < 0.6 else 0.0
        acquired = await self._client.do(
            words.Acquire(lock, f"{self._client.name}.{id_}"), id_=id_, lease=lease, wait=wait
        )
        if not isinstance(acquired.result, words.Granted):
            await self._revoke(lease)
            return
        token = acquired.result.token
        for _ in range(self._rng.randrange(1, 7)):
            await self._write(lock, token)
            await self._pause()
            if over.is_set():
                break
            if self._rng.random() < 0.3:
                await self._keep_alive(lease)
        ending = self._rng.random()
        if ending < 0.25 and not over.is_set():
            await asyncio.sleep(OVERSLEEP_SECONDS * self._rng.random())
            await self._write(lock, token)
            await self._write(lock, token)
        if ending < 0.85:
            await self._client.do(words.Release(lock, token), lease=lease)
        if ending > 0.4:
            await self._revoke(lease)

    async def _write(self, lock: str, token: int) -> None:
        """A write that counts only while the lock is held under the token."""
        id_, key = self._client.next_id(), fenced_key(lock)
        held = words.Compare(lock, words.Target.TOKEN, words.Relation.EQUAL, token)
        txn = words.Txn((held,), (words.Put(key, fenced_value(token, id_)),), (words.Get(key),))
        await self._client.do(txn, id_=id_)

    async def _keep_alive(self, lease: int) -> None:
        await self._quietly(self._chooser.node(), "POST", f"/v1/leases/{lease}/keepalive")

    async def _revoke(self, lease: int) -> None:
        await self._quietly(self._chooser.node(), "DELETE", f"/v1/leases/{lease}")

    async def _quietly(self, node: NodeHandle, method: str, path: str) -> None:
        with suppress(GoneError):
            await self._client.ask(node, method, path)
