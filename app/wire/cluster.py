"""Answers of `/v1/cluster`: the gossip and the Raft layer in one picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from coterie.app.wire.keys import Role
from coterie.app.wire.models import Answer, Node


class DecisionModel(Answer):
    """What was decided of the voters, and why."""

    time: float
    """Unix seconds, by the clock of the leader that decided."""
    action: Annotated[str, Field(examples=["promote"])]
    member_id: str | None
    node_id: Annotated[str | None, Field(examples=["node4"])]
    reason: Annotated[str, Field(examples=["alive and caught up for 10 s"])]
    outcome: Annotated[str, Field(examples=["done"])]


class RaftMemberModel(Answer):
    """A node's place in the Raft layer."""

    node_id: Annotated[str | None, Field(examples=["node4"])]
    """Null for a member whose node gossip does not know."""
    member_id: Annotated[str, Field(examples=["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    """Made once for a data directory."""
    role: Role
    raft_addr: Annotated[str | None, Field(examples=["127.0.0.1:11004"])]
    zone: str
    reason: Annotated[str | None, Field(examples=["stabilizing, 4 s left"])]
    """Why it does not vote; null for a voter."""
    live: bool
    """By gossip."""


class RaftModel(Answer):
    """The Raft layer as this node sees it."""

    enabled: bool
    """Whether this node takes part in it."""
    cluster_id: str | None
    """Made when the cluster was founded; null before."""
    leader: Annotated[str | None, Field(examples=["node1"])]
    """Node id; null while no leader is known."""
    term: int
    quorum: bool | None
    """Whether a majority of the voters is there; null where this node cannot know."""
    membership_epoch: int
    """Counts the changes of the voters."""
    voters: Annotated[list[str], Field(examples=[["node1", "node2", "node3"]])]
    """Node ids, the leader's among them; the member id where the node is not known."""
    observers: Annotated[list[str], Field(examples=[["node4"]])]
    """Live nodes that follow the log without a vote."""
    candidates: list[str]
    """Nodes that wait for a cluster."""
    members: list[RaftMemberModel]
    decisions: list[DecisionModel]
    """The latest, oldest first, as the metadata holds them; empty where this node takes no part."""


class GossipModel(Answer):
    """The gossip layer as this node sees it."""

    cluster_id: Annotated[str, Field(examples=["testing"])]
    live: list[Node]
    dead: list[Node]
    """Those that died, and newcomers that are yet to be heard of a few times."""


class ClusterAnswer(Answer):
    """The cluster as this node sees it."""

    node_id: str
    """The node that answers."""
    version: Annotated[str, Field(examples=["0.1.0"])]
    """Of the program that it runs."""
    gossip: GossipModel
    raft: RaftModel
