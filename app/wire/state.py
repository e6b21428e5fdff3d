"""Answers of the documented endpoints, the cluster's state above all."""

from __future__ import annotations

from typing import Annotated, Literal

from coterie.app.wire.base import U64, Answer, Doc
from coterie.app.wire.cluster import Node


class VersionedValue(Answer, frozen=True):
    """The last known version of a key."""

    value: Annotated[str, Doc(examples=["world"])]
    """Empty for a deleted key."""
    version: Annotated[U64, Doc(ge=1, examples=[1])]
    """Each write on the node takes the next number."""
    status: Annotated[str, Doc(Literal["Set", "Delete", "DeleteAfterTtl"])]
    """`Delete`: the key is deleted, and its mark is kept until every node had time to learn of it. `DeleteAfterTtl`:
    the key lives until the same time is over."""


class NodeStateAnswer(Answer, frozen=True):
    """What is known of one node's keys. Only the node itself writes them."""

    chitchat_id: Node
    heartbeat: U64
    """Rises while the node lives."""
    key_values: Annotated[
        dict[str, VersionedValue], Doc(examples=[{"hello": {"value": "world", "version": 1, "status": "Set"}}])
    ]
    """By key, deleted ones included until they are collected."""
    max_version: U64
    """Version of the last write known here."""
    last_gc_version: U64
    """Highest version of a deleted key that was collected."""


class ClusterState(Answer, frozen=True):
    """All nodes known here, the dead ones included for as long as they are remembered."""

    node_states: tuple[NodeStateAnswer, ...]
    """By node id; the own state is among them."""
    seed_addrs: Annotated[tuple[str, ...], Doc(examples=[["127.0.0.1:10001"]])]
    """ip:port of the seeds, as host names were last looked up; without the own address."""


class ClusterStateAnswer(Answer, frozen=True):
    """The cluster as this node sees it."""

    cluster_id: Annotated[str, Doc(examples=["testing"])]
    cluster_state: ClusterState
    live_nodes: tuple[Node, ...]
    """Nodes that show signs of life, this one included."""
    dead_nodes: tuple[Node, ...]
    """Nodes that show none: those that died, and newcomers that are yet to be heard of a few times."""


class StatusAnswer(Answer, frozen=True):
    """It is done."""

    status: Annotated[bool, Doc(Literal[True])]
