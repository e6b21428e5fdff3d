"""What a bootstrap step is asked, and the actions that it may answer (see `bootstrap.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.autopilot.announcement import AnnouncedRole, FoundingRule
from coterie.consensus.autopilot.founding_vote import FoundingVote


@dataclass(frozen=True, slots=True)
class OwnState:
    """This node, as its disk has it, and for how long it has gossiped."""

    member: str
    node: str
    generation: int
    rule: FoundingRule
    founding_vote: FoundingVote
    cluster_id: str | None
    """The identity's: for ever."""
    term: int
    last_index: int
    """Of the log; its first entry is there before any leader's."""
    running: str | None
    """The cluster in whose Raft group this process takes part now."""
    up_for: float
    """Seconds."""

    @property
    def bound(self) -> bool:
        return self.cluster_id is not None

    @property
    def may_have_voted(self) -> bool:
        """In an election of Raft's: the agreement stays."""
        return self.term > 0 or self.last_index > 1

    @property
    def role(self) -> AnnouncedRole:
        """Before this node belongs to a cluster; afterwards the cluster's configuration gives the role."""
        if self.founding_vote.joining is not None:
            return "observer"
        return "founder" if self.may_have_voted else "candidate"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True, slots=True)
class StoreVote:
    """Store this founding vote durably, then announce it, then ask again."""

    vote: FoundingVote
    reason: str


@dataclass(frozen=True, slots=True)
class StopRaft:
    """Stop the Raft node, which has given no vote yet; then ask again, with the term as it is then."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunRaft:
    """Take part in the Raft group of `cluster_id`. `founders`: its first configuration, () for one that joined."""

    cluster_id: str
    founders: tuple[str, ...]
    waiting: str | None = None
    """What the founding or the joining waits for, or what else is wrong, for the operator."""


@dataclass(frozen=True, slots=True)
class BindCluster:
    """Write the cluster id into the identity, for ever; then announce it. The Raft node may run meanwhile, and goes on.

    `founders` as for `RunRaft`.
    """

    cluster_id: str
    founders: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ArchiveDirectory:
    """Move the directory aside, and begin with an empty one, as a new member."""

    reason: str


BootstrapAction = Wait | StoreVote | StopRaft | RunRaft | BindCluster
