"""What the trials share: one node or three, the command line, and disks of a few megabytes."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.app.processes import run
from tests.cluster.processes import Node, Nodes
from tests.waiting import wait_for, wait_until

FOUNDERS = ("node1", "node2", "node3")


class Field:
    """Nodes with directories that outlive them."""

    def __init__(self, started: Nodes, directory: Path) -> None:
        self._started = started
        self.directory = directory

    def up(self, name: str, founders: int | None = 0, seeds: tuple[str, ...] = (), **settings: str) -> Node:
        """`founders`: how many found the Raft cluster; 0: it joins one; None: it takes no part."""
        if founders is not None:
            settings.setdefault("RAFT__ENABLED", "true")
            settings.setdefault("DATA_DIR", str(self.directory / name))
        if founders:
            settings.setdefault("RAFT__BOOTSTRAP_EXPECT", str(founders))
        listen = settings.pop("LISTEN_ADDR", "127.0.0.1:0")
        return self._started.start(settings.pop("NODE_ID", name), listen_addr=listen, seeds=seeds, **settings)

    def one(self, **settings: str) -> Node:
        node = self.up("one", 1, (), **settings)
        wait_until(lambda: is_ready(node), lambda: ready(node))
        return node

    def three(self, **settings: str) -> list[Node]:
        nodes: list[Node] = []
        for name in FOUNDERS:
            nodes.append(self.up(name, 3, tuple(each.address for each in nodes), **settings))
        wait_until(lambda: all(is_ready(each) and len(voters(each)) == 3 for each in nodes))
        return nodes


def ready(node: Node) -> dict[str, Any]:
    return dict(node.client.get("/readyz?verbose").json())


def is_ready(node: Node) -> bool:
    return node.client.get("/readyz").status_code == 200


def voters(node: Node) -> list[str]:
    return list(node.client.get("/v1/cluster").json()["raft"]["voters"])


def leader(nodes: list[Node]) -> Node:
    """Once all of them name the same."""

    def named() -> Node | None:
        told = {node.client.get("/v1/raft/status").json()["leader"] for node in nodes}
        return next((node for node in nodes if told == {node.node_id}), None)

    return wait_for(named)


def coterie(node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, at this node."""
    return run(*arguments, CLIENT_ADDRESS=node.address)


def metric(node: Node, name: str) -> float:
    """A metric without labels."""
    line = next(line for line in node.client.get("/metrics").text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


# -- disks -------------------------------------------------------------------------------------------------------------


def _mount(kind: bytes, at: Path, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(at), kind, 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of this size. Skips the test where the machine does not allow one."""
    at.mkdir(parents=True, exist_ok=True)
    try:
        _mount(b"tmpfs", at, f"size={mebibytes}M")
    except OSError as error:
        pytest.skip(f"file systems cannot be mounted here: {error}")
    try:
        yield at
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(at), 2)  # lazily: a node that is being killed may still hold files


def fill(disk: Path) -> Path:
    """Take every byte that is free; remove the file to give them back."""
    at = disk / "fill"
    with at.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * (1 << 20)):
            pass
    with at.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0"):
            pass
    return at
