"""A client of plain keys: registers, compare-and-set, transactions over several keys, reads of all kinds.

Keys under `r/` stand each for itself, so that the search can judge them one by one; those under `c/` are written under
preconditions alone; those under `m/` are written and read together.
"""

from __future__ import annotations

import asyncio
import time
from random import Random

from tests.verify.consistency.workload.raft.client import RaftClient
from tests.verify.linearizability import Operation
from tests.verify.linearizability.histories import requests as words

REGISTERS = [f"r/{number}" for number in range(6)]
CONDITIONED = [f"c/{number}" for number in range(3)]
TOGETHER = [f"m/{number}" for number in range(5)]
PREFIX = "m/"

STALE = words.Consistency.STALE


class Actor:
    def __init__(self, client: RaftClient, rng: Random, interval: float) -> None:
        """`interval`: seconds between the beginnings of two operations, on average."""
        self._client = client
        self._rng = rng
        self._interval = interval
        self._seen: dict[str, words.Item | None] = {}
        self._revision = 0

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            began = time.monotonic()
            self._learn(await self._act())
            await asyncio.sleep(max(0.0, self._rng.expovariate(1 / self._interval) - (time.monotonic() - began)))

    async def _act(self) -> Operation:
        choice = self._rng.random()
        if choice < 0.50:
            return await self._register(self._rng.choice(REGISTERS))
        if choice < 0.68:
            return await self._conditioned(self._rng.choice(CONDITIONED))
        return await self._together(self._rng.choice(TOGETHER))

    async def _register(self, key: str) -> Operation:
        choice, id_ = self._rng.random(), self._client.next_id()
        if choice < 0.40:
            return await self._client.do(words.Put(key, id_), id_=id_)
        if choice < 0.50:
            return await self._client.do(words.Delete(key), id_=id_)
        if choice < 0.62:
            return await self._client.do(self._by_value(key, id_), id_=id_)
        if choice < 0.94:
            return await self._client.do(words.Get(key), id_=id_)
        return await self._client.do(words.Get(key, consistency=STALE), id_=id_)

    def _by_value(self, key: str, value: str) -> words.Txn:
        """A compare-and-set that the search can judge: by value, or by absence."""
        known = self._seen.get(key)
        if known is None:
            compare = words.Compare(key, words.Target.EXISTS, words.Relation.EQUAL, operand=False)
        else:
            compare = words.Compare(key, words.Target.VALUE, words.Relation.EQUAL, known.value)
        return words.Txn((compare,), (words.Put(key, value),), (words.Get(key),))

    async def _conditioned(self, key: str) -> Operation:
        id_ = self._client.next_id()
        if self._rng.random() < 0.45:
            return await self._client.do(words.Get(key), id_=id_)
        known = self._seen.get(key)
        request = words.Txn(
            (words.Compare(key, words.Target.MOD_REVISION, words.Relation.EQUAL, (known and known.mod_revision) or 0),),
            (words.Put(key, id_),),
        )
        return await self._client.do(request, id_=id_)

    async def _together(self, key: str) -> Operation:
        choice, id_ = self._rng.random(), self._client.next_id()
        if choice < 0.20:
            return await self._client.do(words.Put(key, id_), id_=id_)
        if choice < 0.40:
            return await self._client.do(self._txn(key, id_), id_=id_)
        if choice < 0.44:
            return await self._client.do(words.DeleteRange(PREFIX), id_=id_)
        if choice < 0.52 and self._revision > 1:
            revision = self._rng.randrange(max(1, self._revision - 200), self._revision + 1)
            return await self._client.do(words.Range(PREFIX, revision=revision), id_=id_)
        if choice < 0.60:
            return await self._client.do(words.Range(PREFIX, consistency=STALE), id_=id_)
        return await self._client.do(words.Range(PREFIX), id_=id_)

    def _txn(self, key: str, value: str) -> words.Txn:
        other = self._rng.choice([each for each in TOGETHER if each != key])
        return words.Txn(
            (words.Compare(key, words.Target.VERSION, words.Relation.LESS, self._rng.randrange(1, 5)),),
            (words.Put(key, value), words.Get(other), words.Delete(other)),
            (words.Range(PREFIX), words.Put(other, value)),
        )

    def _learn(self, operation: Operation) -> None:
        request, result = operation.request, operation.result
        if result is None:
            if operation.error == "precondition_failed" and isinstance(request, words.Txn):
                self._seen.pop(request.compares[0].key, None)
            return
        self._revision = max(self._revision, result.revision)
        if isinstance(request, words.Get) and request.consistency == words.Consistency.LINEARIZABLE:
            assert isinstance(result, words.Found)
            self._seen[request.key] = result.items[0] if result.items else None
        elif isinstance(result, words.Decided) and isinstance(request, words.Txn) and not request.orelse:
            self._seen.pop(request.compares[0].key, None)
