"""The Raft layer: linearizable, replicated cluster metadata (docs/spec/raft.md).

`Metadata` is the API, `Member` a node's part in the group; operations and results are in `coterie.consensus.store`. The
parts of a member are imported where they are first named, for a client over HTTP needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coterie.consensus.api.errors import (
    CompactedError,
    ConflictError,
    GrantEndedError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from coterie.consensus.api.leases import KeptLease
from coterie.consensus.api.locks import Lock
from coterie.consensus.api.metadata import Metadata
from coterie.consensus.api.types import Consistency, ReadResult, RequestId, Watch

if TYPE_CHECKING:
    from coterie.consensus.member.config import MemberConfig
    from coterie.consensus.member.member import Member
    from coterie.consensus.member.metadata.calls import MemberMetadata
    from coterie.consensus.member.metadata.watch import MemberWatch
    from coterie.consensus.member.observing.status import MemberStatus, PeerStatus

__all__ = [
    "CompactedError",
    "ConflictError",
    "Consistency",
    "GrantEndedError",
    "KeptLease",
    "LeaseLostError",
    "Lock",
    "Member",
    "MemberConfig",
    "MemberMetadata",
    "MemberStatus",
    "MemberWatch",
    "Metadata",
    "MetadataError",
    "PeerStatus",
    "ReadResult",
    "RefusedError",
    "RequestId",
    "UnavailableError",
    "UnknownOutcomeError",
    "Watch",
]

_OF_A_MEMBER = {
    "Member": "coterie.consensus.member.member",
    "MemberConfig": "coterie.consensus.member.config",
    "MemberStatus": "coterie.consensus.member.observing.status",
    "MemberMetadata": "coterie.consensus.member.metadata.calls",
    "PeerStatus": "coterie.consensus.member.observing.status",
    "MemberWatch": "coterie.consensus.member.metadata.watch",
}

if not TYPE_CHECKING:  # a type checker knows the names above, and refuses all others

    def __getattr__(name: str) -> Any:
        if name not in _OF_A_MEMBER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_OF_A_MEMBER[name]), name)
        return found
