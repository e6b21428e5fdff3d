"""Membership, failure detection and eventually consistent key-values: the chitchat gossip protocol, wire version 0.

`GossipNode` runs a node on a UDP socket inside an event loop; `Engine` is the same node as a pure state machine.
What is imported here is the package's public face.
"""

from coterie.gossip.anti_entropy.exchange_stats import Exchanged, PeerBook
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
from coterie.gossip.events.events import Event, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.monitoring.convergence import Convergence, Spread, measure_convergence, recent_exchanges
from coterie.gossip.monitoring.metrics import Figures, Survey
from coterie.gossip.shell.node import GossipNode, open_udp_socket
from coterie.gossip.shell.seeds import Seed
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.wire.key_value import KeyValue, Status
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
    "ConfigError",
    "Convergence",
    "Engine",
    "Event",
    "Exchanged",
    "Figures",
    "GossipConfig",
    "GossipError",
    "GossipNode",
    "KeyRefusedError",
    "KeyTooLargeError",
    "KeyValue",
    "Keyring",
    "NodeAlive",
    "NodeDead",
    "NodeId",
    "NodeJoined",
    "NodeRemoved",
    "NodeState",
    "PeerBook",
    "Plain",
    "ReservedKeyError",
    "Seed",
    "Spread",
    "StateUpdateError",
    "Status",
    "Survey",
    "TooManyKeysError",
    "WireError",
    "measure_convergence",
    "open_udp_socket",
    "recent_exchanges",
]
