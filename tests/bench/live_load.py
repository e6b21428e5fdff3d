"""Many clients of one node: WebSockets that follow live updates, and keep-alive connections that ask again and again.

What they see is counted: every event with its delay, every answer, and every node that anybody took for dead.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.waiting import PATIENCE_SECONDS

KEY = "load/"

ASK_SECONDS = 1.0
"""Between two requests on one keep-alive connection."""

WRITES_PER_SECOND = 10
"""Of each layer."""

CONNECTING_AT_ONCE = 20


@dataclass
class Seen:
    """By all clients together."""

    messages: int = 0
    bytes: int = 0
    events: int = 0
    delays: list[float] = field(default_factory=list)
    """Seconds from the write of a gossip key, before the request, until a client had the event."""
    written: int = 0
    complete: int = 0
    """Clients that had every write."""
    dead: set[str] = field(default_factory=set)
    terms: set[int] = field(default_factory=set)
    answers: int = 0
    refused: int = 0
    answer_delays: list[float] = field(default_factory=list)


async def follow(socket: ClientConnection, seen: Seen, wanted: asyncio.Event, last: list[str]) -> None:
    """Until the last write has come, once it is known."""
    had: set[str] = set()
    async for text in socket:
        now = time.time()
        message = orjson.loads(text)
        seen.messages += 1
        seen.bytes += len(text)
        if message["type"] == "end":
            return
        for event in message.get("events", ()):
            seen.events += 1
            if event["kind"] == "gossip" and event["key"].startswith(KEY):
                had.add(event["value"])
                seen.delays.append(now - float(event["value"]))
            elif event["kind"] == "members" and event["change"] == "dead":
                seen.dead.add(event["member"]["node_id"])
            elif event["kind"] == "raft":
                seen.terms.add(event["raft"]["term"])
        if wanted.is_set() and had.issuperset(last):
            seen.complete += 1
            return


async def ask(host: str, port: int, seen: Seen, end: asyncio.Event, gate: asyncio.Semaphore, offset: float) -> None:
    """One connection, a request a second."""
    async with gate:
        reader, writer = await asyncio.open_connection(host, port)
    request = f"GET /v1/members/none HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode()
    await asyncio.sleep(offset)
    try:
        while not end.is_set():
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            seen.answers += 1
            seen.answer_delays.append(time.perf_counter() - began)
            if not head.startswith(b"HTTP/1.1 404"):  # there is no such node
                seen.refused += 1
            await asyncio.sleep(ASK_SECONDS)
    finally:
        writer.close()


async def write(url: str, seconds: float, values: list[str]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as http:
        began, number = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            value = repr(time.time())
            (await http.put(f"/v1/kv/{KEY}{number % 20}", content=value)).raise_for_status()
            values.append(value)
            (await http.put(f"/v1/meta/{KEY}{number % 20}", content=value)).raise_for_status()
            number += 1
            await asyncio.sleep(max(0.0, began + number / WRITES_PER_SECOND - time.perf_counter()))


async def put_under_load(address: str, clients: int, connections: int, seconds: float) -> Seen:
    """Connect them all, write for so long, and wait until every client has seen the end."""
    host, _, port = address.rpartition(":")
    seen, end, wanted = Seen(), asyncio.Event(), asyncio.Event()
    values: list[str] = []
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_SECONDS + seconds):
        tasks: set[asyncio.Task[None]] = set()

        async def open_socket() -> ClientConnection:
            async with gate:
                url = f"ws://{address}/v1/ws"
                return await connect(url, max_size=None, proxy=None, open_timeout=PATIENCE_SECONDS, compression=None)

        sockets = await asyncio.gather(*(open_socket() for _ in range(clients)))
        for socket in sockets:
            stack.push_async_callback(socket.close)
        following = [asyncio.create_task(follow(socket, seen, wanted, values)) for socket in sockets]
        for number in range(connections):
            task = asyncio.create_task(
                ask(host, int(port), seen, end, gate, ASK_SECONDS * number / max(1, connections))
            )
            tasks.add(task)
        await write(f"http://{address}", seconds, values)
        seen.written = len(values)
        # A last write, for each to see that it has come to the end.
        wanted.set()
        await write(f"http://{address}", 0.01, values)
        await asyncio.gather(*following)
        end.set()
        await asyncio.gather(*tasks)
    return seen
