"""Drives a real node with mutated requests, and holds what it may take of memory, descriptors and time."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from coterie.app.wire.tokens import hash_of
from tests.app.processes import Running, running
from tests.verify.front_fuzz.requests import TOKEN, stream
from tests.waiting import PATIENCE_SECONDS, wait_until

CONNECTIONS = 40
"""At a time."""

CONNECTIONS_PER_CHECK = 200

QUIET_SECONDS = (0.001, 0.1)
"""Some clients end before they are answered."""

MOST_MEGABYTES = 80
"""What the node may grow by, keys that it was asked to write included."""

SPARE_DESCRIPTORS = 40
"""What it may have open beside what it had at first, once the connections are closed."""

MOST_CPU_SECONDS = 0.02
"""Processor time that a request may take, on the average of a part: ten times what one takes on a quiet machine."""

_TICKS = os.sysconf("SC_CLK_TCK")

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")

CONFIG = f"""[[auth.tokens]]
id = "fuzz"
hash = "{hash_of(TOKEN)}"
rules = [
    {{ layer = "metadata", action = "write", prefix = "fuzz/" }},
    {{ layer = "locks", action = "write", prefix = "fuzz/" }},
    {{ layer = "gossip", action = "write" }},
    {{ layer = "cluster", action = "read" }},
]
"""


@dataclass
class Figures:
    """What was seen."""

    requests: int = 0
    connections: int = 0
    grown_megabytes: int = 0
    cpu_seconds: float = 0.0
    """Of a request, in the worst part."""
    statuses: Counter[int] = field(default_factory=Counter)


@contextmanager
def fuzzed_node(directory: Path) -> Iterator[Running]:
    """A node with both layers, short deadlines, and nothing allowed without a token."""
    config = directory / "node.toml"
    config.write_text(CONFIG)
    with running(
        CONFIG=str(config),
        DATA_DIR=str(directory / "data"),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="1",
        AUTH__ANONYMOUS="none",
        AUTH__MAX_TRIES="1000000",
        HTTP__HEAD_SECONDS="1",
        HTTP__BODY_SECONDS="1",
        HTTP__KEEP_ALIVE_SECONDS="1",
        GOSSIP__MAX_KEYS_PER_NODE="1000",
    ) as node:
        wait_until(lambda: node.get("/readyz").get("status") == "ok")
        yield node


def megabytes(node: Running) -> int:
    text = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


def descriptors(node: Running) -> int:
    return len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))


def cpu_seconds(node: Running) -> float:
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def fuzz(node: Running, requests: int, seed: int) -> Figures:
    """Send so many requests, or what was made of them. Raises AssertionError, with the seed, at the first breach."""
    figures = Figures()
    memory, files = megabytes(node), descriptors(node)
    part = 0
    while figures.requests < requests:
        left = requests - figures.requests
        sent, spent = figures.requests, cpu_seconds(node)
        asyncio.run(_part(node, Random(f"{seed}/{part}"), left, figures))
        note = f"seed {seed}, part {part}"
        assert node.process.poll() is None, f"{note}: the node ended: {node.log[-2000:]}"
        assert node.get("/livez") == {"status": "ok"}, note
        cost = (cpu_seconds(node) - spent) / max(figures.requests - sent, CONNECTIONS_PER_CHECK)
        figures.cpu_seconds = max(figures.cpu_seconds, cost)
        assert cost <= MOST_CPU_SECONDS, f"{note}: a request took {cost:.3f} s of processor time"
        figures.grown_megabytes = max(figures.grown_megabytes, megabytes(node) - memory)
        assert figures.grown_megabytes <= MOST_MEGABYTES, f"{note}: grew by {figures.grown_megabytes} MB"
        wait_until(lambda: descriptors(node) <= files + SPARE_DESCRIPTORS, f"{note}: descriptors stay open")
        problems = [line for line in node.lines if "internal error" in line or "Traceback" in line]
        assert not problems, f"{note}: {problems[:2]}"
        part += 1
    unexpected = {status for status in figures.statuses if status >= 500 and status not in {503, 504, 505, 507}}
    assert not unexpected, f"seed {seed}: {figures.statuses}"
    return figures


async def _part(node: Running, random: Random, most: int, figures: Figures) -> None:
    streams = [stream(random) for _ in range(CONNECTIONS_PER_CHECK)]

    async def one_after_the_other() -> None:
        while streams and figures.requests < most:
            data, count = streams.pop()
            answer = await _connection(node.address, data, random.choice(QUIET_SECONDS))
            figures.requests += count
            figures.connections += 1
            figures.statuses.update(int(status) for status in _STATUS.findall(answer))

    most += figures.requests
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(one_after_the_other())


async def _connection(address: tuple[str, int], data: bytes, quiet_seconds: float) -> bytes:
    """Send; once nothing has come for so long say that this was all, and read until the node closes: every connection
    must end."""
    received = b""
    with suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(data)
            with suppress(TimeoutError):
                while chunk := await asyncio.wait_for(reader.read(65_536), quiet_seconds):
                    received += chunk
            if not reader.at_eof():
                writer.write_eof()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while chunk := await reader.read(65_536):
                    received += chunk
        finally:
            writer.close()
    return received


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.verify.front_fuzz.front", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, fuzzed_node(Path(directory)) as node:
        figures = fuzz(node, options.requests, options.seed)
    print(
        json.dumps(
            {
                "requests": figures.requests,
                "connections": figures.connections,
                "grown_megabytes": figures.grown_megabytes,
                "cpu_milliseconds": round(figures.cpu_seconds * 1_000, 1),
                "statuses": dict(sorted(figures.statuses.items())),
            }
        )
    )


if __name__ == "__main__":
    main()
