"""What must hold after every event, in production as in the simulation: a breach stops the node before anything that
follows from it is stored or sent."""

from __future__ import annotations

from coterie.consensus.raft.core.model.state import RaftState
from coterie.consensus.raft.errors import SafetyError


def check(s: RaftState, term: int, commit: int) -> None:
    """`term`, `commit`: before the event. Raises SafetyError, which says what does not hold."""
    last = s.log.last_index
    if s.term < term:
        raise SafetyError(f"the term fell from {term} to {s.term}")
    if s.commit < commit:
        raise SafetyError(f"the commit index fell from {commit} to {s.commit}")
    if not s.applied <= s.commit <= last:
        raise SafetyError(f"applied <= commit <= last does not hold: {s.applied}, {s.commit}, {last}")
    if s.log.durability.durable > last:
        raise SafetyError(f"entry {s.log.durability.durable} is durable, but the log ends at {last}")
    if not s.leading:
        return
    for member, progress in s.progress.items():
        if not progress.match < progress.next <= last + 1:
            raise SafetyError(
                f"match < next <= last + 1 does not hold for {member}: {progress.match}, {progress.next}, {last}"
            )
    if s.noop_index is not None and s.commit >= s.noop_index and s.log.configurations.uncommitted(s.commit) > 1:
        raise SafetyError(f"two changes of the configuration are not committed: {s.voters} is the latest of them")
