"""What a founding step is asked, and what it may answer (see `bootstrap.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.autopilot.announcement import FoundingRule, Role
from coterie.consensus.autopilot.founding_vote import Ballot


@dataclass(frozen=True, slots=True)
class Own:
    """This node, as its disk has it, and for how long it has gossiped."""

    member: str
    node: str
    generation: int
    rule: FoundingRule
    ballot: Ballot
    cluster_id: str | None
    """The identity's: for ever."""
    term: int
    last_index: int
    """Of the log; its first entry is there before any leader's."""
    running: str | None
    """The cluster in whose Raft group this process takes part now."""
    up_for: float

    @property
    def bound(self) -> bool:
        return self.cluster_id is not None

    @property
    def frozen(self) -> bool:
        """A vote may have been given: the answer stays."""
        return self.term > 0 or self.last_index > 1

    @property
    def role(self) -> Role:
        """Before this node belongs to a cluster; afterwards its configuration tells."""
        if self.ballot.joining is not None:
            return "observer"
        return "founder" if self.frozen else "candidate"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do; `reason` is for the operator."""

    reason: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Store this ballot durably, then announce it, then ask again."""

    ballot: Ballot
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the Raft node, whose answer has led to no vote yet; then ask again, with the term as it is then."""

    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """Take part in the Raft group of `cluster_id`. `founders`: its first configuration, () for one that joined."""

    cluster_id: str
    founders: tuple[str, ...]
    waiting: str | None = None
    """What the founding or the joining waits for, or what else is wrong, for the operator."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Write the cluster id into the identity, for ever; then announce it. The Raft node may run meanwhile, and goes on.

    `founders` as for `Run`.
    """

    cluster_id: str
    founders: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """Put the directory away, and begin with an empty one, as a new member."""

    reason: str


Move = Wait | Keep | Halt | Run | Bind
