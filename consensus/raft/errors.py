"""What can go wrong, as types. Every call ends in a result or in one of the first five (raft spec 1, promise 4)."""

from __future__ import annotations


class RaftError(Exception):
    """Base of every error this package raises."""


class RaftRefusedError(RaftError):
    """A definite failure: nothing happened and nothing will. `reason` is a word of a small fixed set."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class RaftUnavailableError(RaftRefusedError):
    """Nothing happened: no leader, no majority or no time was to be had. The same call may be made again."""


class NotLeaderError(RaftUnavailableError):
    """This node does not lead; `leader` is the member that does, as far as it knows."""

    def __init__(self, leader: str | None) -> None:
        super().__init__("not_leader", f"the leader is {leader or 'not known'}")
        self.leader = leader


class RaftUnknownOutcomeError(RaftError):
    """The call was handed to the log and its fate is not known: it may have happened, or may still happen."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"outcome unknown: {reason}")
        self.reason = reason


class StoppedError(RaftUnavailableError):
    """This node has stopped its part in Raft; its `failure` says why."""


class CorruptStateError(RaftError):
    """The data directory contradicts itself: the node must not start, and must not vote, from it."""


class CorruptSnapshotError(CorruptStateError):
    """A snapshot's checksum or contents are wrong."""


class ProtocolError(RaftError):
    """A peer sent what no correct peer sends: its link is closed, the state untouched."""


class WentBackError(RaftError):
    """Another member has proof that this one's directory has lost what it acknowledged: it must not take part."""


class SafetyError(RaftError):
    """An invariant of Raft does not hold here: the node stops at once rather than go on."""
