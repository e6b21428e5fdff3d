"""The Raft layer: linearizable, replicated cluster metadata (consensus specification).

`Metadata` is the face; a `Member` is a node's part in the group; `consensus.store` has the operations and results. The
parts of a member are imported where they are first named: a program that speaks to members over HTTP needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from consensus.answers import Answer, Consistency, RequestId
from consensus.errors import (
    CompactedError,
    ConflictError,
    GrantEndedError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from consensus.face import AbstractMetadata, AbstractWatching
from consensus.holding import Holding, KeptLease

if TYPE_CHECKING:
    from consensus.member import Member, MemberConfig
    from consensus.member_status import MemberStatus, PeerStatus
    from consensus.metadata import Metadata
    from consensus.watching import Watching

__all__ = [
    "AbstractMetadata",
    "AbstractWatching",
    "Answer",
    "CompactedError",
    "ConflictError",
    "Consistency",
    "GrantEndedError",
    "Holding",
    "KeptLease",
    "LeaseLostError",
    "Member",
    "MemberConfig",
    "MemberStatus",
    "Metadata",
    "MetadataError",
    "PeerStatus",
    "RefusedError",
    "RequestId",
    "UnavailableError",
    "UnknownOutcomeError",
    "Watching",
]

_OF_A_MEMBER = {
    "Member": "consensus.member",
    "MemberConfig": "consensus.member",
    "MemberStatus": "consensus.member_status",
    "Metadata": "consensus.metadata",
    "PeerStatus": "consensus.member_status",
    "Watching": "consensus.watching",
}

if not TYPE_CHECKING:  # a type checker knows the names above, and shall refuse all others

    def __getattr__(name: str) -> Any:
        if name not in _OF_A_MEMBER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_OF_A_MEMBER[name]), name)
        return found
