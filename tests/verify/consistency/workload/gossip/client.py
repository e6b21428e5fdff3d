"""A client of the gossip layer's keys: writes those of the node it asks, and reads its own and those of others.

The keys are the registers of the Raft workload, one namespace a node. Each operation is one try; it is written down
with the generation of the process that answered, for a restarted process is another namespace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any
from urllib.parse import quote

from tests.verify.consistency.contract import Cluster, NodeHandle
from tests.verify.consistency.workload.choosing import Chooser, address_of
from tests.verify.consistency.workload.http_client import Answer, Caller, Connection, GoneError
from tests.verify.consistency.workload.raft.actor import REGISTERS

TRY_SECONDS = 3.0

Line = dict[str, Any]


class Numbers:
    """Values that nobody else writes."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def next(self) -> str:
        return f"g{next(self._numbers)}"


class GossipClient:
    def __init__(
        self,
        name: str,
        cluster: Cluster,
        rng: Random,
        interval: float,
        numbers: Numbers,
        write: Callable[[Line], None],
    ) -> None:
        """`interval`: seconds between the beginnings of two operations, on average."""
        self._name = name
        self._cluster = cluster
        self._rng = rng
        self._interval = interval
        self._numbers = numbers
        self._write = write
        self._chooser = Chooser(cluster, Random(rng.random()))
        self._caller = Caller()

    async def run(self, over: asyncio.Event) -> None:
        try:
            while not over.is_set():
                began = time.monotonic()
                await self._act()
                await asyncio.sleep(max(0.0, self._rng.expovariate(1 / self._interval) - (time.monotonic() - began)))
        finally:
            self._caller.close()

    async def _act(self) -> None:
        node, key = self._chooser.node(), self._rng.choice(REGISTERS)
        choice = self._rng.random()
        if choice < 0.40:
            await self.do(node, "put", key)
        elif choice < 0.45:
            await self.do(node, "put_ttl", key)
        elif choice < 0.53:
            await self.do(node, "delete", key)
        elif choice < 0.56:
            await self.do(node, "expire", key)
        elif choice < 0.72:
            await self.do(node, "get", key)
        else:
            await self.do(node, "get", key, owner=self._rng.choice(list(self._cluster.nodes)))

    async def do(self, node: NodeHandle, op: str, key: str, owner: str = "") -> Line:
        """One operation, written down. `owner`: whose key is read; else the node's own."""
        line: Line = {
            "client": self._name,
            "node": node.name,
            "op": op,
            "owner": owner or node.name,
            "key": key,
            "value": self._numbers.next() if op.startswith("put") else None,
            "generation": None,
            "version": None,
            "invoked": time.monotonic(),
            "returned": None,
            "outcome": "failed" if op == "get" else "unknown",
            "error": "",
        }
        try:
            connection = await self._caller.connection(address_of(node))
            line["generation"] = await self._generation(connection, node)
            line["invoked"] = time.monotonic()
            answer = await self._ask(connection, line)
        except GoneError as gone:
            line["error"] = f"gone: {gone}"
            if not gone.sent or line["generation"] is None:
                line["outcome"] = "failed"
        else:
            self._take(line, answer)
        if line["outcome"] != "unknown":
            line["returned"] = time.monotonic()
        self._write(line)
        return line

    async def _generation(self, connection: Connection, node: NodeHandle) -> int | None:
        """That of the process behind a connection. Raises GoneError."""
        if connection.generation is None:
            answer = await connection.ask("GET", f"/v1/members/{node.name}", seconds=TRY_SECONDS)
            if answer.status == 200:
                connection.generation = answer.json()["generation"]
        return connection.generation

    async def _ask(self, connection: Connection, line: Line) -> Answer:
        op, path = line["op"], f"/v1/kv/{quote(line['key'])}"
        match op:
            case "put" | "put_ttl":
                path += "?ttl=true" if op == "put_ttl" else ""
                return await connection.ask("PUT", path, line["value"].encode(), seconds=TRY_SECONDS)
            case "delete" | "expire":
                path += "?ttl=true" if op == "expire" else ""
                return await connection.ask("DELETE", path, seconds=TRY_SECONDS)
        path += f"?node={line['owner']}" if line["owner"] != line["node"] else ""
        return await connection.ask("GET", path, seconds=TRY_SECONDS)

    @staticmethod
    def _take(line: Line, answer: Answer) -> None:
        """What an answer says."""
        if answer.status == 404 and answer.code in {"key_not_found", "node_not_found"}:
            line["outcome"] = "ok"  # it is not there, as far as known
            return
        if answer.status >= 400:
            line["error"] = answer.code
            line["outcome"] = "unknown" if answer.status >= 500 and answer.status != 503 else "failed"
            return
        told = answer.json()
        line["outcome"], line["version"] = "ok", told["version"]
        if line["op"] == "get":
            line["value"] = told["value"]
            line["of_generation"] = told["generation"]
