"""Messages of live updates as the OpenAPI document describes them: everything that a client may be sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from coterie.app.wire.base import U64, Revision
from coterie.app.wire.cluster import Decision
from coterie.app.wire.errors import Error
from coterie.app.wire.live.events import (
    AnyEvent,
    EventId,
    LiveGossipKey,
    LiveMetadataKey,
    LiveNode,
    LiveQueue,
    LiveRaft,
    LiveRaftMember,
    MetadataDelete,
    MetadataPut,
)
from coterie.app.wire.live.kinds import Kind
from coterie.app.wire.live.samples import ConvergenceSample, FiguresSample, GossipLinksSample, LiveModel, Time
from coterie.app.wire.locks import LeaseAnswer


class HelloMessage(LiveModel):
    """The first message, and the first after each subscription and each gap."""

    type: Literal["hello"]
    node_id: str
    epoch: str
    """Ids of another epoch mean nothing here: a node begins one when it starts, and after a gap. So do ids that were
    told under other rights."""
    resumed: bool
    """True: events follow at once, behind the id that was asked for. False: a snapshot does; forget what you hold."""
    reason: Literal["first", "resumed", "other_epoch", "too_old", "gap"]
    kinds: list[Kind]
    """Those that are told: of what was asked for, what the token may read."""
    prefix: str
    withheld: list[Kind]
    """Those, asked for or not, of which the token may read nothing, or nothing within the prefix."""
    within: Annotated[dict[Literal["gossip", "metadata", "queues"], list[str]], Field(examples=[{"gossip": ["svc/"]}])]
    """Of kinds that the token may read in part: what keys, or names of locks, start with. The others are told whole."""
    heartbeat_seconds: float
    metadata: bool
    """Whether this node holds the metadata: if not, `metadata`, `queues`, `leases` and `decisions` tell nothing here.
    `GET /v1/watch` serves them at every node."""


class MembersPart(LiveModel):
    """Part of a snapshot: all known nodes."""

    type: Literal["snapshot"]
    part: Literal["members"]
    cluster_id: str
    node_id: str
    members: list[LiveNode]


class RaftPart(LiveModel):
    """Part of a snapshot: the Raft layer."""

    type: Literal["snapshot"]
    part: Literal["raft"]
    raft: LiveRaft
    members: list[LiveRaftMember]
    decisions: list[Decision]
    """The latest, oldest first."""


class GossipPart(LiveModel):
    """Part of a snapshot: a page of gossip's keys. Further pages follow."""

    type: Literal["snapshot"]
    part: Literal["gossip"]
    keys: list[LiveGossipKey]


class MetadataPart(LiveModel):
    """Part of a snapshot: a page of the metadata's keys."""

    type: Literal["snapshot"]
    part: Literal["metadata"]
    available: bool
    revision: Revision | None
    keys: list[LiveMetadataKey]


class MetadataChangesPart(LiveModel):
    """Part of a snapshot, instead, where the client holds the metadata up to a revision: what came since."""

    type: Literal["snapshot"]
    part: Literal["metadata_changes"]
    changes: list[MetadataPut | MetadataDelete]
    revision: Revision


class QueuesPart(LiveModel):
    """Part of a snapshot: a page of locks, elections and semaphores."""

    type: Literal["snapshot"]
    part: Literal["queues"]
    available: bool
    queues: list[LiveQueue]


class ReadyMessage(LiveModel):
    """The snapshot is complete; events follow. They may tell again what it shows already."""

    type: Literal["ready"]
    id: EventId
    revision: Revision | None
    """Of the metadata; null where this node does not hold it, or the token may read nothing of cluster, metadata and
    locks."""
    left_out: list[str]
    """Parts of which keys did not fit `live.snapshot_bytes`."""


class EventsMessage(LiveModel):
    """Over a WebSocket: events in order. As server-sent events each comes by itself, named by its kind."""

    type: Literal["events"]
    id: EventId
    """Where to go on from: of the last event looked at, whether it was wanted or not."""
    events: list[AnyEvent]


class PhiNode(LiveModel):
    """A node's suspicion."""

    node_id: str
    generation: U64
    phi: float


class PhiSample(LiveModel):
    """Suspicion of the live nodes, now and then; it has no id and is not sent again."""

    type: Literal["sample"]
    kind: Literal["phi"]
    time: Time
    threshold: float
    """Above it a node is taken for dead."""
    total: int
    nodes: list[PhiNode]


class LeasesSample(LiveModel):
    """Leases and the time left to them, now and then."""

    type: Literal["sample"]
    kind: Literal["leases"]
    time: Time
    total: int
    leases: list[LeaseAnswer]


class Heartbeat(LiveModel):
    """The connection is well."""

    type: Literal["heartbeat"]
    id: EventId
    """Everything up to here has been told: resume from it."""
    time: Time


class PongMessage(LiveModel):
    """The answer to `ping`."""

    type: Literal["pong"]


class SocketError(LiveModel):
    """A message of the client's was not understood, or asks for a kind that its token may not read (`forbidden`);
    nothing has changed."""

    type: Literal["error"]
    error: Error


class End(LiveModel):
    """The last message: an error of this node, or `too_slow`. Connect again, here or elsewhere."""

    type: Literal["end"]
    error: Error


LiveMessage = (
    HelloMessage
    | MembersPart
    | RaftPart
    | GossipPart
    | MetadataPart
    | MetadataChangesPart
    | QueuesPart
    | ReadyMessage
    | EventsMessage
    | PhiSample
    | LeasesSample
    | GossipLinksSample
    | ConvergenceSample
    | FiguresSample
    | Heartbeat
    | PongMessage
    | SocketError
    | End
)

live_message = TypeAdapter[LiveMessage](LiveMessage)
"""Everything that a client may be sent over a WebSocket."""
