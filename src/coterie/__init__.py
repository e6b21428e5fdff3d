"""Coterie: a control plane in which gossip knows who is alive and Raft holds what all must agree on.

The names below are what programs use: the client, both layers for embedding, the operations of the metadata, and the
errors. Each is imported when it is first named, so that a program pays only for what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coterie.app.client import AccessError, Client, ClientError, ClientLimits
    from coterie.consensus import (
        CompactedError,
        ConflictError,
        Consistency,
        GrantEndedError,
        LeaseLostError,
        Lock,
        Member,
        MemberConfig,
        Metadata,
        MetadataError,
        RefusedError,
        UnavailableError,
        UnknownOutcomeError,
    )
    from coterie.consensus.journal import open_member_directory
    from coterie.consensus.pysyncobj import SyncObj
    from coterie.consensus.store import KEEP_LEASE, Compare, Delete, DeleteRange, Get, Put, Range, Record, Target
    from coterie.gossip import (
        Address,
        Engine,
        GossipConfig,
        GossipError,
        GossipNode,
        Keyring,
        NodeId,
        open_udp_socket,
    )

__all__ = [
    "KEEP_LEASE",
    "AccessError",
    "Address",
    "Client",
    "ClientError",
    "ClientLimits",
    "CompactedError",
    "Compare",
    "ConflictError",
    "Consistency",
    "Delete",
    "DeleteRange",
    "Engine",
    "Get",
    "GossipConfig",
    "GossipError",
    "GossipNode",
    "GrantEndedError",
    "Keyring",
    "LeaseLostError",
    "Lock",
    "Member",
    "MemberConfig",
    "Metadata",
    "MetadataError",
    "NodeId",
    "Put",
    "Range",
    "Record",
    "RefusedError",
    "SyncObj",
    "Target",
    "UnavailableError",
    "UnknownOutcomeError",
    "open_member_directory",
    "open_udp_socket",
]

_ROOMS = {
    "coterie.app.client": ("AccessError", "Client", "ClientError", "ClientLimits"),
    "coterie.consensus.journal": ("open_member_directory",),
    "coterie.consensus.pysyncobj": ("SyncObj",),
    "coterie.consensus.store": (
        "KEEP_LEASE",
        "Compare",
        "Delete",
        "DeleteRange",
        "Get",
        "Put",
        "Range",
        "Record",
        "Target",
    ),
    "coterie.gossip": (
        "Address",
        "Engine",
        "GossipConfig",
        "GossipError",
        "GossipNode",
        "Keyring",
        "NodeId",
        "open_udp_socket",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

if not TYPE_CHECKING:  # a type checker knows the names above, and refuses all others

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_ROOM_OF.get(name, "coterie.consensus")), name)
        return found


def __dir__() -> list[str]:
    return __all__
