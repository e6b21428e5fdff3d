"""Real nodes as child processes on loopback, and what their HTTP face says of the cluster."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests import ROOT
from tests.waiting import PATIENCE_SECONDS

State = dict[str, Any]


@dataclass
class Node:
    """One running node. Its log goes to a file, so that a failure can show it."""

    process: subprocess.Popen[str]
    node_id: str
    address: str
    client: httpx.Client
    lines: list[str] = field(default_factory=list)

    def state(self) -> State:
        """`GET /`."""
        answer = self.client.get("/")
        answer.raise_for_status()
        state: State = answer.json()
        return state

    def live(self) -> set[str]:
        return {n["node_id"] for n in self.state()["live_nodes"]}

    def dead(self) -> set[str]:
        return {n["node_id"] for n in self.state()["dead_nodes"]}

    def set(self, key: str, value: str) -> None:
        answer = self.client.get("/set_kv", params={"key": key, "value": value})
        assert answer.json() == {"status": True}, answer.text

    def value(self, owner: str, key: str) -> str | None:
        """What this node holds of another's key; the newest incarnation counts."""
        states = [s for s in self.state()["cluster_state"]["node_states"] if s["chitchat_id"]["node_id"] == owner]
        if not states:
            return None
        newest = max(states, key=lambda s: s["chitchat_id"]["generation"])
        held = newest["key_values"].get(key)
        return None if held is None or held["status"] == "Delete" else held["value"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Nodes:
    """Starts nodes, and ends all of them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._undo = ExitStack()

    def start(
        self, node_id: str, *, listen_addr: str = "127.0.0.1:0", seeds: Sequence[str] = (), **settings: str
    ) -> Node:
        """A node that answers. `settings` are environment variables less their prefix, such as `CLUSTER_ID`;
        `BEFORE` is what a shell runs before it becomes the node, such as `ulimit -n 400`."""
        command = [sys.executable, "-m", "coterie", "--listen_addr", listen_addr, "--node_id", node_id]
        for seed in seeds:
            command += ["--seed", seed]
        if before := settings.pop("BEFORE", ""):  # what a shell runs before it
            command = ["bash", "-c", f'{before}; exec "$@"', "bash", *command]
        extra = {f"COTERIE_{name}": value for name, value in settings.items()}
        process = subprocess.Popen(
            command,
            env={**self._environment, **extra},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._undo.callback(process.wait)
        self._undo.callback(process.kill)
        lines: list[str] = []
        url = _wait_for_url(process, lines)
        client = self._undo.enter_context(httpx.Client(base_url=url, timeout=PATIENCE_SECONDS))
        return Node(process, node_id, url.removeprefix("http://").rstrip("/"), client, lines)

    def end(self) -> None:
        self._undo.close()


def _wait_for_url(process: subprocess.Popen[str], lines: list[str]) -> str:
    """Read the node's log in a thread, which goes on until the process ends; the start line holds its URL."""
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as log:
            for line in log:
                lines.append(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if "url" in entry:
                    found.put(str(entry["url"]))
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    url = found.get(timeout=PATIENCE_SECONDS)
    assert url is not None, "the node did not start:\n" + "".join(lines)
    return url


@contextmanager
def nodes(**settings: str) -> Iterator[Nodes]:
    """`settings` hold for every node: environment variables less their prefix."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COTERIE_")}
    environment |= {f"COTERIE_{name}": value for name, value in settings.items()}
    started = Nodes(environment | {"COTERIE_LOG__FORMAT": "json"})
    try:
        yield started
    finally:
        started.end()
