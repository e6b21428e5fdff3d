"""Strangers at the Raft ports of a running group: it serves on, its memory stays, its log tells, and not too much
(faults 6 and 16). What one link does with each attack is in `tests/consensus/raft/net`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coterie.consensus.raft.messages import Ping, encode
from coterie.consensus.raft.net.session import HEAD_BYTES, HELLO, PROOF, PROOF_BYTES, Identity, LinkSession
from coterie.consensus.store import KNOWN_LEVEL, Put
from tests.verify.raft_processes.members import wire
from tests.verify.raft_processes.members.member import CLUSTER, SECRET
from tests.verify.raft_processes.members.processes import Process, ProcessGroup, process_group

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]

GROWTH_BYTES = 24 << 20
"""More than a member may grow by during all attacks: they send many times as much."""

CONNECTIONS = 200
OPEN_CONNECTIONS = 1_000
FILES_NEEDED = 2 * OPEN_CONNECTIONS


def frame(kind: int, body: bytes) -> bytes:
    return (len(body) + 1).to_bytes(HEAD_BYTES, "big") + bytes([kind]) + body


def session(group: ProcessGroup, number: int, *, cluster: str = CLUSTER, secret: bytes = SECRET) -> LinkSession:
    """A stranger's side of a link that it dials; its id is above all others, so that it is the one to dial."""
    stranger = Identity(cluster, "z" * 32, 1, b"process", secret, level=KNOWN_LEVEL)
    return LinkSession(stranger, os.urandom(32), dialled=group.ids[number], max_frame=1 << 20)


async def say(address: wire.Address, *parts: bytes) -> None:
    """Send, and wait until the member has closed the connection."""
    with suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(*address)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(30.0):
                while await reader.read(65_536):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def random_bytes(group: ProcessGroup, number: int) -> None:
    rng = Random(number)
    for _ in range(CONNECTIONS):
        await say(group.running[number].address, rng.randbytes(rng.randrange(2_000, 60_000)))


async def giant_lengths(group: ProcessGroup, number: int) -> None:
    """Four gigabytes are announced, and megabytes come."""
    for _ in range(20):
        await say(group.running[number].address, b"\xff\xff\xff\xff", *[bytes(1 << 20)] * 8)
        await say(group.running[number].address, b"\x00\x10\x00\x00" + bytes([HELLO]), *[bytes(1 << 20)] * 8)


async def wrong_cluster(group: ProcessGroup, number: int) -> None:
    for _ in range(CONNECTIONS):
        await say(group.running[number].address, *session(group, number, cluster="another").outgoing)


async def wrong_secret(group: ProcessGroup, number: int) -> None:
    for _ in range(CONNECTIONS):
        stranger = session(group, number, secret=b"a guess")
        await say(group.running[number].address, *stranger.outgoing, frame(PROOF, os.urandom(PROOF_BYTES)))


async def replayed_frames(group: ProcessGroup, number: int) -> None:
    """All that a real link said, its proof included, and a ping of a later term."""
    recorded: list[bytes] = []
    genuine = session(group, number)
    reader, writer = await asyncio.open_connection(*group.running[number].address)
    while genuine.peer is None:
        recorded += genuine.outgoing
        writer.writelines(genuine.outgoing)
        genuine.outgoing.clear()
        genuine.feed(await reader.read(65_536))
    recorded += [*genuine.outgoing, genuine.send(encode(Ping(1_000_000, 1, 1)))]
    writer.close()  # the ping is never sent, but by who recorded it
    await writer.wait_closed()
    for _ in range(CONNECTIONS):
        await say(group.running[number].address, *recorded)


async def open_connections(group: ProcessGroup, number: int) -> None:
    """A thousand at once, each with half a hello."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(OPEN_CONNECTIONS):
            _, writer = await asyncio.open_connection(*group.running[number].address)
            writer.write(session(group, number).outgoing[0][:20])
            writers.append(writer)
        assert await put(next(each for each in group.running.values() if each is not group.running[number]))
        assert await put(group.running[number])
    finally:
        for writer in writers:
            writer.close()
        for writer in writers:
            with suppress(ConnectionError):
                await writer.wait_closed()


Attack = Callable[[ProcessGroup, int], Coroutine[Any, Any, None]]
ATTACKS: dict[Attack, str] = {
    random_bytes: "bad_bytes",
    giant_lengths: "bad_bytes",
    wrong_cluster: "wrong_cluster",
    wrong_secret: "wrong_secret",
    replayed_frames: "wrong_secret",
    open_connections: "stranger_pushed_out",
}
"""With the word that the log must have for it; the same word at most once a second, whoever it is about."""


async def put(process: Process) -> bool:
    answer = await process.ask(
        lambda n: wire.Submit(number=n, operation=Put(b"meanwhile", b"x" * 100), timeout=30.0), wire.Result
    )
    return isinstance(answer, wire.Result)


@contextmanager
def enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_NEEDED:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES_NEEDED), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_running_group_stands_its_ground(tmp_path: Path) -> None:
    with enough_files():
        async with process_group(tmp_path, options=("--calm",)) as group:
            leader = await group.complete()
            for process in group.running.values():
                for _ in range(50):
                    assert await put(process)
            before = {number: each.resident_bytes for number, each in group.running.items()}
            terms = {(await each.status())["term"] for each in group.running.values()}
            began = time.monotonic()
            targets = [leader, next(number for number in group.running if number != leader)]
            for attack in ATTACKS:
                await attacked(group, targets, attack)
            took = time.monotonic() - began
            for number, process in group.running.items():
                grown = process.resident_bytes - before[number]
                assert grown < GROWTH_BYTES, f"member {number} grew by {grown / 1e6:.0f} MB"
                lines = [line for line in group.log(number).splitlines() if "raft link" in line]
                kinds = {line.split("raft link, ")[1].split(":")[0] for line in lines}
                assert len(lines) <= len(kinds) * (took + 10), "one line a kind and second, at most"
                if number in targets:
                    assert kinds >= set(ATTACKS.values())
            assert {(await each.status())["term"] for each in group.running.values()} == terms, "nobody was unseated"


async def attacked(group: ProcessGroup, targets: list[int], attack: Attack) -> None:
    """Attack some members while everybody is asked to write."""
    attacks = asyncio.gather(*[attack(group, number) for number in targets])
    written = 0
    while not attacks.done():
        for process in group.running.values():
            assert await put(process), f"no write during {attack.__name__}"
            written += 1
    await attacks
    assert written
    await group.complete()
