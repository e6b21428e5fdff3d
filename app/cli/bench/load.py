"""The load of `coterie bench`: clients that ask one after another, keys of their own, and what is left behind: nothing.

Keys of the metadata live with a lease, which is revoked at the end and ends by itself where this process is killed.
Those of the gossip layer are deleted; where that cannot be, they are named.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coterie.app.cli.bench.latencies import LatencyHistogram
from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError, failure_of

if TYPE_CHECKING:
    from coterie.app.client import Client

META = ("put", "get", "stale_get")
GOSSIP = ("kv_put", "kv_get")

LEASE_SECONDS = 60.0
"""For how long keys stay where this process is killed."""

PAUSE_SECONDS = 0.05
"""After an error: a cluster that is down is not to be hammered."""

LOOKED_AT = 1_000
"""Keys that are looked at under the prefix, before anything is written."""

META_KEY = re.compile(r"[0-9a-f]{16}/[0-9]{5}")
"""Behind the prefix: the run, and the number."""

GOSSIP_KEY = re.compile(r"gossip/[0-9]{5}")


@dataclass(frozen=True)
class Plan:
    clients: int
    seconds: float
    weights: dict[str, int]
    value_bytes: int
    keys: int
    prefix: str

    def uses(self, names: Sequence[str]) -> bool:
        return any(self.weights.get(name) for name in names)


@dataclass
class LoadCounts:
    latencies: dict[str, LatencyHistogram]
    errors: dict[str, Counter[str]]
    began: float = field(default_factory=time.perf_counter)
    ended: float | None = None
    cpu_began: float = field(default_factory=time.process_time)
    cpu: float = 0.0
    left_behind: str | None = None
    """What could not be taken away, and why."""

    @property
    def seconds(self) -> float:
        return max(1e-9, (self.ended or time.perf_counter()) - self.began)

    @property
    def done(self) -> int:
        return sum(each.count for each in self.latencies.values())

    def end(self) -> None:
        self.ended = time.perf_counter()
        self.cpu = (time.process_time() - self.cpu_began) / self.seconds


def new_counts(plan: Plan) -> LoadCounts:
    return LoadCounts({name: LatencyHistogram() for name in plan.weights}, {name: Counter() for name in plan.weights})


async def check_prefix(client: Client, plan: Plan) -> None:
    """Raises CommandError where others' keys are under the prefix: nothing of theirs is to be touched."""
    foreign: str | None = None
    if plan.uses(META):
        page = (await client.metadata.prefix(plan.prefix.encode(), limit=LOOKED_AT)).value
        foreign = _foreign((each.key.decode(errors="replace") for each in page.records), plan.prefix, META_KEY)
    if plan.uses(GOSSIP) and foreign is None:
        told = await client.kv.list(prefix=plan.prefix, limit=LOOKED_AT)
        foreign = _foreign((each.key for each in told.keys), plan.prefix, GOSSIP_KEY)
    if foreign is not None:
        raise CommandError(
            f"--prefix {plan.prefix!r} holds keys that are not of a bench, such as {foreign!r}; choose another",
            Exit.PRECONDITION,
            code="prefix_in_use",
            parameter="prefix",
        )


def _foreign(keys: Iterable[str], prefix: str, own: re.Pattern[str]) -> str | None:
    return next((key for key in keys if not own.fullmatch(key[len(prefix) :])), None)


Operation = Callable[["Client", int], Awaitable[object]]
"""Asked through a client, for the key of this number."""


class Load:
    def __init__(self, plan: Plan, clients: Sequence[Client], figures: LoadCounts) -> None:
        self._plan = plan
        self._clients = clients
        self._figures = figures
        self._run = secrets.token_hex(8)
        self._lease = 0
        self._value = random.Random(0).randbytes(plan.value_bytes // 2).hex().ljust(plan.value_bytes, "0")
        self._operations: dict[str, Operation] = {
            "put": lambda client, number: client.metadata.put(self._key(number), self._new_value(), lease=self._lease),
            "get": lambda client, number: client.metadata.get(self._key(number)),
            "stale_get": self._stale_get,
            "kv_put": lambda client, number: client.kv.put(self._gossip_key(number), self._new_value().decode()),
            "kv_get": lambda client, number: client.kv.get(self._gossip_key(number)),
        }

    async def run(self) -> None:
        """For the time planned. Cancelled, it takes its keys away all the same. Raises MetadataError."""
        async with self._keys():
            names = list(self._plan.weights)
            weights = list(self._plan.weights.values())
            self._figures.began, self._figures.cpu_began = time.perf_counter(), time.process_time()
            tasks = [asyncio.create_task(self._ask(client, names, weights)) for client in self._clients]
            try:
                done, _ = await asyncio.wait(tasks, timeout=self._plan.seconds, return_when=asyncio.FIRST_EXCEPTION)
                for each in done:
                    each.result()
            finally:
                self._figures.end()
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, client: Client, names: list[str], weights: list[int]) -> None:
        draw = random.Random()
        while True:
            (name,) = draw.choices(names, weights)
            number = draw.randrange(self._plan.keys)
            begun = time.perf_counter()
            try:
                await self._operations[name](client, number)
            except Exception as error:
                failure = failure_of(error)
                if failure is None:
                    raise
                self._figures.errors[name][failure.code] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._figures.latencies[name].add(time.perf_counter() - begun)

    @asynccontextmanager
    async def _keys(self) -> AsyncIterator[None]:
        """Keys to read are there at the beginning, and none at the end."""
        client = self._clients[0]
        try:
            if not self._plan.uses(META):
                await self._fill()
                yield
                return
            async with client.metadata.lease(LEASE_SECONDS) as lease:
                self._lease = lease.id
                await self._fill()
                yield
        finally:
            if self._plan.uses(GOSSIP):
                await asyncio.shield(self._clean_up_gossip())

    async def _fill(self) -> None:
        """All at once, by as many as there are clients."""
        numbers = iter(range(self._plan.keys))
        names = [name for name, used in (("put", META), ("kv_put", GOSSIP)) if self._plan.uses(used)]

        async def work(client: Client) -> None:
            for number in numbers:
                for name in names:
                    await self._operations[name](client, number)

        await asyncio.gather(*map(work, self._clients))

    async def _clean_up_gossip(self) -> None:
        try:
            await self._delete_gossip_keys()
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            self._figures.left_behind = f"Keys that begin with {self._plan.prefix}gossip/ are left: {failure}"

    async def _delete_gossip_keys(self) -> None:
        numbers = iter(range(self._plan.keys))

        async def work(client: Client) -> None:
            for number in numbers:
                await client.kv.delete(self._gossip_key(number))

        await asyncio.gather(*map(work, self._clients))

    async def _stale_get(self, client: Client, number: int) -> object:
        from coterie.consensus.api.types import Consistency  # noqa: PLC0415

        return await client.metadata.get(self._key(number), consistency=Consistency.STALE)

    def _key(self, number: int) -> bytes:
        return f"{self._plan.prefix}{self._run}/{number:05}".encode()

    def _gossip_key(self, number: int) -> str:
        return f"{self._plan.prefix}gossip/{number:05}"

    def _new_value(self) -> bytes:
        """Of the size planned, and another one each time: a node does not write what it has already."""
        head = secrets.token_hex(8)[: self._plan.value_bytes]
        return (head + self._value[len(head) :]).encode()
