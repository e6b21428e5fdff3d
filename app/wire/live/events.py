"""Events of live updates as the OpenAPI document describes them, and the states that they and snapshots bring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from coterie.app.wire.base import U64, Encoding, Revision
from coterie.app.wire.cluster import Decision, Node, Role
from coterie.app.wire.live.samples import LiveModel, Time
from coterie.app.wire.locks import QueuePlace

EventId = Annotated[str, Field(examples=["5f0c1d2e-17"])]
Change = Literal["joining", "live", "dead", "left", "removed"]


class LiveEvent(LiveModel):
    """What all events have."""

    id: EventId
    """To go on behind. The part before the dash is the epoch; what follows is a number in order for a client that may
    read everything, and sealed for others, whom it would tell how much happens that they may not read."""
    time: Time
    """Unix seconds by this node's clock, when it saw the change."""


class LiveNode(Node, frozen=True):
    """A node, and what it is taken for."""

    status: Change


class MemberEvent(LiveEvent):
    """A node came, went, died, came back, or is no longer remembered."""

    kind: Literal["members"]
    change: Change
    """What it is now. `joining`: known by hearsay, no sign of life seen yet."""
    member: LiveNode


class LiveRaft(LiveModel):
    """The Raft layer as this node sees it: what `GET /v1/cluster` says, less the members."""

    enabled: bool
    cluster_id: str | None
    leader: str | None
    term: int
    quorum: bool | None
    membership_epoch: int
    voters: list[str]


class LiveRaftMember(LiveModel):
    """A node's place in the Raft layer. Why one does not vote, `GET /v1/cluster` says."""

    node_id: str | None
    member_id: str
    role: Role
    raft_addr: str | None
    zone: str
    live: bool
    """By gossip."""


class RaftEvent(LiveEvent):
    """Leader, term, majority, voters or a node's place changed."""

    kind: Literal["raft"]
    changes: list[Literal["cluster_id", "leader", "term", "quorum", "membership_epoch", "voters"]]
    """What of `raft` is new; may be empty where only members changed."""
    raft: LiveRaft
    members: list[LiveRaftMember]
    """Those that are new or changed."""
    gone: list[str]
    """Member ids that are no longer there."""


class DecisionEvent(LiveEvent):
    """Something was decided of the voters."""

    kind: Literal["decisions"]
    decision: Decision


class LiveGossipKey(LiveModel):
    """A key of a node."""

    node: str
    generation: U64
    key: str
    value: str | None
    """Null where it is longer than `live.max_value_bytes`."""
    version: U64
    status: Literal["Set", "DeleteAfterTtl"]


class GossipSetEvent(LiveEvent, LiveGossipKey):
    """A node wrote a key."""

    kind: Literal["gossip"]
    change: Literal["set"]


class GossipDeleteEvent(LiveEvent):
    """A key is gone: deleted, or its time is over."""

    kind: Literal["gossip"]
    change: Literal["delete"]
    node: str
    generation: U64
    key: str
    version: U64


class LiveMetadataKey(LiveModel):
    """A key of the metadata."""

    key: str
    value: str | None
    """Null where it is longer than `live.max_value_bytes`."""
    encoding: Encoding | None
    create_revision: Revision
    mod_revision: Revision
    version: Annotated[int, Field(ge=1)]
    lease: Annotated[int, Field(ge=0)]
    key_encoding: Encoding | None = None


class MetadataPut(LiveMetadataKey):
    """A key of the metadata was written."""

    change: Literal["put"]
    revision: Revision


class MetadataDelete(LiveModel):
    """A key of the metadata is gone."""

    change: Literal["delete"]
    revision: Revision
    key: str
    key_encoding: Encoding | None = None


class MetadataPutEvent(LiveEvent, MetadataPut):
    """A key of the metadata was written. Keys that the system keeps for itself are not told."""

    kind: Literal["metadata"]


class MetadataDeleteEvent(LiveEvent, MetadataDelete):
    """A key of the metadata is gone."""

    kind: Literal["metadata"]


class LiveQueue(LiveModel):
    """A lock, election or semaphore: who holds it and who waits, in order, the first 100; none: nobody wants it."""

    queue: Literal["lock", "election", "semaphore"]
    name: str
    revision: Revision
    holders: list[QueuePlace]
    waiters: list[QueuePlace]


class QueueEvent(LiveEvent, LiveQueue):
    """A lock, election or semaphore changed."""

    kind: Literal["queues"]


AnyEvent = (
    MemberEvent
    | RaftEvent
    | DecisionEvent
    | GossipSetEvent
    | GossipDeleteEvent
    | MetadataPutEvent
    | MetadataDeleteEvent
    | QueueEvent
)
