"""Membership, failure detection and eventually consistent key-values: the chitchat gossip protocol, wire version 0.

`GossipNode` runs a node on a UDP socket inside an event loop; `Engine` is the same node as a pure state machine.
What is imported here is the package's public face.
"""

from coterie.gossip.config import LEFT_KEY, RESERVED_PREFIX, GossipConfig
from coterie.gossip.convergence import Convergence, Spread, measure_convergence, recent_exchanges
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
from coterie.gossip.events import Event, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.figures import Figures, Survey
from coterie.gossip.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.keyring import KEY_BYTES, SEAL_BYTES, SESSION_BYTES, Keyring, Plain
from coterie.gossip.keyvalue import KeyValue, Status
from coterie.gossip.node import GossipNode, open_udp_socket
from coterie.gossip.peer_book import Exchanged, PeerBook
from coterie.gossip.seeds import Seed
from coterie.gossip.state import NodeState

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
