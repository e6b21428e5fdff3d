"""Purge: forgets a dead node before its grace period is over, here, on all other nodes, and in Raft.

The request spreads by gossip as an ordinary key under the reserved prefix, which expires by itself. It is advice: a
node that sees the purged node alive keeps it, and later generations are never purged.
"""

from __future__ import annotations

from collections.abc import Callable

from coterie.app.api.keys.gossip import is_alive
from coterie.app.http.errors import ApiError
from coterie.app.raft.view import RaftView
from coterie.app.wire.errors import Code
from coterie.gossip import RESERVED_PREFIX, Event, GossipNode, NodeDead, NodeId

FORGET_PREFIX = RESERVED_PREFIX + "forget/"
"""Then the node_id; the value is the highest generation that is meant."""

MAX_DIGITS = 20
"""Of a generation."""


def follow_purges(node: GossipNode) -> Callable[[], None]:
    """Forget what any node says is to be forgotten, once it is dead here too. Returns what ends it."""

    def hear(node_id: str, value: str, _owner: NodeId) -> None:
        node.forget(node_id, _generation(value))

    def observe(event: Event) -> None:
        # The word may come before the death that it is about.
        if isinstance(event, NodeDead):
            key = FORGET_PREFIX + event.node.node_id
            words = [kv for state in node.engine.states if (kv := state.get(key)) is not None]
            node.forget(event.node.node_id, max((_generation(kv.value) for kv in words), default=-1))

    ends = node.subscribe(FORGET_PREFIX, hear), node.observe(observe)

    def end() -> None:
        for each in ends:
            each()

    return end


def _generation(value: str) -> int:
    """What a word says; -1, below all generations, where it says nothing that can be understood."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS else -1


async def purge(node: GossipNode, raft: RaftView, node_id: str) -> tuple[int, list[str]]:
    """How many incarnations were dropped here, and which members of the Raft layer are barred.

    Raises ApiError where it is alive, MetadataError and KeyRefusedError.
    """
    states = [state for state in node.engine.states if state.id.node_id == node_id]
    if any(is_alive(node, state) for state in states):
        raise ApiError(
            Code.REFUSED,
            f"the node {node_id!r} is alive: stop it first, or have it leave (POST /v1/leave there)",
            "node",
        )
    picture = raft.picture()
    members = [
        each.member_id
        for each in picture.members
        if each.node_id == node_id and each.role in {"leader", "voter", "observer"}
    ]
    for member in members:
        await raft.remove(member)
    if states:
        newest = max(state.id.generation for state in states)
        node.set_with_ttl(FORGET_PREFIX + node_id, str(newest), internal=True)
        node.forget(node_id, newest)
    return len(states), members
