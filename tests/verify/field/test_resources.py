"""A resource runs out for a while (rows 1 and 9)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.cluster.processes import Node
from tests.verify.field.clusters import FOUNDERS, Field, fill, leader, ready, small_disk
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

VALUE = b"v" * 65_536


def test_a_node_starts_on_a_full_disk(field: Field) -> None:
    """Row 9."""
    with small_disk(field.directory / "one", 96) as disk:
        node = field.one()
        for number in range(50):
            node.client.put(f"/v1/meta/{number}", content=VALUE)
        filler = fill(disk)
        assert node.stop() == 0
        fill(disk)
        again = field.up("one", 1)
        wait_until(lambda: again.client.get("/v1/meta/7?raw").content == VALUE, lambda: ready(again))
        filler.unlink()
        wait_until(lambda: again.client.put("/v1/meta/a", content="x").status_code == 200)
        again.kill()


@pytest.mark.slow
def test_a_leader_with_a_full_disk_hands_over(field: Field) -> None:
    """Row 1: the followers have space, so writes go on."""
    with ExitStack() as disks:
        disk = {name: disks.enter_context(small_disk(field.directory / name, 96)) for name in FOUNDERS}
        nodes = field.three()
        full = leader(nodes)
        other = next(node for node in nodes if node is not full)
        fill(disk[full.node_id])
        for number in range(700):  # 44 MB: the segment in use and the spare one are full before
            if leader_of(full) not in (None, full.node_id):
                break
            put(other, f"full/{number % 50}", VALUE)
        wait_until(lambda: leader_of(full) not in (None, full.node_id), lambda: ready(full))
        for number in range(100):
            assert put(other, f"after/{number % 50}", VALUE) == 200
        for node in nodes:
            node.kill()


def leader_of(node: Node) -> str | None:
    named = node.client.get("/v1/raft/status").json()["leader"]
    return None if named is None else str(named)


def put(node: Node, key: str, value: bytes) -> int:
    return node.client.put(f"/v1/meta/{key}", content=value).status_code
