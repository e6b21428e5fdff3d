"""Membership, failure detection and eventually consistent key-values: the chitchat gossip protocol, wire version 0.

`GossipNode` runs a node on a UDP socket inside an event loop; `Engine` is the same node as a pure state machine.
What is imported here is the package's public face.
"""

from gossip.config import LEFT_KEY, RESERVED_PREFIX, GossipConfig
from gossip.convergence import Convergence, Spread, measure_convergence, recent_exchanges
from gossip.engine import Engine
from gossip.errors import (
    ConfigError,
    GossipError,
    KeyRefusedError,
    KeyTooLargeError,
    ReservedKeyError,
    StateUpdateError,
    TooManyKeysError,
    WireError,
)
from gossip.events import Event, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from gossip.figures import Figures, Survey
from gossip.identity import MAX_ID_BYTES, Address, NodeId
from gossip.keyring import KEY_BYTES, SEAL_BYTES, SESSION_BYTES, Keyring, Plain
from gossip.keyvalue import KeyValue, Status
from gossip.node import GossipNode, open_udp_socket
from gossip.peer_book import Exchanged, PeerBook
from gossip.seeds import Seed
from gossip.state import NodeState

__all__ = [
    "KEY_BYTES",
    "LEFT_KEY",
    "MAX_ID_BYTES",
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
