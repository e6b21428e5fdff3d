"""What nodes answer of members, of the Raft layer, of gossip's keys and of tokens, as types.

Fields that a newer node adds are passed over. What each means is in the OpenAPI document of a node (`/docs`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from coterie.app.client.errors import ClientError


class Answer(msgspec.Struct, frozen=True):
    """Base of all."""


class Node(Answer, frozen=True):
    node_id: str
    generation: int
    gossip_advertise_addr: str


class Member(Node, frozen=True):
    """One incarnation of a node, as the node that answers sees it."""

    status: str
    """`live`, `dead`, `joining` or `left`."""
    phi: float | None
    last_heartbeat_seconds: float | None
    heartbeat: int
    max_version: int
    last_gc_version: int
    keys: int
    role: str | None
    """`leader`, `voter`, `observer`, `candidate` or `client`; None unless it is live."""


class Members(Answer, frozen=True):
    cluster_id: str
    node_id: str
    """The node that answered."""
    members: tuple[Member, ...]


class Decision(Answer, frozen=True):
    """What a leader decided of the voters, and why."""

    time: float
    action: str
    member_id: str | None
    node_id: str | None
    reason: str
    outcome: str


class RaftMember(Answer, frozen=True):
    node_id: str | None
    member_id: str
    role: str
    raft_addr: str | None
    zone: str
    reason: str | None
    """Why it does not vote."""
    live: bool


class GossipPart(Answer, frozen=True):
    cluster_id: str
    live: tuple[Node, ...]
    dead: tuple[Node, ...]


class RaftPart(Answer, frozen=True):
    enabled: bool
    cluster_id: str | None
    leader: str | None
    term: int
    quorum: bool | None
    membership_epoch: int
    voters: tuple[str, ...]
    observers: tuple[str, ...]
    candidates: tuple[str, ...]
    members: tuple[RaftMember, ...]
    decisions: tuple[Decision, ...]


class Cluster(Answer, frozen=True):
    """Both layers, as the node that answers sees them."""

    node_id: str
    gossip: GossipPart
    raft: RaftPart
    version: str | None = None
    """Of the program that the node runs; None: one that does not tell."""


class LinkEvent(Answer, frozen=True):
    time: float
    kind: str
    detail: str


class Peer(Answer, frozen=True):
    member_id: str
    voter: bool
    connected: bool
    match_index: int
    silent_seconds: float | None
    receives_snapshot: bool


class RaftStatus(Answer, frozen=True):
    """A node's own part in the Raft layer; without one, all but the first fields are None or empty."""

    enabled: bool
    reason: str | None
    link_events: tuple[LinkEvent, ...]
    member_id: str | None
    cluster_id: str | None
    role: str | None
    leader: str | None
    term: int | None
    voters: tuple[str, ...]
    last_index: int | None
    commit_index: int | None
    applied_index: int | None
    snapshot_index: int | None
    log_entries: int | None
    revision: int | None
    founding: bool | None
    change_pending: bool | None
    quorum: bool | None
    failure: str | None
    peers: tuple[Peer, ...]


class Departed(Answer, frozen=True):
    """What became of a node that left."""

    raft: str
    """`left`, `kept`, `failed` or `none`."""
    reason: str | None
    told: int
    """Other nodes that are known to know of it."""


class Forgotten(Answer, frozen=True):
    node_id: str
    forgotten: int
    raft_members: tuple[str, ...]


class GossipValue(Answer, frozen=True):
    """A key of a node, as the node that answers knows it."""

    node: str
    generation: int
    alive: bool
    key: str
    value: str
    version: int
    status: str
    expires_in_seconds: float | None = None


class GossipPut(Answer, frozen=True):
    node: str
    key: str
    version: int
    changed: bool
    """False: it had this value already."""
    expires_in_seconds: float | None = None


class GossipDelete(Answer, frozen=True):
    node: str
    key: str
    version: int | None
    deleted: bool
    """Whether it was there."""
    expires_in_seconds: float | None = None


class GossipPage(Answer, frozen=True):
    keys: tuple[GossipValue, ...]
    next_page: str | None


class Rule(Answer, frozen=True):
    """What a token allows."""

    layer: str
    """`gossip`, `metadata`, `locks`, `cluster`, `tokens`, or `*`."""
    action: str
    """`read`, `write` or `admin`, each with the ones before it."""
    prefix: str = ""


class Token(Answer, frozen=True):
    """A token, without its secret."""

    id: str
    rules: tuple[Rule, ...]
    description: str
    created: float
    expires: float | None


class NewToken(Token, frozen=True):
    token: str
    """The secret, shown this once."""

    def __repr__(self) -> str:
        return f"NewToken(id={self.id!r}, token=<secret>)"


class OwnToken(Answer, frozen=True):
    """Who asks, and what it may do."""

    id: str
    rules: tuple[Rule, ...]


A = TypeVar("A")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def read_answer(kind: type[A], body: bytes) -> A:
    """Raises ClientError."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        found: A = decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ClientError(f"what answered is no node of Coterie, or one of another version: {error}") from None
    return found
