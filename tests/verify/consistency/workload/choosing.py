"""Which node a client asks: mostly one that is up, sometimes any, and the same one for a while."""

from __future__ import annotations

from random import Random
from urllib.parse import urlsplit

from tests.verify.consistency.contract import Cluster, NodeHandle
from tests.verify.consistency.workload.http_client import Address

ANY_SHARE = 0.05
"""How many choices fall on all nodes alike, those that are down included."""

STAYS = 12
"""Calls that a client makes at one node, on average, before it goes to another."""


def address_of(node: NodeHandle) -> Address:
    parts = urlsplit(node.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


class Chooser:
    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._at: NodeHandle | None = None

    def node(self, *, other_than: str = "") -> NodeHandle:
        """The node to ask now."""
        if self._at is None or not self._at.up or self._at.name == other_than or self._rng.random() * STAYS < 1:
            self._at = self._pick(other_than)
        return self._at

    def _pick(self, other_than: str) -> NodeHandle:
        there = [node for node in self._cluster.nodes.values() if not node.gone]
        up = [node for node in there if node.up and node.name != other_than]
        if not up or self._rng.random() < ANY_SHARE:
            up = there or list(self._cluster.nodes.values())
        return self._rng.choice(up)
