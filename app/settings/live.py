"""The settings of live updates (`/v1/ws` and `/v1/events`)."""

from __future__ import annotations

from coterie.app.settings.types import Bytes, Count, Seconds, Table


class LiveSettings(Table):
    """Live updates by WebSocket and server-sent events."""

    max_clients: Count = 1_000
    """Most clients at a time, of both kinds together; further ones are answered 503. Each is a connection, too: see
    http.max_connections."""
    interval: Seconds = 0.1
    """How often, while anybody listens, it is looked for what has changed: what comes together is told together."""
    sample_interval: Seconds = 2.0
    """How often suspicion of nodes (phi) and the time left to leases are told."""
    figures_interval: Seconds = 1.0
    """How often gossip between this node and its peers, convergence, and this node's figures are told to clients that
    ask for them."""
    max_sampled: Count = 1_000
    """Most nodes, and most leases, in such a sample."""
    heartbeat: Seconds = 10.0
    """A client hears at least this often, and learns how far it has come. WebSockets are pinged as often."""
    buffer_events: Count = 16_384
    """The last events are kept, for clients that come back and for slow ones; one that falls behind all of them is
    told so and dropped."""
    buffer_bytes: Bytes = 16_777_216
    """Most bytes that these events may take."""
    keep_seconds: Seconds = 60.0
    """How long after the last client has left events are kept for it to come back."""
    max_value_bytes: Bytes = 4_096
    """Longer values are not shown in snapshots and events; ask for them by key."""
    snapshot_bytes: Bytes = 16_777_216
    """Largest snapshot; of keys that do not fit it the client is told that they are left out."""
    max_bytes_per_second: Bytes = 67_108_864
    """What all clients together are sent at most, so that the node's other work goes on."""
    stall_seconds: Seconds = 10.0
    """A client that takes nothing of a message for this long is dropped."""
    max_message_bytes: Bytes = 65_536
    """Largest message that a client may send over a WebSocket."""
