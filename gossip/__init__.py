"""Membership, failure detection and eventually consistent key-values: the chitchat gossip protocol, wire version 0.

`GossipNode` runs a node on a UDP socket inside an event loop; `Engine` is the same node as a pure state machine.
The names imported here are the public face of the package.
"""

from coterie.gossip.anti_entropy.handshake_stats import HandshakeStats, PeerHandshakes
from coterie.gossip.config import LEFT_KEY, RESERVED_PREFIX, GossipConfig
from coterie.gossip.engine import Engine
from coterie.gossip.errors import (
    ConfigError,
    GossipError,
    KeyRefusedError,
    KeyTooLargeError,
    ReservedKeyError,
    StateUpdateError,
    TooManyKeysError,
    WireError,
)
from coterie.gossip.events.events import CaughtUp, Event, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.monitoring.convergence import Convergence, Spread, measure_convergence, recent_handshakes
from coterie.gossip.monitoring.metrics_sampler import GossipMetrics, MetricsSampler
from coterie.gossip.shell.node import GossipNode, open_udp_socket
from coterie.gossip.shell.seeds import Seed
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.wire.key_value import KeyStatus, KeyValue
from coterie.gossip.wire.keyring import KEY_BYTES, REPLAY_WINDOW, SEAL_BYTES, SESSION_BYTES, Keyring, Plain

__all__ = [
    "KEY_BYTES",
    "LEFT_KEY",
    "MAX_ID_BYTES",
    "REPLAY_WINDOW",
    "RESERVED_PREFIX",
    "SEAL_BYTES",
    "SESSION_BYTES",
    "Address",
    "CaughtUp",
    "ConfigError",
    "Convergence",
    "Engine",
    "Event",
    "GossipConfig",
    "GossipError",
    "GossipMetrics",
    "GossipNode",
    "HandshakeStats",
    "KeyRefusedError",
    "KeyStatus",
    "KeyTooLargeError",
    "KeyValue",
    "Keyring",
    "MetricsSampler",
    "NodeAlive",
    "NodeDead",
    "NodeId",
    "NodeJoined",
    "NodeRemoved",
    "NodeState",
    "PeerHandshakes",
    "Plain",
    "ReservedKeyError",
    "Seed",
    "Spread",
    "StateUpdateError",
    "TooManyKeysError",
    "WireError",
    "measure_convergence",
    "open_udp_socket",
    "recent_handshakes",
]
