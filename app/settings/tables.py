"""The settings of each part of a node, a TOML table each. The docstrings are the text of `configs/reference.toml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from coterie.app.settings.types import (
    Bytes,
    Count,
    HostNames,
    ListenAddress,
    Names,
    Number,
    Origins,
    PublicAddress,
    Seconds,
    Secret,
    Table,
    WholeSeconds,
    odd,
)
from coterie.consensus import MemberConfig
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.journal import JournalConfig
from coterie.gossip import GossipConfig

# Each default is written once, in the configuration of the part that uses it.
_GOSSIP = GossipConfig()
_MEMBER = MemberConfig(secret=b"unused")
_JOURNAL = JournalConfig()
_POLICY = Policy()

MIN_LOG_BYTES = 8 * 1024 * 1024
"""So that several values of the largest size fit."""


class GossipSettings(Table):
    """The gossip protocol."""

    gossip_fanout: Count = _GOSSIP.gossip_fanout
    """How many random live nodes are addressed in each round."""
    phi_threshold: Number = _GOSSIP.phi_threshold
    """A node is taken for dead when it was silent for more than this many of its mean intervals between signs of
    life. Higher is slower and surer."""
    initial_interval: Seconds = _GOSSIP.initial_interval
    """The interval between signs of life that is assumed of a node before it is known; weighs as much as five
    observed ones."""
    max_interval: Seconds = _GOSSIP.max_interval
    """Longer intervals between signs of life are not averaged in: the node was away. Must be above interval_ms."""
    sampling_window: Count = _GOSSIP.sampling_window
    """How many of a node's last intervals are averaged."""
    min_mean_interval: Number = _GOSSIP.min_mean_interval
    """A node's mean interval counts as at least this many gossip intervals (interval_ms), however often it was heard of
    in a rush, such as the start of a whole cluster."""
    local_health_max: Count = _GOSSIP.local_health_max
    """A node whose rounds come late, or that nobody answers, doubts itself before others: it waits up to this many
    times phi_threshold longer, until it is well again."""
    dead_node_grace_period: Seconds = _GOSSIP.dead_node_grace_period
    """How long a dead node is remembered with its keys; after half of it, it is no longer spoken of. Must be equal on
    all nodes of a cluster."""
    marked_for_deletion_grace_period: Seconds = _GOSSIP.marked_for_deletion_grace_period
    """How long the mark of a deleted key is kept so that every node learns of it, and how long a key with time to live
    lives. Must be equal on all nodes of a cluster, and longer than any partition you want to survive without full
    transfers."""
    max_key_value_bytes: Bytes = _GOSSIP.max_key_value_bytes
    """Largest key and value together that this node writes; at most 60000. When you raise it, raise
    http.max_query_bytes too: percent-encoding can triple a value."""
    max_keys_per_node: Count = _GOSSIP.max_keys_per_node
    """Most keys in one node's namespace, marks of deleted ones included."""
    max_node_bytes: Bytes = _GOSSIP.max_node_bytes
    """Most that the keys of one node may take in memory, each counted with 256 bytes beside its own. This node writes
    no more, and takes no more of another. Should be equal on all nodes of a cluster."""
    allow_non_ascii_keys: bool = _GOSSIP.allow_non_ascii_keys
    """Whether keys may start with a non-ASCII character. Real chitchat nodes (release 0.10.1) stop on such keys: set
    it only where all nodes are coterie nodes."""
    protocol_version: Annotated[int, Field(ge=0, le=1)] = _GOSSIP.protocol_version
    """Wire version of the messages that this node opens with; it answers in the version in which it is asked. Version 1
    takes about a third of the bytes. Set 1 only where every node of the cluster reads it: chitchat does since 0.13."""
    max_datagram_bytes: Bytes = _GOSSIP.max_datagram_bytes
    """Largest datagram sent; at most 65507, UDP's own limit."""
    max_digest_bytes: Bytes = _GOSSIP.max_digest_bytes
    """A digest of all known nodes that does not fit a datagram is cut into stripes of at most this size. At least 4096
    below max_datagram_bytes."""
    max_delta_bytes: Bytes = _GOSSIP.max_delta_bytes
    """How much a message unpacks to, read or written; the rest comes in a later round. At least 131072."""
    max_delta_ops: Count = _GOSSIP.max_delta_ops
    """How many operations of a message are read or written; the rest comes in a later round."""
    max_known_nodes: Count = _GOSSIP.max_known_nodes
    """Most nodes known at a time, dead ones included; further ones are counted and ignored."""
    max_foreign_bytes: Bytes = _GOSSIP.max_foreign_bytes
    """Most that the keys of all other nodes may take in memory. Beyond it each node has an equal part."""
    max_joining_bytes: Bytes = _GOSSIP.max_joining_bytes
    """Most that the keys of nodes that were never alive for this one may take in memory, together."""
    stranger_bytes_per_second: Bytes = _GOSSIP.stranger_bytes_per_second
    """Answers to addresses that are no seed's and answered no Syn of this node share this many bytes a second, so that
    this node cannot be used to flood others."""
    drop_unsolicited: bool = _GOSSIP.drop_unsolicited
    """Whether answers from peers that were not addressed lately are dropped instead of only counted."""
    reply_window: Seconds = _GOSSIP.reply_window
    """What "lately" means for drop_unsolicited."""


class RaftSettings(Table):
    """The Raft layer: metadata, leases, locks and elections on which all nodes agree."""

    enabled: bool = False
    """Whether this node takes part: it keeps the metadata, and may come to vote. Needs data_dir. A node that does not
    take part serves the same requests, by way of those that do."""
    bootstrap_expect: Annotated[int, odd(1, 3, 5)] | None = None
    """How many nodes found the cluster, once: 1, 3 or 5; equal on all of them. They wait for one another. Unset, and
    without founders: the node joins a cluster that others found."""
    founders: Names = ()
    """Instead of bootstrap_expect: the node_ids of the nodes that found the cluster, 1, 3 or 5 of them. As an
    environment variable: separated by commas, or a JSON array."""
    listen_addr: ListenAddress | None = None
    """ip:port (TCP) on which the nodes speak Raft with each other. Unset: the node's listen_addr with the port + 1000.
    Port 0: the system chooses one."""
    public_addr: PublicAddress | None = None
    """ip:port at which other nodes reach it. Unset: the IP address of the node's public_addr, and the port of
    raft.listen_addr."""
    secret: Secret | None = None
    """What nodes prove to each other before they speak Raft, and a leader before it is sent requests: text of at least
    16 characters, drawn at random, equal on all nodes, those without Raft among them. Must be set unless
    raft.listen_addr is a loopback address."""
    zone: Annotated[str, Field(max_length=64)] = ""
    """Where this node stands, such as a rack or a data centre. Voters are preferred in distinct zones."""
    min_voters: Annotated[Count, Field(le=7)] = _POLICY.min_voters
    """No dead voter is removed below this number, unless a ready node takes its place."""
    max_voters: Annotated[int, odd(1, 3, 5, 7)] = _POLICY.max_voters
    """Most voters; further nodes follow without a vote."""
    stabilization_time: Seconds = _POLICY.stabilization_time
    """How long a node must have been alive and caught up before it may vote."""
    dead_voter_grace: Seconds = _POLICY.dead_voter_grace
    """How long a voter must have been dead, for gossip and for the leader alike, before another takes its place."""
    heartbeat_interval: Seconds = _MEMBER.raft.heartbeat
    """Time between a leader's signs of life to the other members. Raise it, and election_timeout with it, where round
    trips take longer than a quarter of it."""
    election_timeout: Seconds = _MEMBER.raft.election_min
    """Time without a leader before others campaign: random between this and twice as much. At least 4 times
    heartbeat_interval."""
    disk_patience: Seconds = _MEMBER.raft.disk_patience
    """How long one write to the leader's disk may hang before the leader gives up its place to another node."""
    compact_bytes: Bytes = _MEMBER.raft.compact_bytes
    """What the log grows by before a snapshot is taken and the log cut: these bytes, or 10,000 entries. At most half of
    max_log_bytes."""
    max_log_bytes: Annotated[Bytes, Field(ge=MIN_LOG_BYTES)] = _JOURNAL.max_log_bytes
    """Memory that the log may take from one snapshot to the next: beyond it writes are refused until a snapshot has cut
    the log. A node that follows takes twice as much."""
    digest_interval: Seconds = _MEMBER.digest_interval
    """Time between two digests of the metadata that the members compare. One that differs from most of the others
    takes no further part in Raft, and says so."""
    request_timeout: Seconds = _MEMBER.request_timeout
    """How long a request may take where it does not say so itself; then it ends with an error that says whether
    anything happened."""
    max_request_timeout: Seconds = 60.0
    """Longest time that a request may ask for, waiting for locks included."""
    max_watches: Count = _MEMBER.max_watches
    """Most watches served at a time; further ones are answered 503."""
    watch_heartbeat: Seconds = 10.0
    """A watch on which nothing happens says after this time how far it has come."""
    watch_max_staleness: Seconds = 15.0
    """A watch at a node that hears of no leader is ended after this time; its client goes on at another node."""
    watch_stall: Seconds = 30.0
    """A watch whose client takes nothing for this long is ended; it can be resumed."""


class ConsoleSettings(Table):
    """The console in the browser, at `/ui`."""

    enabled: bool = True
    """Whether it is served. Its files hold no data and need no token; what it shows, it asks for with the right of
    whoever uses it."""


class HealthSettings(Table):
    """What `/readyz` asks for."""

    max_staleness: Seconds = 5.0
    """A node that takes part in Raft is not ready while its metadata may be older than this: it hears of no leader, or
    does not keep up. Should be longer than an election takes."""


class LogSettings(Table):
    """What is logged, and how. Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are logged. "debug" includes a line for each HTTP request."""
    format: Literal["auto", "console", "json"] = "auto"
    """"console" is for people, "json" is one object a line; "auto" is "console" on a terminal and "json" elsewhere."""


class HttpSettings(Table):
    """The HTTP server: who may ask by which name, and its limits."""

    allowed_hosts: HostNames = ()
    """Names by which this node is reached, beside localhost, the machine's own name and every IP address: those of a
    service or a load balancer before it. Requests to other names are answered 403, for a web page can have any name
    resolve to this node. "*.example.net" allows a domain's, "*" any name."""
    allowed_origins: Origins = ()
    """Origins, such as "https://console.example.net", whose pages may use this node from a browser, beside the node's
    own. Requests that a browser sends for others are answered 403. "*" allows all pages of the world."""

    max_connections: Count = 4_096
    """Most open connections, those of live updates and watches among them; further ones are answered 503 and closed.
    The node raises its limit of open files as far as the system allows; a warning at the start tells where that is not
    far enough."""
    max_connections_per_client: Count = 2_048
    """Most open connections of one IP address; further ones are answered 503 and closed. Raise it where a proxy brings
    all clients. Past both limits, health checks are still answered."""
    backlog: Count = 2_048
    """Most connections that wait in the system to be accepted."""
    keep_alive_seconds: WholeSeconds = 120
    """How long a connection stays open after an answer while no further request comes. Should be longer than
    proxies and clients keep one idle (60 to 90 seconds): closed first here, it may be closed under a request."""
    head_seconds: WholeSeconds = 10
    """How long a client may take to send the head of a request, from connecting or from its first byte on."""
    max_query_bytes: Bytes = 65_536
    """Longest path and query of a request together, as sent, that is percent-encoded; longer ones are answered 414."""
    max_header_bytes: Bytes = 32_768
    """Most header bytes of a request; more are answered 431."""
    max_body_bytes: Bytes = 2_097_152
    """Largest body of a request; larger ones are answered 413."""
    max_json_bytes: Bytes = 262_144
    """Largest JSON body of a request other than a transaction; larger ones are answered 413."""
    body_seconds: WholeSeconds = 30
    """How long a client may take to send a body once the head is there; then it is answered 408."""
    send_seconds: WholeSeconds = 30
    """A client that takes next to nothing of an answer for this long is cut off."""
    max_requests_per_client: Count = 1_000
    """Most requests of one IP address that are worked on at a time; further ones are answered 429. Lower it where
    clients have addresses of their own."""
    max_requests_per_token: Count = 500
    """Most requests of one token, streams and waits among them, that are worked on at a time; further ones are answered
    429. Requests without a token count as one. Tokens that may administer everything are not counted."""
    max_bodies_bytes: Bytes = 67_108_864
    """Most that the bodies of all requests under way may take together; further ones are answered 503."""
    max_unsent_bytes: Bytes = 268_435_456
    """While slow clients have yet to take more than this of their answers, further requests are answered 503."""
    shutdown_seconds: WholeSeconds = 1
    """How long a stopping node waits for answers under way; idle connections are closed at once."""
