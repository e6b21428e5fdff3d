"""The settings of what operators do with a node: what it keeps on disk, how it leaves, who may gossip with it."""

from __future__ import annotations

from typing import Literal

from app.setting_types import Count, Seconds, Table


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
