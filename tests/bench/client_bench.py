"""The Python client beside bare httpx, on the same node in one run: what retries, ids, bounds and types cost.

One process loads a node that is the only member of its group, with one request in flight and with 16. What counts is
the processor time of the caller, for which it matters little what else the machine does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import httpx

from coterie.app.client import Client
from tests.cluster.processes import nodes
from tests.waiting import wait_until

Row = tuple[str, float]
Request = Callable[[], Awaitable[object]]

REQUESTS = 500
TURNS = 3
VALUE = b"v" * 100


async def _load(request: Request, in_flight: int) -> tuple[float, float]:
    """Requests a second, and processor seconds of each in this process."""
    left = REQUESTS

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await request()

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return REQUESTS / (time.perf_counter() - began), (time.process_time() - used) / REQUESTS


async def _measure(address: str) -> list[Row]:
    async with Client(address) as client, httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as bare:

        async def put_bare() -> None:
            (await bare.put("/v1/meta/load", content=VALUE)).raise_for_status()

        async def get_bare() -> None:
            (await bare.get("/v1/meta/load")).raise_for_status().json()

        runs: dict[str, Request] = {
            "PUT, bare httpx": put_bare,
            "PUT, the client": lambda: client.metadata.put(b"load", VALUE),
            "linearizable GET, bare httpx": get_bare,
            "linearizable GET, the client": lambda: client.metadata.get(b"load"),
        }
        rows: list[Row] = []
        for in_flight in (1, 16):
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
            for request in runs.values():
                await request()
            for _ in range(TURNS):
                for name, request in runs.items():
                    taken[name].append(await _load(request, in_flight))
            for name, found in taken.items():
                head = f"{name}, {in_flight} in flight"
                rows.append((f"{head} (requests/s)", median(rate for rate, _ in found)))
                rows.append((f"{head}, processor time of the caller (us a request)", 1e6 * median(s for _, s in found)))
        return rows


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory, nodes(RAFT__BOOTSTRAP_EXPECT="1") as started:
        node = started.start("a", DATA_DIR=str(Path(directory) / "a"), RAFT__ENABLED="true")
        wait_until(lambda: node.client.get("/v1/cluster").json()["raft"]["leader"] is not None)
        yield from asyncio.run(_measure(node.address))
