"""The keys of both layers, as `/v1/kv` and `/v1/meta` answer with them."""

from __future__ import annotations

from typing import Annotated, Literal

from coterie.app.wire.base import U64, Answer, Count, Doc, Encoding, Revision

GossipWord = Annotated[str, Doc(Literal["gossip"])]
Eventual = Annotated[str, Doc(Literal["eventual"])]
RaftWord = Annotated[str | None, Doc(Literal["raft"] | None)]
Strong = Annotated[str | None, Doc(Literal["strong"] | None)]

# -- the gossip layer --------------------------------------------------------------------------------------------------


class GossipValue(Answer, frozen=True):
    """A key of a node."""

    node: Annotated[str, Doc(examples=["node1"])]
    """Whose key it is."""
    generation: U64
    alive: bool
    """Whether that node is alive; of a dead one this is the last that was heard."""
    key: Annotated[str, Doc(examples=["load"])]
    value: Annotated[str, Doc(examples=["0.7"])]
    version: U64
    """Of this write, in its node's count."""
    status: Annotated[str, Doc(Literal["Set", "DeleteAfterTtl"])]
    expires_in_seconds: float | None = None
    """Until this node drops it; only for keys with time to live."""


class GossipGetAnswer(GossipValue, frozen=True, kw_only=True):
    """A key of a node, and which layer answered."""

    layer: GossipWord
    consistency: Eventual


class GossipPut(Answer, frozen=True):
    """Written on this node; it spreads from here."""

    node: str
    key: str
    version: U64
    changed: bool
    """False: the key had this value already, and keeps its version."""
    expires_in_seconds: float | None = None
    """With `ttl`: until it is gone. Writing the same value again does not renew it."""


class GossipPutAnswer(GossipPut, frozen=True, kw_only=True):
    """Written on this node; it spreads from here."""

    layer: GossipWord
    consistency: Eventual


class GossipDelete(Answer, frozen=True):
    """Deleted on this node; that spreads from here."""

    node: str
    key: str
    version: U64 | None
    """Of the deletion; null where there was nothing."""
    deleted: bool
    """Whether the key was there."""
    expires_in_seconds: float | None = None


class GossipDeleteAnswer(GossipDelete, frozen=True, kw_only=True):
    """Deleted on this node; that spreads from here."""

    layer: GossipWord
    consistency: Eventual


class GossipKeyList(Answer, frozen=True):
    """Keys of all nodes, by node and then by key."""

    keys: tuple[GossipValue, ...]


class GossipPage(GossipKeyList, frozen=True):
    """A page of them."""

    next_page: str | None
    """For the parameter `page`; null on the last page."""


class GossipListAnswer(GossipPage, frozen=True):
    """Keys of all nodes, by node and then by key."""

    layer: GossipWord
    consistency: Eventual


# -- the metadata ------------------------------------------------------------------------------------------------------


class MetaRecord(Answer, frozen=True, kw_only=True):
    """One version of one key of the metadata."""

    key: Annotated[str, Doc(examples=["jobs/7"])]
    key_encoding: Encoding = "utf-8"
    """`base64` where the key is not UTF-8 text; else left out."""
    value: Annotated[str, Doc(examples=["ready"])]
    encoding: Encoding
    """Of `value`: `base64` where it is not UTF-8 text."""
    create_revision: Revision
    """Revision at which the key came into being."""
    mod_revision: Revision
    """Revision of this version; its ETag."""
    version: Annotated[int, Doc(ge=1)]
    """1 for a new key, one more with every write."""
    lease: Count
    """The lease that it lives with; 0 for none."""


class MetaKey(MetaRecord, frozen=True, kw_only=True):
    """A key, and how fresh the answer is."""

    revision: Revision
    """The state's revision as it was read."""
    stale_seconds: float | None = None
    """With `stale`: how old this may be at most; null where the node never knew of a majority."""


class MetaGetAnswer(MetaKey, frozen=True, kw_only=True):
    """A key, and how fresh the answer is."""

    consistency: Annotated[str, Doc(Literal["linearizable", "stale", "strong"])]
    """`strong` is the word of `/v1/kv` for linearizable."""
    layer: RaftWord = None
    """On `/v1/kv` only."""


class MetaPut(Answer, frozen=True):
    """Written, and replicated to a majority."""

    key: str
    revision: Revision
    """Of this write: the key's new ETag."""
    prev: MetaRecord | None = None
    """With `prev`: what was replaced."""


class MetaPutAnswer(MetaPut, frozen=True):
    """Written, and replicated to a majority."""

    layer: RaftWord = None
    consistency: Strong = None


class MetaDelete(Answer, frozen=True):
    """Deleted, where it was there."""

    key: str
    revision: Revision
    """Of the deletion, or the current one where there was nothing to delete."""
    deleted: Count


class MetaDeleteAnswer(MetaDelete, frozen=True):
    """Deleted, where it was there."""

    prev: MetaRecord | None = None
    layer: RaftWord = None
    consistency: Strong = None


class MetaListAnswer(Answer, frozen=True, kw_only=True):
    """Keys in order; the pages of one list show one revision."""

    revision: Revision
    consistency: Annotated[str, Doc(Literal["linearizable", "stale"])]
    stale_seconds: float | None = None
    keys: tuple[MetaRecord, ...]
    next_page: str | None
    """For the parameter `page`; null on the last page."""


class MetaDeletePrefixAnswer(Answer, frozen=True):
    """All deleted at one revision."""

    prefix: str
    revision: Revision
    deleted: Count


class RequestIdAnswer(Answer, frozen=True):
    """For the header `Coterie-Request-Id` of one write."""

    request_id: Annotated[str, Doc(examples=["81723-6f1d4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    valid_seconds: float
    """For how long after this a repeated write is recognised, in cluster time."""
