"""Every bound and pause of the client, with its default and unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    max_connections: int = 100
    """Open connections for requests, to all nodes together."""
    max_streams: int = 500
    """Streams that are open at a time, beside them: each watch has one, and each lock that is held or waited for. They
    take nothing from requests, for leases must be renewed; a node has at most `raft.max_watches` of them."""
    max_idle_connections: int = 20
    """Of these, those kept open while nothing is asked."""
    idle_seconds: float = 2.0
    """How long an idle connection is used again: below what nodes keep them for (`http.keep_alive_seconds`)."""
    connect_seconds: float = 2.0
    """For a connection to a node, TLS included, or for a free one of those above; then the next node is tried."""
    attempt_seconds: float = 5.0
    """How long one node is given for an answer before the next is tried; also what it is told to take at most, so at
    most the nodes' `raft.max_request_timeout`."""
    max_answer_bytes: int = 64 * 1024 * 1024
    """Largest answer that is read."""
    max_event_bytes: int = 64 * 1024 * 1024
    """Longest event of a stream: one revision of the metadata with all its changes."""
    max_waiting_events: int = 64
    """Events of one stream that wait here for the program; beyond it the stream waits too."""
    silence_seconds: float = 30.0
    """A stream that says nothing for so long is taken for broken: nodes say something every `raft.watch_heartbeat`,
    `live.heartbeat`, which must be below this."""
    patience_seconds: float = 60.0
    """For how long a stream that broke is opened anew before it ends with an error."""
    first_pause_seconds: float = 0.05
    """Before a request is sent anew once all nodes were tried; it doubles with each round, and is shortened at random
    by up to half."""
    max_pause_seconds: float = 2.0
    unreachable_rounds: int = 0
    """Rounds of tries, the last of which reached no node, after which a call ends before its time; 0: none, for a node
    that restarts comes back. For people, who wait."""
