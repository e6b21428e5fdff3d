"""Three servers of etcd's API as processes: Coterie's, or etcd's own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.app.processes import COMMAND, environment
from tests.bench.rivals import free_ports

ANSWER_SECONDS = 3.0


class Store:
    """Three of `kind`, "coterie" or "etcd", with their files in `directory`."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self._directory = directory
        self._ports, self._peers = free_ports(3), free_ports(3)
        self._gossip = free_ports(3)
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * 3
        for index in range(3):
            self.start(index)

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self._ports]

    def start(self, index: int) -> None:
        command, settings = self._coterie(index) if self.kind == "coterie" else (self._etcd(index), {})
        with (self._directory / f"{self.kind}{index}.log").open("ab") as log:
            self._processes[index] = subprocess.Popen(
                command, env=environment(settings), cwd=ROOT, stdout=log, stderr=log
            )

    def _coterie(self, index: int) -> tuple[tuple[str, ...], dict[str, str]]:
        return COMMAND, {
            "NODE_ID": f"store{index}",
            "LISTEN_ADDR": f"127.0.0.1:{self._gossip[index]}",
            "SEED": ",".join(f"127.0.0.1:{port}" for port in self._gossip),
            "DATA_DIR": str(self._directory / f"coterie{index}"),
            "RAFT__ENABLED": "true",
            "RAFT__BOOTSTRAP_EXPECT": "3",
            "RAFT__LISTEN_ADDR": f"127.0.0.1:{self._peers[index]}",
            "ETCD__LISTEN_ADDR": self.hosts[index],
        }

    def _etcd(self, index: int) -> tuple[str, ...]:
        program = shutil.which("etcd")
        if program is None:
            sys.exit("etcd is not installed: Debian has it as etcd-server")
        client, peer = f"http://{self.hosts[index]}", f"http://127.0.0.1:{self._peers[index]}"
        members = ",".join(f"store{each}=http://127.0.0.1:{port}" for each, port in enumerate(self._peers))
        return (
            program,
            *("--name", f"store{index}", "--data-dir", str(self._directory / f"etcd{index}")),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", members),
        )

    def signal(self, index: int, number: signal.Signals) -> None:
        """Send a signal; one that ends the process is waited for."""
        process = self._processes[index]
        assert process is not None
        process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            process.wait()
            self._processes[index] = None

    def leader(self) -> int | None:
        """The index of the server that leads."""
        for index, host in enumerate(self.hosts):
            status = _status(host)
            if status is not None and status.get("leader") == status["header"]["member_id"]:
                return index
        return None

    def is_well(self) -> bool:
        """Whether all three serve, and know one leader."""
        found = [_status(host) for host in self.hosts]
        return all(each is not None and "leader" in each for each in found) and self.leader() is not None

    def end(self) -> None:
        for index, process in enumerate(self._processes):
            if process is not None:
                self.signal(index, signal.SIGKILL)


def _status(host: str) -> Any:
    request = urllib.request.Request(f"http://{host}/v3/maintenance/status", b"{}")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - our own
            return json.load(answer)
    except (OSError, ValueError):
        return None
