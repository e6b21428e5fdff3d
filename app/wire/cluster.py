"""The nodes and both layers: bodies and answers of `/v1/cluster`, `/v1/members`, `/v1/raft/...` and `/v1/leave`."""

from __future__ import annotations

from typing import Annotated, Literal

from coterie.app.wire.base import U64, Answer, Body, Count, Doc, Revision

Role = Literal["leader", "voter", "observer", "candidate", "client"]
"""A candidate waits for its cluster to be founded, or to be let in; a client takes no part in Raft."""


class Decision(Answer, frozen=True):
    """What was decided of the voters, and why."""

    time: float
    """Unix seconds, by the clock of the leader that decided."""
    action: Annotated[str, Doc(examples=["promote"])]
    member_id: str | None
    node_id: Annotated[str | None, Doc(examples=["node4"])]
    reason: Annotated[str, Doc(examples=["alive and caught up for 10 s"])]
    outcome: Annotated[str, Doc(examples=["done"])]


class Decisions(Answer, frozen=True):
    """What the leaders decided of the voters, oldest first."""

    decisions: tuple[Decision, ...]


class RaftMember(Answer, frozen=True):
    """A node's place in the Raft layer."""

    node_id: Annotated[str | None, Doc(examples=["node4"])]
    """Null for a member whose node gossip does not know."""
    member_id: Annotated[str, Doc(examples=["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    """Made once for a data directory."""
    role: Annotated[str, Doc(Role)]
    raft_addr: Annotated[str | None, Doc(examples=["127.0.0.1:11004"])]
    zone: str
    reason: Annotated[str | None, Doc(examples=["stabilizing, 4 s left"])]
    """Why it does not vote; null for a voter."""
    live: bool
    """By gossip."""


class RaftMembers(Answer, frozen=True):
    """Everybody in the Raft layer, as this node sees it."""

    members: tuple[RaftMember, ...]


class LinkEvent(Answer, frozen=True):
    """Something that an operator should know: a wrong secret, another cluster, a copied directory."""

    time: float
    """Unix seconds."""
    kind: Annotated[str, Doc(examples=["bad_secret"])]
    detail: str


class Peer(Answer, frozen=True):
    """Another member, as this one knows it."""

    member_id: str
    voter: bool
    connected: bool
    match_index: Count
    """Up to where it is known to hold the leader's log; 0 where this node does not lead."""
    silent_seconds: float | None
    """Since it last answered this leader; null where it never did, or this node does not lead."""
    receives_snapshot: bool


class RaftStatus(Answer, frozen=True):
    """This node's own part."""

    enabled: bool
    """Whether this node takes part; if not, everything else is null or empty."""
    reason: str | None
    """Why this node is in no cluster, or what it waits for; null where all is well."""
    link_events: tuple[LinkEvent, ...]
    """What links to other members were refused or broken for, oldest first."""
    member_id: str | None
    cluster_id: str | None
    role: Annotated[str | None, Doc(examples=["leader"])]
    leader: Annotated[str | None, Doc(examples=["node1"])]
    """Node id."""
    term: int | None
    voters: tuple[str, ...]
    """Member ids."""
    last_index: int | None
    commit_index: int | None
    applied_index: int | None
    snapshot_index: int | None
    log_entries: int | None
    revision: Revision | None
    founding: bool | None
    """The cluster is being founded: every founder's vote is needed."""
    change_pending: bool | None
    """The latest change of voters is not committed yet."""
    quorum: bool | None
    """A majority is known to be there."""
    failure: str | None
    """Why this node has stopped its part."""
    peers: tuple[Peer, ...]
    log_shortage: Literal["disk_full", "log_full"] | None = None
    """Why this node's log takes no write now: no space on the disk, or as much in memory as it may take until a
    snapshot has cut it; null where it takes one."""
    operation_level: int | None = None
    """The level of operations that the cluster uses; it rises once every member follows a higher one."""
    known_operation_level: int | None = None
    """The newest level that this node follows."""


class RaftStatement(Answer, frozen=True):
    """What a node is, said to other nodes."""

    node_id: Annotated[str, Doc(examples=["node1"])]
    generation: Annotated[U64, Doc(examples=[1673612345])]
    cluster_id: str | None
    """The Raft cluster that it belongs to; null: none."""
    member_id: Annotated[str | None, Doc(examples=["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"])]
    leading: bool
    """Whether it leads that cluster."""
    term: Count
    replaces: tuple[str, ...]
    """The clusters from whose state that one was recovered, the latest first."""


class TransferBody(Body, frozen=True):
    """To whom."""

    node: Annotated[str | None, Doc(examples=["node2"])] = None
    """A voter's node id; left out: whoever holds most of the log."""


class Transferred(Answer, frozen=True):
    """Leadership was handed over: the new leader is heard of."""

    leader: Annotated[str, Doc(examples=["node2"])]
    """Node id of the new leader."""


class Removed(Answer, frozen=True):
    """It is barred for ever; the leader removes it."""

    removed: str
    """Member id."""


class Compacting(Answer, frozen=True):
    """This node takes a snapshot, and then cuts its log."""

    applied_index: int
    """Of the last entry that it will cover, or a later one: once `snapshot_index` of `GET /v1/raft/status` is no less,
    the log is cut."""
    snapshot_index: int
    """Of the snapshot so far; 0 without one."""


class RaftLeft(Answer, frozen=True):
    """This node has left the Raft layer; it goes on without."""

    left: Annotated[bool, Doc(Literal[True])]


class FoundingGivenUp(Answer, frozen=True):
    """The founding that this node waited for is given up."""

    given_up: str | None
    """What was done; null where there was nothing to give up."""


# -- nodes -------------------------------------------------------------------------------------------------------------


class Node(Answer, frozen=True):
    """One incarnation of a node."""

    node_id: Annotated[str, Doc(examples=["server:127.0.0.1:10001-abc123"])]
    """Name of the node; a restart keeps it."""
    generation: Annotated[U64, Doc(examples=[1673612345])]
    """Tells restarts of a node apart: the higher, the later. Start time in Unix seconds, or one more than the last."""
    gossip_advertise_addr: Annotated[str, Doc(examples=["127.0.0.1:10001"])]
    """ip:port at which other nodes reach it."""


class ClusterMember(Node, frozen=True):
    """One incarnation of a node, as this node sees it."""

    status: Annotated[str, Doc(Literal["live", "dead", "joining", "left"], examples=["live"])]
    """`joining`: known by hearsay, no sign of life seen yet. `left`: it said goodbye."""
    phi: Annotated[float | None, Doc(examples=[0.31])]
    """Suspicion: above `gossip.phi_threshold` it is taken for dead. Null while nothing is known, and for this node."""
    last_heartbeat_seconds: Annotated[float | None, Doc(examples=[0.4])]
    """Since its last sign of life came in; null where none did. 0 for this node."""
    heartbeat: U64
    """Rises while the node lives."""
    max_version: U64
    """Version of the last write known here."""
    last_gc_version: U64
    """Highest version of a deleted key that was collected."""
    keys: Count
    """Keys known of it, without deleted ones."""
    role: Annotated[str | None, Doc(Role | None)]
    """Its part in the Raft layer; `client`: none. Null unless it is live."""


class Members(Answer, frozen=True):
    """All known nodes, by node id."""

    cluster_id: Annotated[str, Doc(examples=["testing"])]
    node_id: Annotated[str, Doc(examples=["node1"])]
    """The node that answers."""
    members: tuple[ClusterMember, ...]


class GossipLayer(Answer, frozen=True):
    """The gossip layer as this node sees it."""

    cluster_id: Annotated[str, Doc(examples=["testing"])]
    live: tuple[Node, ...]
    dead: tuple[Node, ...]
    """Those that died, and newcomers that are yet to be heard of a few times."""
    twins: tuple[Node, ...] = ()
    """Running processes that share their node_id with another one, as of a configuration copied to a second host."""


class RaftLayer(Answer, frozen=True):
    """The Raft layer as this node sees it."""

    enabled: bool
    """Whether this node takes part in it."""
    cluster_id: str | None
    """Made when the cluster was founded; null before."""
    leader: Annotated[str | None, Doc(examples=["node1"])]
    """Node id; null while no leader is known."""
    term: int
    quorum: bool | None
    """Whether a majority of the voters is there; null where this node cannot know."""
    membership_epoch: int
    """Counts the changes of the voters."""
    voters: Annotated[tuple[str, ...], Doc(examples=[["node1", "node2", "node3"]])]
    """Node ids, the leader's among them; the member id where the node is not known."""
    observers: Annotated[tuple[str, ...], Doc(examples=[["node4"]])]
    """Live nodes that follow the log without a vote."""
    candidates: tuple[str, ...]
    """Nodes that wait for a cluster."""
    members: tuple[RaftMember, ...]
    decisions: tuple[Decision, ...]
    """The latest, oldest first, as the metadata holds them; empty where this node takes no part."""


class Cluster(Answer, frozen=True):
    """The cluster as this node sees it."""

    node_id: str
    """The node that answers."""
    version: Annotated[str, Doc(examples=["0.1.0"])]
    """Of the program that it runs."""
    gossip: GossipLayer
    raft: RaftLayer


class Departed(Answer, frozen=True):
    """It has left, and stops now."""

    raft: Annotated[str, Doc(Literal["left", "kept", "failed", "none"], examples=["left"])]
    """`left`; `kept`, as was asked or because nobody else votes; `failed`, for want of a majority in time: the leader
    replaces it as a dead voter; `none`: it had no part."""
    reason: str | None
    """Why, where that needs words."""
    told: Annotated[int, Doc(ge=0, examples=[5])]
    """How many other nodes are known to know of it; they tell the rest."""


class Forgotten(Answer, frozen=True):
    """What was dropped."""

    node_id: Annotated[str, Doc(examples=["node4"])]
    forgotten: Annotated[int, Doc(ge=0, examples=[1])]
    """Incarnations that this node knew."""
    raft_members: Annotated[tuple[str, ...], Doc(examples=[["0d6e4c7a0b5e4d3c9a8b7c6d5e4f3a2b"]])]
    """Member ids that are barred from now on; the leader removes them from the voters."""
