"""Live updates as the OpenAPI document describes them: every message and event, for both transports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import Field, TypeAdapter

from app.models import U64, Answer, Error, Node
from app.v1.cluster import DecisionModel
from app.v1.leases import LeaseAnswer
from app.v1.live.detail_models import ConvergenceSample, FiguresSample, GossipLinksSample, Time
from app.v1.live.filters import Kind
from app.v1.models import Encoding, Revision, Role
from app.v1.queue_routes import PlaceModel

EventId = Annotated[str, Field(examples=["5f0c1d2e-17"])]
Change = Literal["joining", "live", "dead", "left", "removed"]


# -- events ------------------------------------------------------------------------------------------------------------


class LiveEvent(Answer):
    """What all events have."""

    id: EventId
    """To go on behind. The part before the dash is the epoch; what follows is a number in order for a client that may
    read everything, and sealed for others, whom it would tell how much happens that they may not read."""
    time: Time
    """Unix seconds by this node's clock, when it saw the change."""


class LiveNode(Node):
    """A node, and what it is taken for."""

    status: Change


class MemberEvent(LiveEvent):
    """A node came, went, died, came back, or is no longer remembered."""

    kind: Literal["members"]
    change: Change
    """What it is now. `joining`: known by hearsay, no sign of life seen yet."""
    member: LiveNode


class LiveRaft(Answer):
    """The Raft layer as this node sees it: what `GET /v1/cluster` says, less the members."""

    enabled: bool
    cluster_id: str | None
    leader: str | None
    term: int
    quorum: bool | None
    membership_epoch: int
    voters: list[str]


class LiveRaftMember(Answer):
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
    decision: DecisionModel


class LiveGossipKey(Answer):
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


class LiveMetadataKey(Answer):
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


class MetadataDelete(Answer):
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


class LiveQueue(Answer):
    """A lock, election or semaphore: who holds it and who waits, in order, the first 100; none: nobody wants it."""

    queue: Literal["lock", "election", "semaphore"]
    name: str
    revision: Revision
    holders: list[PlaceModel]
    waiters: list[PlaceModel]


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


# -- messages ----------------------------------------------------------------------------------------------------------


class Hello(Answer):
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


class MembersPart(Answer):
    """Part of a snapshot: all known nodes."""

    type: Literal["snapshot"]
    part: Literal["members"]
    cluster_id: str
    node_id: str
    members: list[LiveNode]


class RaftPart(Answer):
    """Part of a snapshot: the Raft layer."""

    type: Literal["snapshot"]
    part: Literal["raft"]
    raft: LiveRaft
    members: list[LiveRaftMember]
    decisions: list[DecisionModel]
    """The latest, oldest first."""


class GossipPart(Answer):
    """Part of a snapshot: a page of gossip's keys. Further pages follow."""

    type: Literal["snapshot"]
    part: Literal["gossip"]
    keys: list[LiveGossipKey]


class MetadataPart(Answer):
    """Part of a snapshot: a page of the metadata's keys."""

    type: Literal["snapshot"]
    part: Literal["metadata"]
    available: bool
    revision: Revision | None
    keys: list[LiveMetadataKey]


class MetadataChangesPart(Answer):
    """Part of a snapshot, instead, where the client holds the metadata up to a revision: what came since."""

    type: Literal["snapshot"]
    part: Literal["metadata_changes"]
    changes: list[MetadataPut | MetadataDelete]
    revision: Revision


class QueuesPart(Answer):
    """Part of a snapshot: a page of locks, elections and semaphores."""

    type: Literal["snapshot"]
    part: Literal["queues"]
    available: bool
    queues: list[LiveQueue]


class Ready(Answer):
    """The snapshot is complete; events follow. They may tell again what it shows already."""

    type: Literal["ready"]
    id: EventId
    revision: Revision | None
    """Of the metadata; null where this node does not hold it, or the token may read nothing of cluster, metadata and
    locks."""
    left_out: list[str]
    """Parts of which keys did not fit `live.snapshot_bytes`."""


class Events(Answer):
    """Over a WebSocket: events in order. As server-sent events each comes by itself, named by its kind."""

    type: Literal["events"]
    id: EventId
    """Where to go on from: of the last event looked at, whether it was wanted or not."""
    events: list[AnyEvent]


class PhiNode(Answer):
    """A node's suspicion."""

    node_id: str
    generation: U64
    phi: float


class PhiSample(Answer):
    """Suspicion of the live nodes, now and then; it has no id and is not sent again."""

    type: Literal["sample"]
    kind: Literal["phi"]
    time: Time
    threshold: float
    """Above it a node is taken for dead."""
    total: int
    nodes: list[PhiNode]


class LeasesSample(Answer):
    """Leases and the time left to them, now and then."""

    type: Literal["sample"]
    kind: Literal["leases"]
    time: Time
    total: int
    leases: list[LeaseAnswer]


class Heartbeat(Answer):
    """The connection is well."""

    type: Literal["heartbeat"]
    id: EventId
    """Everything up to here has been told: resume from it."""
    time: Time


class Pong(Answer):
    """The answer to `ping`."""

    type: Literal["pong"]


class SocketError(Answer):
    """A message of the client's was not understood, or asks for a kind that its token may not read (`forbidden`);
    nothing has changed."""

    type: Literal["error"]
    error: Error


class End(Answer):
    """The last message: an error of this node, or `too_slow`. Connect again, here or elsewhere."""

    type: Literal["end"]
    error: Error


LiveMessage = (
    Hello
    | MembersPart
    | RaftPart
    | GossipPart
    | MetadataPart
    | MetadataChangesPart
    | QueuesPart
    | Ready
    | Events
    | PhiSample
    | LeasesSample
    | GossipLinksSample
    | ConvergenceSample
    | FiguresSample
    | Heartbeat
    | Pong
    | SocketError
    | End
)

live_message = TypeAdapter[LiveMessage](LiveMessage)
"""Everything that a client may be sent over a WebSocket."""


# -- texts -------------------------------------------------------------------------------------------------------------

_COMMON = """
First comes `hello`, then a snapshot in parts (`members`, `raft`, `gossip`, `metadata`, `queues`), then `ready`, then \
events as things happen, samples of what moves all the time (`phi`, `leases`), and a `heartbeat`. Three kinds of \
samples come only to clients that name them in `kinds`, once a second (`live.figures_interval`): `gossip_links` (this \
node's handshakes with its peers), `convergence` (who holds which versions) and `figures` (rates and latencies of this \
node). Every event brings \
the whole new state of its subject, and may repeat what the snapshot shows: take each for what holds now.

Events have ids. A client that comes back with the last one misses nothing, as long as `live.buffer_events` reaches \
back so far; otherwise `hello` says `resumed: false` and why, and a new snapshot follows. Ids are this node's own. \
What a client holds of the metadata carries over to any node by its `revision`.

A client is told what its token may read, and has to be able to read something: `hello` names the kinds that are \
withheld, and what keys and names of locks are told where these are not all. `members`, `phi`, `raft`, `decisions`, \
`gossip_links`, `convergence` and `figures` take read in the layer cluster, `gossip` and `metadata` in the layer of \
that name, `queues` and `leases` in locks; prefixes of rules hold as they do for requests. To name a withheld kind is \
refused (`forbidden`). Where the token comes to allow less, the connection ends, and a new one tells what is left.

A client that takes events too slowly is told so (`end` with the code `too_slow`) and dropped; nobody waits for it. At \
a node that takes no part in Raft `raft` is what gossip tells of it, and `metadata`, `queues`, `leases` and \
`decisions` are empty (`hello.metadata` is false): `GET /v1/watch` serves those at every node."""

EVENTS_TEXT = (
    "What a page needs to draw the cluster and keep the drawing true. The name of each server-sent event is the `type` "
    "of its message, or the `kind` of an event; the data is one JSON object, as the schema `LiveMessage` (and "
    "`AnyEvent` for single events) describes it.\n" + _COMMON
)

SOCKET_TEXT = (
    "The same as `GET /v1/events`, over a WebSocket: each message is one JSON object, as the schema `LiveMessage` "
    "describes it. A client may send `Subscribe`, which replaces what was asked for before, and `Ping`. Closed with "
    "1013 where a client was too slow, with 1001 where the node stops, with 1008 where its token is no longer good, or "
    "(with the reason `rights_changed`) good for less than it was: then connect again. "
    "A page, which cannot set `Authorization` here, shows its token as a subprotocol: "
    '`new WebSocket(url, ["coterie.live.v1", token])`.\n' + _COMMON
)

EVENTS_EXAMPLE = """retry: 1000

event: hello
data: {"type":"hello","node_id":"node1","epoch":"5f0c1d2e","resumed":false,"reason":"first","kinds":["members"],\
"prefix":"","withheld":[],"within":{},"heartbeat_seconds":10.0,"metadata":true}

event: snapshot
data: {"type":"snapshot","part":"members","cluster_id":"testing","node_id":"node1","members":[]}

id: 5f0c1d2e-16
event: ready
data: {"type":"ready","id":"5f0c1d2e-16","revision":17,"left_out":[]}

id: 5f0c1d2e-17
event: members
data: {"id":"5f0c1d2e-17","kind":"members","time":1769000000.125,"change":"dead","member":{"node_id":"node2",\
"generation":1673612345,"gossip_advertise_addr":"127.0.0.1:10002","status":"dead"}}

"""


def add_message_schemas(app: FastAPI, said_by_clients: tuple[type[Answer], ...]) -> None:
    """Put the messages' schemas into the OpenAPI document: no operation's answer refers to them by itself."""
    make = app.openapi
    template = "#/components/schemas/{model}"

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = make()
        schemas = document["components"]["schemas"]
        models: list[tuple[str, str | None, TypeAdapter[Any]]] = [
            ("LiveMessage", "Everything that a client of live updates may be told.", live_message),
            ("AnyEvent", "Any event of live updates.", TypeAdapter[AnyEvent](AnyEvent)),
            *((model.__name__, model.__doc__, TypeAdapter(model)) for model in said_by_clients),
        ]
        for name, about, adapter in models:
            schema = adapter.json_schema(ref_template=template)
            for each, definition in schema.pop("$defs", {}).items():
                schemas.setdefault(each, definition)
            schemas.setdefault(name, {"description": about, **schema})
        return document

    app.openapi = openapi  # type: ignore[method-assign]
