"""The `coterie` command as a child process: what it is given, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import ROOT
from tests.waiting import PATIENCE_SECONDS

COMMAND = (sys.executable, "-m", "coterie")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, less its settings for a node, plus `settings` (names less their prefix)."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("COTERIE_")}
    return own | {f"COTERIE_{name}": value for name, value in settings.items()}


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A start that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


class Running:
    """A node that said that it started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._started.wait(PATIENCE_SECONDS)
        assert self.process.poll() is None, self.log

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.lines.append(line)
                if '"node started"' in line:
                    self._started.set()
        self._started.set()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    @property
    def start_line(self) -> dict[str, Any]:
        return next(entry for entry in self.entries if entry["event"] == "node started")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(str(self.start_line["url"]))
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE_SECONDS)

    def get(self, path: str) -> Any:
        """The JSON of one request, on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            return json.loads(read_to_end(connection).partition(b"\r\n\r\n")[2])

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        """Signal it, and wait: its exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def read_answer(connection: socket.socket) -> bytes:
    """The first bytes of an answer; ours are small enough to come at once, with the body last."""
    received = b""
    while b"}" not in received:
        chunk = connection.recv(65_536)
        assert chunk, received
        received += chunk
    return received


@contextmanager
def running(
    *arguments: str,
    extra_path: Sequence[Path] = (),
    command: Sequence[str] = COMMAND,
    directory: Path = ROOT,
    **settings: str,
) -> Iterator[Running]:
    """A node on a port of the system's choice, with JSON logs; killed at the end where it still runs."""
    variables = environment({"LOG__FORMAT": "json"} | settings)
    if extra_path:
        variables["PYTHONPATH"] = os.pathsep.join(map(str, extra_path))
    process = subprocess.Popen(
        [*command, *(arguments if "--listen_addr" in arguments else ("--listen_addr", "127.0.0.1:0", *arguments))],
        env=variables,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
