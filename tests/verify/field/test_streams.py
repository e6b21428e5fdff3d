"""A stream knows whether it hears: a definite event and an end (rows 4, 5)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.processes import environment
from tests.cluster.processes import Node
from tests.verify.field.clusters import Field, coterie, leader, metric
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cluster


class Watching:
    """`coterie meta watch` as a process; its lines and errors go to a file each."""

    def __init__(self, directory: Path, nodes: list[Node], *arguments: str) -> None:
        self._out, self._err = directory / "watched", directory / "errors"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coterie", "meta", "watch", "--json", *arguments],
                env=environment({"CLIENT_ADDRESS": ",".join(node.address for node in nodes)}),
                stdout=out,
                stderr=err,
            )

    @property
    def lines(self) -> list[str]:
        return self._out.read_text().splitlines()

    @property
    def errors(self) -> str:
        return self._err.read_text()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def test_a_revision_that_is_yet_to_come_is_refused(field: Field) -> None:
    """Row 5, first part."""
    node = field.one()
    answer = node.client.get("/v1/watch?prefix=&revision=999999999")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "future_revision"
    read = node.client.get("/v1/meta/x/1?revision=999999999")
    assert read.json()["error"]["code"] == "future_revision"


@pytest.mark.slow
def test_a_watch_ends_where_the_cluster_is_another(field: Field) -> None:
    """Row 5, second part."""
    listen = "127.19.1.5:10000"
    node = field.one(LISTEN_ADDR=listen)
    for number in range(200):
        node.client.put("/v1/meta/x/1", content=str(number))
    watching = Watching(field.directory, [node], "x/")
    wait_until(lambda: metric(node, "coterie_raft_watches") >= 1)
    node.client.put("/v1/meta/x/1", content="last")
    wait_until(lambda: watching.lines)
    node.kill()
    (field.directory / "one").rename(field.directory / "gone")  # a cluster of its own begins here
    again = field.one(LISTEN_ADDR=listen)
    again.client.put("/v1/meta/x/1", content="b")
    assert watching.process.wait(PATIENCE_SECONDS) != 0
    assert "revision" in watching.errors


@pytest.mark.slow
def test_one_large_revision(field: Field) -> None:
    """Row 4."""
    nodes = field.three()
    at = leader(nodes)
    value = b"a" * 500_000
    for number in range(200):
        assert at.client.put(f"/v1/meta/big/{number}", content=value).status_code == 200
    before = [metric(node, "coterie_raft_leader_changes_total") for node in nodes]
    revision = at.client.get("/v1/meta?prefix=big/").json()["revision"]
    watching = Watching(field.directory, nodes, "big/")
    wait_until(lambda: sum(metric(node, "coterie_raft_watches") for node in nodes) >= 1)
    done = coterie(at, "meta", "del", "big/", "--prefix", "--yes")
    assert done.returncode == 0, done.stderr

    def told(lines: list[str]) -> int:
        return sum(len(json.loads(line)["changes"]) if "changes" in line else 1 for line in lines)

    wait_until(lambda: told(watching.lines) == 200 or watching.process.poll() is not None, lambda: len(watching.lines))
    assert watching.process.poll() is None
    assert told(watching.lines) == 200
    watching.end()
    again = Watching(field.directory, nodes, "big/", "--from_revision", str(revision + 1))
    wait_until(lambda: told(again.lines) == 200 or again.process.poll() is not None)
    assert told(again.lines) == 200
    again.end()
    assert before == [metric(node, "coterie_raft_leader_changes_total") for node in nodes]
