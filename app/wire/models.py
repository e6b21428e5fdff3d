"""The answers of the HTTP face, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from coterie.app.wire.errors import Code

U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Node(Answer):
    """One incarnation of a node."""

    node_id: Annotated[str, Field(examples=["server:127.0.0.1:10001-abc123"])]
    """Name of the node; a restart keeps it."""
    generation: Annotated[U64, Field(examples=[1673612345])]
    """Tells restarts of a node apart: the higher, the later. Start time in Unix seconds, or one more than the last."""
    gossip_advertise_addr: Annotated[str, Field(examples=["127.0.0.1:10001"])]
    """ip:port at which other nodes reach it."""


class VersionedValue(Answer):
    """The last known version of a key."""

    value: Annotated[str, Field(examples=["world"])]
    """Empty for a deleted key."""
    version: Annotated[U64, Field(ge=1, examples=[1])]
    """Each write on the node takes the next number."""
    status: Literal["Set", "Delete", "DeleteAfterTtl"]
    """`Delete`: the key is deleted, and its mark is kept until every node had time to learn of it. `DeleteAfterTtl`:
    the key lives until the same time is over."""


class NodeState(Answer):
    """What is known of one node's keys. Only the node itself writes them."""

    chitchat_id: Node
    heartbeat: U64
    """Rises while the node lives."""
    key_values: Annotated[
        dict[str, VersionedValue], Field(examples=[{"hello": {"value": "world", "version": 1, "status": "Set"}}])
    ]
    """By key, deleted ones included until they are collected."""
    max_version: U64
    """Version of the last write known here."""
    last_gc_version: U64
    """Highest version of a deleted key that was collected."""


class ClusterState(Answer):
    """All nodes known here, the dead ones included for as long as they are remembered."""

    node_states: list[NodeState]
    """By node id; the own state is among them."""
    seed_addrs: Annotated[list[str], Field(examples=[["127.0.0.1:10001"]])]
    """ip:port of the seeds, as host names were last looked up; without the own address."""


class ClusterStateAnswer(Answer):
    """The cluster as this node sees it."""

    cluster_id: Annotated[str, Field(examples=["testing"])]
    cluster_state: ClusterState
    live_nodes: list[Node]
    """Nodes that show signs of life, this one included."""
    dead_nodes: list[Node]
    """Nodes that show none: those that died, and newcomers that are yet to be heard of a few times."""


class StatusAnswer(Answer):
    """It is done."""

    status: Literal[True]


class Error(Answer):
    """What is wrong."""

    code: Code
    """Stable: rely on it."""
    message: Annotated[str, Field(examples=["the parameter key is missing"])]
    """For people, with what to do; it may change."""
    parameter: Annotated[str | None, Field(examples=["key"])]
    """The parameter that is wrong; null where it is about no single one."""
    details: dict[str, Any] | None = None
    """What a program needs to go on, where the code has such: `mod_revision` (precondition_failed), `reason`
    (unavailable, refused), `request_id` (outcome_unknown), `compacted`, `limit`, `withheld` (forbidden kinds of live
    updates). Left out elsewhere."""


class ErrorAnswer(Answer):
    """The one shape of every error."""

    error: Error


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
