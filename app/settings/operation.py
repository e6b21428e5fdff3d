"""Settings of operation: what a node saves, how it leaves, and the keys that seal gossip."""

from __future__ import annotations

from typing import Literal

from coterie.app.settings.types import Count, GossipKeys, Seconds, Table
from coterie.gossip import REPLAY_WINDOW


class PersistenceSettings(Table):
    """What of the gossip layer outlives a restart, in data_dir; nothing does without one."""

    enabled: bool = True
    """Whether this node keeps its own keys, and the addresses of its peers. A restart takes them up again: it has its
    keys, and finds its cluster without seeds. Keys of the table key_values win over kept ones."""
    interval: Seconds = 5.0
    """How long after a change it is written at most (longer where writing takes more than a tenth of that); a crash
    loses what was set since. A node that is stopped writes before it ends."""
    max_peers: Count = 1_000
    """Most addresses of peers that are kept, the live ones first."""


class LeaveSettings(Table):
    """How a node goes: POST /v1/leave, `coterie leave`, or SIGTERM."""

    on_sigterm: Literal["goodbye", "leave", "stop"] = "goodbye"
    """What SIGTERM means. "goodbye": the others see this node as left at once, and it keeps its place in the Raft layer
    (leadership is handed over), for it comes back. "leave": it gives up that place too, for good. "stop": it just
    stops, and the others find out by its silence. SIGINT, and a second SIGTERM, just stop."""
    raft_timeout: Seconds = 10.0
    """How long giving up the place in the Raft layer may take; it goes on without after that."""
    gossip_timeout: Seconds = 3.0
    """How long is waited until enough others know that it leaves."""
    peers: Count = 5
    """How many others must have confirmed that they know; they tell the rest."""


class KeyringSettings(Table):
    """Sealing of gossip with shared keys, for clusters of coterie nodes alone: real chitchat nodes do not speak it."""

    keys: GossipKeys = ()
    """Base64 of 32 random bytes each, such as from `openssl rand -base64 32`; equal on all nodes. The first one seals,
    all of them open. To rotate, on all nodes each time: append the new one, move it to the front, remove the old one.
    Empty: gossip is neither secret nor authenticated. As an environment variable: separated by commas."""
    plain: Literal["refuse", "accept", "send"] = "refuse"
    """What is done about datagrams that are not sealed. A running cluster comes to sealing without a stop by setting,
    on all nodes each time, "send" (seal nothing, take both; this step needs a restart of each node, for keys where
    there were none change the size of messages), "accept" (seal, take both), and "refuse"."""
    replay_window: Seconds = REPLAY_WINDOW
    """Sealed datagrams whose time is further than this from this node's clock are refused, so the clocks of the nodes
    must be nearer to each other than that; a captured one is of no use to anybody after it."""
