"""The answers and bodies under `/v1`, as the OpenAPI document describes them. Tests hold the answers to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from coterie.app.wire.models import U64, Answer, Node

Encoding = Literal["utf-8", "base64"]
Revision = Annotated[int, Field(ge=0, examples=[17])]
Role = Literal["leader", "voter", "observer", "candidate", "client"]


# -- members -----------------------------------------------------------------------------------------------------------


class Member(Node):
    """One incarnation of a node, as this node sees it."""

    status: Annotated[Literal["live", "dead", "joining", "left"], Field(examples=["live"])]
    """`joining`: known by hearsay, no sign of life seen yet. `left`: it said goodbye."""
    phi: Annotated[float | None, Field(examples=[0.31])]
    """Suspicion: above `gossip.phi_threshold` it is taken for dead. Null while nothing is known, and for this node."""
    last_heartbeat_seconds: Annotated[float | None, Field(examples=[0.4])]
    """Since its last sign of life came in; null where none did. 0 for this node."""
    heartbeat: U64
    """Rises while the node lives."""
    max_version: U64
    """Version of the last write known here."""
    last_gc_version: U64
    """Highest version of a deleted key that was collected."""
    keys: Annotated[int, Field(ge=0)]
    """Keys known of it, without deleted ones."""
    role: Role | None
    """Its part in the Raft layer; `client`: none. Null unless it is live."""


class MembersAnswer(Answer):
    """All known nodes, by node id."""

    cluster_id: Annotated[str, Field(examples=["testing"])]
    node_id: Annotated[str, Field(examples=["node1"])]
    """The node that answers."""
    members: list[Member]


# -- the gossip layer's keys -------------------------------------------------------------------------------------------


class GossipValue(Answer):
    """A key of a node."""

    node: Annotated[str, Field(examples=["node1"])]
    """Whose key it is."""
    generation: U64
    alive: bool
    """Whether that node is alive; of a dead one this is the last that was heard."""
    key: Annotated[str, Field(examples=["load"])]
    value: Annotated[str, Field(examples=["0.7"])]
    version: U64
    """Of this write, in its node's count."""
    status: Literal["Set", "DeleteAfterTtl"]
    expires_in_seconds: float | None = None
    """Until this node drops it; only for keys with time to live."""


class GossipGetAnswer(GossipValue):
    """A key of a node, and which layer answered."""

    layer: Literal["gossip"]
    consistency: Literal["eventual"]


class GossipPutAnswer(Answer):
    """Written on this node; it spreads from here."""

    layer: Literal["gossip"]
    consistency: Literal["eventual"]
    node: str
    key: str
    version: U64
    changed: bool
    """False: the key had this value already, and keeps its version."""
    expires_in_seconds: float | None = None
    """With `ttl`: until it is gone. Writing the same value again does not renew it."""


class GossipDeleteAnswer(Answer):
    """Deleted on this node; that spreads from here."""

    layer: Literal["gossip"]
    consistency: Literal["eventual"]
    node: str
    key: str
    version: U64 | None
    """Of the deletion; null where there was nothing."""
    deleted: bool
    """Whether the key was there."""
    expires_in_seconds: float | None = None


class GossipListAnswer(Answer):
    """Keys of all nodes, by node and then by key."""

    layer: Literal["gossip"]
    consistency: Literal["eventual"]
    keys: list[GossipValue]
    next_page: str | None
    """For the parameter `page`; null on the last page."""


# -- metadata ----------------------------------------------------------------------------------------------------------


class MetaRecord(Answer):
    """One version of one key of the metadata."""

    key: Annotated[str, Field(examples=["jobs/7"])]
    value: Annotated[str, Field(examples=["ready"])]
    encoding: Encoding
    """Of `value`: `base64` where it is not UTF-8 text."""
    create_revision: Revision
    """Revision at which the key came into being."""
    mod_revision: Revision
    """Revision of this version; its ETag."""
    version: Annotated[int, Field(ge=1)]
    """1 for a new key, one more with every write."""
    lease: Annotated[int, Field(ge=0)]
    """The lease that it lives with; 0 for none."""
    key_encoding: Encoding | None = None
    """`base64` where the key is not UTF-8 text; else left out."""


class MetaGetAnswer(MetaRecord):
    """A key, and how fresh the answer is."""

    revision: Revision
    """The state's revision as it was read."""
    consistency: Literal["linearizable", "stale", "strong"]
    """`strong` is the word of `/v1/kv` for linearizable."""
    stale_seconds: float | None = None
    """With `stale`: how old this may be at most; null where the node never knew of a majority."""
    layer: Literal["raft"] | None = None
    """On `/v1/kv` only."""


class MetaPutAnswer(Answer):
    """Written, and replicated to a majority."""

    key: str
    revision: Revision
    """Of this write: the key's new ETag."""
    prev: MetaRecord | None = None
    """With `prev`: what was replaced."""
    layer: Literal["raft"] | None = None
    consistency: Literal["strong"] | None = None


class MetaDeleteAnswer(Answer):
    """Deleted, where it was there."""

    key: str
    revision: Revision
    """Of the deletion, or the current one where there was nothing to delete."""
    deleted: Annotated[int, Field(ge=0)]
    prev: MetaRecord | None = None
    layer: Literal["raft"] | None = None
    consistency: Literal["strong"] | None = None


class MetaListAnswer(Answer):
    """Keys in order; the pages of one list show one revision."""

    revision: Revision
    consistency: Literal["linearizable", "stale"]
    stale_seconds: float | None = None
    keys: list[MetaRecord]
    next_page: str | None
    """For the parameter `page`; null on the last page."""


class MetaDeletePrefixAnswer(Answer):
    """All deleted at one revision."""

    prefix: str
    revision: Revision
    deleted: Annotated[int, Field(ge=0)]


class RequestIdAnswer(Answer):
    """For the header `Coterie-Request-Id` of one write."""

    request_id: Annotated[str, Field(examples=["81723-6f1d4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    valid_seconds: float
    """For how long after this a repeated write is recognised, in cluster time."""
