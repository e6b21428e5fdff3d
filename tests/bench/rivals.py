"""Groups of three that ours is measured beside: stock PySyncObj, and etcd where it is installed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.bench.idle_bench import processor_seconds
from tests.waiting import PATIENCE_SECONDS

TUNED: dict[str, Any] = {
    "appendEntriesPeriod": 0.1,
    "raftMinTimeout": 0.4,
    "raftMaxTimeout": 0.8,
    "leaderFallbackTimeout": 0.35,
    "commandsWaitLeader": False,
    "connectionRetryTime": 0.5,
    "appendEntriesUseBatch": False,
}
"""What the specification found best for stock PySyncObj."""


@dataclass(frozen=True)
class Figures:
    """Of one load: calls a second, latencies in seconds, calls that failed, what the group's processes used a call."""

    rate: float
    p50: float
    p99: float
    failed: int = 0
    processor_seconds: float = 0.0


def free_ports(count: int) -> list[int]:
    """Ports that were free just now: neither rival can be told to choose one itself."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def used_by(processes: Iterable[subprocess.Popen[Any]]) -> float:
    """Processor seconds so far."""
    return sum(processor_seconds(process.pid) for process in processes)


class Stock:
    """Three processes of stock PySyncObj. They sync nothing: what they acknowledge a power cut may take."""

    def __init__(self, processes: dict[str, subprocess.Popen[str]]) -> None:
        self._processes = processes
        self.leader = ""
        self.follower = ""

    def ask(self, address: str, line: str) -> dict[str, Any]:
        process = self._processes[address]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def find_leader(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            said = {address: self.ask(address, "status") for address in self._processes}
            leaders = {answer["leader"] for answer in said.values()}
            if len(leaders) == 1 and None not in leaders and all(answer["ready"] for answer in said.values()):
                self.leader = leaders.pop()
                self.follower = next(address for address in said if address != self.leader)
                return
            time.sleep(0.1)
        raise TimeoutError("stock PySyncObj found no leader")

    def load(self, address: str, in_flight: int, seconds: float) -> Figures:
        before = used_by(self._processes.values())
        answer = self.ask(address, f"load {in_flight} {seconds}")
        used = (used_by(self._processes.values()) - before) / max(answer["calls"], 1)
        return Figures(answer["rate"], answer["p50"], answer["p99"], answer["failed"], used)


@contextmanager
def stock(directory: Path, settings: dict[str, Any]) -> Iterator[Stock]:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        for number, own in enumerate(addresses):
            home = directory / str(number)
            home.mkdir(parents=True)
            asked = {
                "own": own,
                "others": [address for address in addresses if address != own],
                "directory": str(home),
                "settings": settings,
            }
            with open(home / "log", "wb") as log:
                processes[own] = subprocess.Popen(
                    [sys.executable, "-m", "tests.bench.stock_member", json.dumps(asked)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        group = Stock(processes)
        group.find_leader()
        yield group
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


class Etcd:
    """Three etcd servers; `load` is `wrk` on one's HTTP gateway."""

    def __init__(self, clients: list[str], directory: Path, servers: list[subprocess.Popen[bytes]]) -> None:
        self._clients = clients
        self._servers = servers
        self._directory = directory
        self.leader = ""
        self.follower = ""

    def find_leader(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            leading = [client for client in self._clients if self._leads(client)]
            if len(leading) == 1:
                self.leader = leading[0]
                self.follower = next(client for client in self._clients if client != self.leader)
                return
            time.sleep(0.1)
        raise TimeoutError("etcd found no leader")

    @staticmethod
    def _leads(client: str) -> bool:
        try:
            with urlopen(f"{client}/v3/maintenance/status", data=b"{}", timeout=2) as answer:  # noqa: S310 - our own
                status = json.load(answer)
        except (URLError, OSError):
            return False
        return bool(status.get("leader")) and status["leader"] == status["header"]["member_id"]

    def load(self, client: str, in_flight: int, seconds: float, *, read: bool = False) -> Figures:
        key = base64.b64encode(b"load/00001").decode()
        body = {"key": key} if read else {"key": key, "value": base64.b64encode(b"v" * 100).decode()}
        script = self._directory / "wrk.lua"
        script.write_text(f"wrk.method = 'POST'\nwrk.body = '{json.dumps(body)}'\n")
        path = "/v3/kv/range" if read else "/v3/kv/put"
        before = used_by(self._servers)
        said = subprocess.run(
            ["wrk", "-t1", f"-c{in_flight}", f"-d{seconds:.0f}s", "--latency", "-s", str(script), client + path],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return wrk_figures(said, used_by(self._servers) - before)


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def wrk_figures(said: str, used: float) -> Figures:
    """From what `wrk --latency` prints, and the processor time that the servers used meanwhile."""

    def at(share: str) -> float:
        found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m|h)\s*$", said, re.MULTILINE)
        assert found is not None, said
        return float(found[1]) * _UNITS[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None, said
    calls = re.search(r"(\d+) requests in", said)
    assert calls is not None, said
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    failed = 0 if bad is None else int(bad[1])
    return Figures(float(rate[1]), at("50"), at("99"), failed, used / max(int(calls[1]), 1))


def etcd_is_here() -> bool:
    return shutil.which("etcd") is not None and shutil.which("wrk") is not None


@contextmanager
def etcd(directory: Path) -> Iterator[Etcd]:
    directory.mkdir(parents=True)
    ports = free_ports(6)
    clients = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
    members = ",".join(f"n{number}={peer}" for number, peer in enumerate(peers))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            with open(directory / f"{number}.log", "wb") as log:
                servers.append(
                    subprocess.Popen(
                        [
                            "etcd",
                            *("--name", f"n{number}", "--data-dir", str(directory / str(number))),
                            *("--listen-client-urls", client, "--advertise-client-urls", client),
                            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                            *("--initial-cluster", members, "--initial-cluster-state", "new"),
                        ],
                        stdout=log,
                        stderr=log,
                    )
                )
        group = Etcd(clients, directory, servers)
        group.find_leader()
        yield group
    finally:
        for server in servers:
            server.kill()
            server.wait()
