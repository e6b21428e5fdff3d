"""What strangers, and tokens of small rights, can do to a node, all of it at once: what it costs in memory, descriptors
and time. What each attack alone comes to is in tests of the rooms."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from backports import zstd

from coterie.app.wire.tokens import hash_of
from coterie.gossip.wire.messages import Ack, Syn
from tests.app.processes import Running, running
from tests.gossip.encoding import encode
from tests.gossip.helpers import SET, delta_of, digest_of, node
from tests.verify.front_fuzz.front import descriptors, megabytes
from tests.verify.front_fuzz.requests import frame
from tests.waiting import PATIENCE_SECONDS, wait_until

MOST_MEGABYTES = 200
"""What the node may grow by."""

ROUNDS = 4
"""How often each attack is made, one time after the other."""

HELD = 100
"""Connections that an attack holds at a time."""

HOLD_SECONDS = 5.0
"""So long an attacker keeps a connection, if the node does not close it."""

SAMPLE_SECONDS = 0.05

ADMIN, LOW = ("coterie_" + name + "_" + letter * 64 for name, letter in (("ops", "a"), ("low", "b")))

CONFIG = f"""[[auth.tokens]]
id = "ops"
hash = "{hash_of(ADMIN)}"
rules = [{{ layer = "*", action = "admin" }}]
[[auth.tokens]]
id = "low"
hash = "{hash_of(LOW)}"
rules = [
    {{ layer = "metadata", action = "read", prefix = "nothing/" }},
    {{ layer = "locks", action = "write", prefix = "nothing/" }},
]
"""

_HOST = b"Host: localhost\r\n"
_LOW = b"Authorization: Bearer " + LOW.encode() + b"\r\n"
_ADMIN = b"Authorization: Bearer " + ADMIN.encode() + b"\r\n"
_UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def _post(path: bytes, body: bytes) -> bytes:
    head = b"POST %s HTTP/1.1\r\n%s%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (path, _HOST, _LOW, len(body)) + body


@dataclass
class Flood:
    """On one connection: `head`, then `unit` up to `times`, or until the node closes."""

    head: bytes
    unit: bytes = b""
    times: int = 1
    reads: bool = True
    connections: int = 4


FLOODS = {
    "trailers": Flood(
        b"POST /v1/txn HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"".join(b"x%03d: %s\r\n" % (i, b"v" * 8_000) for i in range(100)),
        50,
    ),
    "pipelines": Flood(b"", (b"GET /livez HTTP/1.1\r\n" + _HOST + b"\r\n") * 1_000, 200, reads=False),
    "pipelines that are read": Flood(b"", (b"GET /livez HTTP/1.1\r\n" + _HOST + b"\r\n") * 1_000, 20),
    "unread answers": Flood(
        b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\n" + _HOST + b"\r\n", reads=False, connections=HELD
    ),
    "half a body": Flood(
        b"POST /v1/txn HTTP/1.1\r\n" + _HOST + b"Content-Length: 1000\r\n\r\nx", reads=False, connections=HELD
    ),
    "bodies without end": Flood(
        b"POST /%76%31/txn HTTP/1.1\r\n" + _HOST + _LOW + b"Content-Length: 500000000\r\n\r\n", b" " * 10**6, 500
    ),
    "refused transactions": Flood(
        b"", _post(b"/v1/txn", b'{"compare":[' + b",".join([b"{}"] * 600_000) + b"]}"), 3, connections=8
    ),
    "deep bodies": Flood(b"", _post(b"/v1/txn", b'{"then":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), 3),
    "many parameters": Flood(
        b"GET /v1/meta?prefix=nothing/&" + b"a=1&" * 7_000 + b" HTTP/1.1\r\n" + _HOST + _LOW + b"\r\n", connections=8
    ),
    "fragments": Flood(
        b"GET /v1/ws?kinds=raft HTTP/1.1\r\n" + _HOST + _ADMIN + _UPGRADE + b"\r\n" + frame(1, b"a", final=False),
        frame(0, b"a" * 10, final=False) * 5_000,
        200,
    ),
    "snapshots": Flood(
        b"GET /v1/raft/snapshot HTTP/1.1\r\n" + _HOST + _ADMIN + b"\r\n", reads=False, connections=HELD // 2
    ),
    "watches": Flood(b"GET /v1/watch?prefix=nothing/ HTTP/1.1\r\n" + _HOST + _LOW + b"\r\n", connections=HELD),
    "streams": Flood(b"GET /v1/events HTTP/1.1\r\n" + _HOST + _LOW + b"\r\n", connections=HELD),
    "leases": Flood(b"", _post(b"/v1/leases", b'{"ttl":604800}') * 50, 10),
}


async def flood(address: tuple[str, int], what: Flood) -> None:
    """All connections of it side by side."""

    async def one() -> None:
        with suppress(OSError, TimeoutError):
            sock = socket.socket()
            if not what.reads:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            reader, writer = await asyncio.open_connection(sock=sock)
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    writer.write(what.head)
                    for _ in range(what.times if what.unit else 0):
                        writer.write(what.unit)
                        await writer.drain()
                    if not what.reads:
                        await asyncio.sleep(HOLD_SECONDS)
                    answered = what.reads
                    while answered:
                        answered = bool(await reader.read(1 << 20))
            finally:
                writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(what.connections):
            tasks.create_task(one())


async def strangers_at_raft(address: tuple[str, int]) -> None:
    """Garbage, lengths of gigabytes, and silence."""
    for start in (b"", b"\xff\xff\xff\xff", b"\0\0\4\0" + bytes(10), os.urandom(4_000)):
        await flood(address, Flood(start, b"", 1, connections=HELD // 2))


def datagrams(number: int) -> list[bytes]:
    """Invented names, their large keys, and tiny operations for a node that nobody knows."""
    names = [node(f"invented-{number}-{i}", host="10.9.9.9") for i in range(900)]
    keys = [
        delta_of(each, *((f"k{v}", "a" * 65_000, v, SET) for v in range(1, 30)), from_version=0) for each in names[:8]
    ]
    plain = b"\0" + names[0].encoded + bytes(16) + (b"\x02" + struct.pack("<Q", 1)) * 99_990
    parts = [zstd.compress(plain[at : at + 65_000]) for at in range(0, len(plain), 65_000)]
    tiny = struct.pack("<HBB", 45_139, 0, 2) + b"".join(struct.pack("<BH", 1, len(p)) + p for p in parts) + b"\0"
    return [
        encode(Syn(digest_of(*((each, 5, 0, 0) for each in names)), "testing")),
        *[encode(Ack([each])) for each in keys],
        tiny,
    ]


async def gossip(address: tuple[str, int], made: Sequence[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(10):
            for data in made:
                sock.sendto(data, address)
            await asyncio.sleep(0.2)


@dataclass
class Figures:
    idle_megabytes: int
    most_megabytes: int = 0
    most_descriptors: int = 0
    livez_asked: int = 0
    livez_seconds: float = 0.0
    """The longest."""


def _sample(target: Running, figures: Figures, ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        before = time.monotonic()
        assert target.get("/livez") == {"status": "ok"}
        figures.livez_asked += 1
        figures.livez_seconds = max(figures.livez_seconds, time.monotonic() - before)
        figures.most_megabytes = max(figures.most_megabytes, megabytes(target))
        figures.most_descriptors = max(figures.most_descriptors, descriptors(target))


def ask(target: Running, path: str) -> Any:
    url = "http://{}:{}{}".format(*target.address, path)
    return httpx.get(url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=PATIENCE_SECONDS).json()


def attacked(directory: Path, rounds: int = ROUNDS) -> Figures:
    """Attack a node that holds 30 MB of metadata. Raises AssertionError where it ends, or leads no more."""
    config = directory / "node.toml"
    config.write_text(CONFIG)
    with running(
        CONFIG=str(config),
        NODE_ID="attacked",
        DATA_DIR=str(directory / "data"),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="1",
        AUTH__ANONYMOUS="none",
    ) as target:
        wait_until(lambda: target.get("/readyz").get("status") == "ok")
        url = "http://{}:{}".format(*target.address)
        with httpx.Client(headers={"Authorization": f"Bearer {ADMIN}"}, timeout=PATIENCE_SECONDS) as client:
            for number in range(60):
                assert client.put(f"{url}/v1/meta/k{number}", content=os.urandom(500_000)).status_code == 200
        before = ask(target, "/v1/raft/status")
        host, _, port = ask(target, "/v1/cluster")["raft"]["members"][0]["raft_addr"].rpartition(":")
        figures = Figures(megabytes(target))
        asyncio.run(_attack(target, (host, int(port)), figures, rounds))
        after = ask(target, "/v1/raft/status")
        assert (after["role"], after["term"]) == ("leader", before["term"])
        faults = [line for line in target.lines if "internal error" in line or "Traceback" in line]
        assert not faults, faults[:2]
        assert target.end() == 0
    return figures


async def _attack(target: Running, raft: tuple[str, int], figures: Figures, rounds: int) -> None:
    made = [datagrams(number) for number in range(rounds)]
    ended = threading.Event()
    sampling = asyncio.create_task(asyncio.to_thread(_sample, target, figures, ended))

    async def again(attack: Callable[[int], Awaitable[None]]) -> None:
        for number in range(rounds):
            await attack(number)

    try:
        async with asyncio.TaskGroup() as tasks:
            for what in FLOODS.values():
                tasks.create_task(again(partial(_flood_again, target.address, what)))
            tasks.create_task(again(lambda _: strangers_at_raft(raft)))
            tasks.create_task(again(lambda number: gossip(target.address, made[number])))
    finally:
        ended.set()
        await sampling


async def _flood_again(address: tuple[str, int], what: Flood, _number: int) -> None:
    await flood(address, what)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.verify.front_fuzz.all_at_once", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print(json.dumps(vars(attacked(Path(directory), options.rounds))))


if __name__ == "__main__":
    main()
