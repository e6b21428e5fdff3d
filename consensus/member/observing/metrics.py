"""What a member counts and holds, for metrics."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.raft.metrics import RaftMetrics
from coterie.consensus.store.state import StateSizes


@dataclass(frozen=True, slots=True)
class MemberMetrics:
    raft: RaftMetrics
    """Counters and latencies since the member's start; live, not a copy."""
    state: StateSizes
    """Sizes of the replicated state."""
    pending_proposals: int
    waiting_reads: int
    open_watches: int
    log_bytes: int
    """About what the log takes in memory."""
    disk_full: bool
    """There is no space on the disk for more of the log."""
    log_full: bool
    """The log takes as much memory as it may: writes are refused until a snapshot has cut it."""
    staleness: float
    """Seconds: how old what is applied here may be at most; infinite where no leader was heard yet."""
    unknown_messages: int
    """Of other members, passed over: of kinds that this release does not know."""
