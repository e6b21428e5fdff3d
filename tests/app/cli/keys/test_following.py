"""Commands that follow a stream, as processes: what they print, and how they end."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import ROOT
from tests.app.cli.shapes import check_json
from tests.app.processes import COMMAND, environment
from tests.cluster.processes import Node
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.cluster


@contextmanager
def following(node: Node, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--address", node.address],
        env=environment({}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert line, f"it ended before it said {text!r}"
    return line


def test_keys_are_followed_until_ctrl_c(node: Node) -> None:
    node.set("follow/there", "before")
    node.set("elsewhere", "x")
    with following(node, "kv", "watch", "follow/", "--json") as process:
        there = check_json("kv watch", read_until(process, "follow/there"))
        assert (there["change"], there["value"], there["time"]) == ("set", "before", None)
        node.set("follow/new", "1")
        new = check_json("kv watch", read_until(process, "follow/new"))
        assert (new["node"], new["value"]) == ("server:one", "1")
        assert new["time"] > 0
        node.client.get("/mark_for_deletion", params={"key": "follow/new"})
        gone = check_json("kv watch", read_until(process, "follow/new"))
        assert (gone["change"], gone["value"]) == ("delete", None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, out, err) == (130, "", "")


def test_events_are_followed_until_nobody_reads(node: Node) -> None:
    with following(node, "events", "--kinds", "metadata", "--prefix", "seen/", "--json") as process:
        came = threading.Event()

        def write() -> None:  # events from before it listens are not told
            while not came.wait(0.1):
                node.client.put("/v1/meta/seen/it", content="x")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            event = check_json("events", read_until(process, "seen/it"))
        finally:
            came.set()
            writer.join()
        assert (event["kind"], event["change"], event["value"]) == ("metadata", "put", "x")
        assert process.stdout is not None
        process.stdout.close()
        # Nothing more happens: it finds that by itself.
        assert process.wait(PATIENCE_SECONDS) == 0


def test_status_over_and_over(node: Node) -> None:
    with following(node, "status", "--watch", "--every", "50ms", "--json") as process:
        for _ in range(3):
            told = check_json("status", read_until(process, "cluster_id"))
            assert told["raft"]["leader"] == "server:one"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
