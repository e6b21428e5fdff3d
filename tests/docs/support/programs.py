"""Programs beside a test: nodes and recipes as child processes, and the lines that they print."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread

import httpx

from tests.docs.support.checkout import Checkout
from tests.waiting import PATIENCE_SECONDS, wait_until

ONE_NODE = """\
listen_addr = "{address}:10001"
node_id = "node1"
data_dir = "data/node1"
interval_ms = 100

[raft]
enabled = true
bootstrap_expect = 1
"""


class Program:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = Condition()
        self._ended = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, text: str, after: int = 0, *, whole: bool = False) -> int:
        """Until it prints a line with `text`, behind the first `after` lines: how many lines there are up to it.

        `whole`: nothing else stands in that line.
        """
        with self._changed:
            known = self._changed.wait_for(lambda: self._find(text, after, whole) or self._ended, PATIENCE_SECONDS)
            place = self._find(text, after, whole)
            assert known, f"no {text!r} in time, in: {self.lines}"
            assert place, f"it ended without {text!r}: {self.lines}"
            return place

    def _find(self, text: str, after: int, whole: bool) -> int:
        lines = enumerate(self.lines[after:], after + 1)
        return next((place for place, line in lines if (text == line if whole else text in line)), 0)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and wait: its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code


class Programs:
    """Starts programs in a checkout, and kills what is left of them."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._started: list[Program] = []

    def start(self, *arguments: str | Path) -> Program:
        """`python` with these arguments."""
        addresses = ",".join(f"{self._checkout.address}:{port}" for port in (10001, 10002, 10003))
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self._checkout.directory,
            env={**self._checkout.environment, "COTERIE_CLIENT_ADDRESS": addresses},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        program = Program(process)
        self._started.append(program)
        return program

    def start_node(self, config: str) -> Program:
        """A node; it may not answer yet."""
        return self.start("-m", "coterie", "--config", config)

    def start_one_node(self) -> Program:
        """A cluster of one, that serves."""
        (self._checkout.directory / "one.toml").write_text(ONE_NODE.format(address=self._checkout.address))
        node = self.start_node("one.toml")
        self.wait_until_ready()
        return node

    def wait_until_ready(self, port: int = 10001) -> None:
        url = f"http://{self._checkout.address}:{port}/readyz"

        def ready() -> bool:
            try:
                return httpx.get(url, timeout=PATIENCE_SECONDS).is_success
            except httpx.TransportError:
                return False

        wait_until(ready, lambda: f"{url} is not ready: {[each.lines for each in self._started]}")

    def end(self) -> None:
        for program in self._started:
            if program.process.poll() is None:
                program.process.kill()
            program.process.wait()
            assert program.process.stdin is not None
            program.process.stdin.close()


@contextmanager
def programs(checkout: Checkout) -> Iterator[Programs]:
    started = Programs(checkout)
    try:
        yield started
    finally:
        started.end()
