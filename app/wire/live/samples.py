"""The samples that come only to clients that name them, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from coterie.app.wire.base import U64

Time = Annotated[float, Field(examples=[1769000000.125])]


class LiveModel(BaseModel):
    """Base of what live updates tell. No client of Coterie's own decodes these: they are documentation alone."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DetailSample(LiveModel):
    """A sample that is told only to clients that name its kind; it has no id and is not sent again."""

    type: Literal["sample"]
    time: Time


class GossipLink(LiveModel):
    """What this node exchanged with a peer since the last such sample. Ages count from when somebody first asked."""

    node_id: str
    generation: U64
    gossip_advertise_addr: str
    opened: int
    """Handshakes that this node began."""
    replied: int
    """Answers to those that came back."""
    answered: int
    """Handshakes that the peer began."""
    opened_age_seconds: float | None
    replied_age_seconds: float | None
    answered_age_seconds: float | None


class GossipLinksSample(DetailSample):
    """Gossip between this node and its peers; peers with nothing for a minute are left out."""

    kind: Literal["gossip_links"]
    seconds: float
    """What the counts cover; 0 where they begin."""
    total: int
    """Peers; more than `live.max_sampled` are not listed."""
    links: list[GossipLink]


class HeardPeer(LiveModel):
    """A live peer, and how old its last digest is."""

    node_id: str
    generation: U64
    heard_age_seconds: float


class NodeSpread(LiveModel):
    """How far a node's keys have spread, over the live peers that were heard."""

    node_id: str
    generation: U64
    live: bool
    version: U64
    """The highest of the node's keys as known here."""
    confirmed: int
    """Peers that hold this version."""
    behind: int
    """Peers that do not, or did not when they were last heard."""
    max_behind_versions: int
    """By how much the furthest of them is."""
    behind_nodes: list[str]
    """The first of them, 8 at the most."""
    here_behind_versions: int
    """By how much a peer is ahead of this node."""


class ConvergenceSample(DetailSample):
    """Who holds what, by the digests that peers show in their handshakes."""

    kind: Literal["convergence"]
    scope: Literal["all", "own"]
    """own: more than 256 nodes are known, and only this node's keys are told of."""
    live_peers: int
    """Live nodes but this one."""
    peers: list[HeardPeer]
    nodes: list[NodeSpread]


class Latency(LiveModel):
    """Of what ended since the last such sample; quantiles are estimated within buckets. Null where nothing did."""

    count: int
    mean_seconds: float | None
    p50_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None


class HttpFiguresModel(LiveModel):
    """Requests since the node's start, by class of their status, and what is under way."""

    responses_1xx: int
    responses_2xx: int
    responses_3xx: int
    responses_4xx: int
    responses_5xx: int
    cut_off: int
    """The client left before there was an answer."""
    refused: int
    """Turned away for the node's own protection; they are among the answers too."""
    in_flight: int
    connections: int
    duration: Latency
    """Streams are not in here."""


class LiveFiguresModel(LiveModel):
    """Live updates."""

    clients: int


class GossipFiguresModel(LiveModel):
    """Gossip since the node's start."""

    rounds: int
    sent_datagrams: int
    received_datagrams: int
    sent_bytes: int
    received_bytes: int
    handshakes_opened: int
    handshakes_answered: int
    rejected_datagrams: int


class RaftFiguresModel(LiveModel):
    """This node's part in Raft; counters since its start."""

    role: Literal["leader", "candidate", "follower", "observer"]
    term: int
    commit_index: int
    applied_index: int
    proposals_done: int
    proposals_refused: int
    proposals_unavailable: int
    proposals_unknown: int
    pending_proposals: int
    waiting_reads: int
    proposal: Latency
    """From a write of this node's users to its result."""
    sync: Latency
    """Writing and syncing the log."""


class ProcessFiguresModel(LiveModel):
    """The process and its event loop."""

    memory_bytes: int | None
    """Resident; null where the system does not tell."""
    cpu_seconds: float
    uptime_seconds: float
    loop_lag: Latency
    """How late the event loop is; looked at twice a second."""


class FiguresSample(DetailSample):
    """This node in figures: counters since its start, latencies since the last such sample. `GET /metrics` has all."""

    kind: Literal["figures"]
    seconds: float
    """What the latencies cover; 0 where they begin."""
    http: HttpFiguresModel
    live: LiveFiguresModel
    gossip: GossipFiguresModel
    raft: RaftFiguresModel | None
    """Null where the node takes no part."""
    process: ProcessFiguresModel
