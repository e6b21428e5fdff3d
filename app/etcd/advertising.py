"""Where nodes serve etcd's API: each gossips its own URLs, and every node lists those of all."""

from __future__ import annotations

import json
from collections.abc import Sequence

from coterie.gossip import RESERVED_PREFIX, Address, GossipNode, NodeState

URLS_KEY = RESERVED_PREFIX + "etcd"

MAX_TEXT = 4_096
"""Longer values of other nodes are not read."""


def default_url(public: Address, port: int, *, tls: bool) -> str:
    """Of a node that names none: at its public address."""
    return f"{'https' if tls else 'http'}://{public._replace(port=port)}"


def advertise(node: GossipNode, urls: Sequence[str]) -> None:
    """Gossip where this node serves etcd's API; nowhere: take back what an earlier process of it said."""
    if urls:
        node.set(URLS_KEY, json.dumps(list(urls)), internal=True)
    elif URLS_KEY in node.engine.own.key_values:
        node.delete(URLS_KEY, internal=True)


def urls_of(state: NodeState) -> tuple[str, ...]:
    """Where a node says that it serves etcd's API."""
    held = state.key_values.get(URLS_KEY)
    if held is None or not held.visible or len(held.value) > MAX_TEXT:
        return ()
    try:
        found = json.loads(held.value)
    except ValueError:
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(each for each in found if isinstance(each, str))
