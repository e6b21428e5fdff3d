"""Both servers as processes of their own, on ports that are free."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.app.etcd.differential.side import Side
from tests.app.processes import running
from tests.waiting import PATIENCE_SECONDS, wait_until

ETCD = shutil.which("etcd")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def real_etcd(directory: Path) -> Iterator[Side]:
    """etcd itself. The port may be another's by the time that it listens: then it is tried again."""
    assert ETCD is not None
    for attempt in range(5):
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        log = (directory / f"etcd-{attempt}.log").open("w")
        process = subprocess.Popen(
            [
                ETCD,
                *("--data-dir", str(directory / f"etcd-{attempt}"), "--listen-client-urls", client),
                *("--advertise-client-urls", client, "--listen-peer-urls", peer),
                *("--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            port = int(client.rpartition(":")[2])
            wait_until(partial(_is_up, process, port), log.name)
            if process.poll() is None:
                side = Side("127.0.0.1", port)
                yield side
                side.close()
                return
        finally:
            process.kill()
            process.wait()
            log.close()
    raise AssertionError("etcd found no free port")


@contextmanager
def coterie_node(directory: Path) -> Iterator[Side]:
    """A node that is a cluster of its own."""
    with running(
        DATA_DIR=str(directory / "coterie"),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="1",
        RAFT__LISTEN_ADDR="127.0.0.1:0",
        ETCD__LISTEN_ADDR="127.0.0.1:0",
    ) as node:
        port = int(node.start_line["etcd_addr"].rpartition(":")[2])
        wait_until(lambda: _answers(port), lambda: node.log)
        side = Side("127.0.0.1", port)
        yield side
        side.close()


def _is_up(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it serves, or has ended."""
    return process.poll() is not None or _answers(port)


def _answers(port: int) -> bool:
    """Whether it serves, and has a leader."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    with closing(connection), suppress(OSError):
        connection.request("GET", "/health")
        response = connection.getresponse()
        return response.status == 200 and json.loads(response.read())["health"] == "true"
    return False
