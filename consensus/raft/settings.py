"""Settings of the Raft node, with units and defaults (raft spec 2, timing)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RaftConfig:
    heartbeat: float = 0.1
    """Seconds between a leader's pings."""
    election_min: float = 0.4
    election_max: float = 0.8
    """Seconds without a leader before a campaign: random in between. Stickiness lasts `election_min`."""
    leader_fallback: float = 0.35
    """Seconds without answers from a majority before a leader gives up: below `election_min` (fault 11)."""

    disk_patience: float = 2.0
    """Seconds that one sync may take before a leader gives up its place, where others could take it; nor does a node
    campaign meanwhile."""

    max_op_bytes: int = (1 << 20) + (1 << 17)
    max_batch_bytes: int = 2 << 20
    """All proposals of one loop turn become one entry of at most this size."""
    max_pending: int = 10_000
    """Proposals in the queue or waiting for their outcome, those of other members that this leader holds included."""
    max_pending_bytes: int = 64 << 20
    """What they may take together."""
    max_waiting_reads: int = 10_000
    """Those of other members included."""

    commit_notice_delay: float = 0.003
    """Seconds for which an append is held back that would carry the commit index and nothing else."""
    max_append_bytes: int = 1 << 20
    """An append carries entries up to this size, or one entry."""
    max_appends_in_flight: int = 32
    max_bytes_in_flight: int = 8 << 20
    """Sent to one member and not yet acknowledged."""

    snapshot_chunk_bytes: int = 256 << 10
    snapshot_window: int = 4
    """Chunks in flight to one member."""
    snapshot_patience: float = 5.0
    """Seconds without progress before a transfer starts anew."""
    compact_after: int = 10_000
    """Applied entries in the log before a snapshot is taken. Four times as many while one is being sent."""
    compact_bytes: int = 64 << 20
    """What they may take before one is taken all the same. Twice as much while one is being sent; below half of the
    journal's `max_log_bytes`, or writes are refused until it is there."""
    snapshot_slice: int = 16
    """State chunks encoded in one loop turn while a snapshot is taken."""
    snapshot_load_slice: int = 1
    """State chunks of a received snapshot loaded in one event, beside the state that is there."""
    snapshot_backoff: float = 5.0
    """Seconds before the next try after a snapshot could not be written here, or not read by the member it was sent
    to."""

    def __post_init__(self) -> None:
        if not self.leader_fallback < self.election_min < self.election_max:
            raise ValueError("leader_fallback < election_min < election_max must hold")
        if not self.heartbeat * 3 < self.leader_fallback:
            raise ValueError("leader_fallback must exceed three heartbeats")
        if self.compact_after <= 0 or self.compact_bytes <= 0:
            raise ValueError("compact_after and compact_bytes must exceed 0")
        if not 0 < self.max_op_bytes + 4 <= self.max_batch_bytes:
            raise ValueError("max_batch_bytes must exceed max_op_bytes by 4")
