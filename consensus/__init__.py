"""The Raft layer: linearizable, replicated cluster metadata (consensus specification).

`Metadata` is the face; a `Member` is a node's part in the group; `consensus.store` has the operations and results.
"""

from consensus.errors import (
    CompactedError,
    ConflictError,
    LeaseLostError,
    MetadataError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from consensus.holding import Holding, KeptLease
from consensus.member import Member, MemberConfig, MemberStatus, PeerStatus
from consensus.metadata import Answer, Consistency, Metadata, RequestId
from consensus.watching import Watching

__all__ = [
    "Answer",
    "CompactedError",
    "ConflictError",
    "Consistency",
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
