"""Five real nodes, all voters, for a page to show; named one to five."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.processes import Node, nodes
from tests.cluster.test_autopilot import Cluster

NAMES = ("one", "two", "three", "four", "five")


def url(node: Node) -> str:
    return f"http://{node.address}"


@contextmanager
def five_nodes(directory: Path, **settings: str) -> Iterator[Cluster]:
    """A dead voter stays one for as long as any test may take."""
    quick = {"INTERVAL_MS": "100", "GOSSIP__INITIAL_INTERVAL": "0.5", "RAFT__DEAD_VOTER_GRACE": "600"}
    with nodes(**quick, **settings) as started:
        all_nodes = Cluster(started, directory)
        all_nodes.found(*NAMES)
        yield all_nodes


def set_key(node: Node, key: str, value: str) -> None:
    """Of gossip."""
    node.client.put(f"/v1/kv/{key}", content=value).raise_for_status()
