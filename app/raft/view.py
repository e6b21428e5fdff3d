"""What the HTTP face needs to know of the Raft layer: a small interface, so that it can be served, and tested, without.

Every node has a `RaftPart`, whether it takes part in Raft or not: what gossip says of the others is known everywhere.
Node ids are gossip's names; member ids, made once a data directory, are Raft's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from coterie.consensus.member.metadata import Metadata
from coterie.consensus.member.metrics import MemberFigures
from coterie.consensus.member.status import MemberStatus, PeerStatus
from coterie.consensus.store import State
from coterie.gossip import Address

Role = Literal["leader", "voter", "observer", "candidate", "client"]
"""A candidate waits for its cluster to be founded, or to be let in; a client takes no part in Raft."""


@dataclass(frozen=True, slots=True)
class MemberView:
    """One node's place in the Raft layer, as this node sees it."""

    node_id: str | None
    """None for a member whose node gossip does not know."""
    member_id: str
    role: Role
    raft_addr: str | None = None
    zone: str = ""
    reason: str | None = None
    """Why it does not vote; None for a voter."""
    live: bool = True
    """By gossip."""


def without_ghosts(members: Sequence[MemberView]) -> list[MemberView]:
    """Without what a node was before it took a new directory: gossip remembers its former process for a day."""
    here = {each.node_id for each in members if each.live}
    return [each for each in members if each.live or each.role in {"leader", "voter"} or each.node_id not in here]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of the membership, or why nothing was."""

    time: float
    """Unix seconds, by the clock of the node that decided."""
    action: str
    """A word of a small fixed set, such as add_voter or remove_voter."""
    member_id: str | None
    node_id: str | None
    reason: str
    """For people: the rule that asked for it."""
    outcome: str
    """done, or what became of it."""


@dataclass(frozen=True, slots=True)
class RaftPicture:
    """The Raft layer as this node sees it."""

    cluster_id: str | None
    leader: str | None
    """Node id of the leader, None while none is known."""
    term: int
    members: Sequence[MemberView]
    """Every node, and every voter whose node is not known."""
    quorum: bool | None
    """Whether a majority of the voters is there; None where this node cannot know."""
    membership_epoch: int = 0


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What a link to another member was refused or broken for: a wrong secret, another cluster, a copied directory."""

    time: float
    """Unix seconds."""
    kind: str
    """A word of a small fixed set."""
    detail: str


class RaftPart(Protocol):
    @property
    def enabled(self) -> bool:
        """Whether this node takes part."""

    @property
    def metadata(self) -> Metadata | None:
        """Set while this node serves the metadata by itself."""

    @property
    def state(self) -> State | None:
        """What of the metadata is applied here, to be read; set while `metadata` is."""

    @property
    def reason(self) -> str:
        """Why this node is in no cluster, or what it waits for; empty where all is well."""

    def link_events(self) -> Sequence[LinkEvent]:
        """The latest, oldest first."""

    def leader_address(self) -> Address | None:
        """Where gossip says that the leader's HTTP face is; None where it names none, or this very node."""

    def picture(self) -> RaftPicture: ...

    def decisions(self) -> Sequence[Decision]:
        """The latest, oldest first: those of this node's time as leader, or what it heard of."""

    def status(self) -> MemberStatus | None:
        """This node's own part; None while it has none."""

    def peers(self) -> Sequence[PeerStatus]: ...

    def figures(self) -> MemberFigures | None:
        """What this node's own part counts and holds; None while it has none."""

    def problem(self, max_staleness: float) -> str | None:
        """Why this node's part does not serve as it should; None where it does, or where the node takes no part.

        `max_staleness`: seconds by which what is applied here may be old.
        """

    async def transfer(self, node_id: str | None) -> str:
        """As the leader: hand leadership to a voter (None: to the best). Returns its node id, once it leads. Raises
        MetadataError: UnknownOutcomeError where it may yet take over."""

    async def remove(self, member_id: str) -> None:
        """Bar a member for ever; the leader removes it. Raises MetadataError."""

    async def leave(self, seconds: float) -> None:
        """Give up this node's vote and place, for good. Raises MetadataError."""

    def give_up_founding(self) -> str | None:
        """Stop waiting for a founder that will never come; what was done, or None. Raises MetadataError."""

    def save(self) -> AsyncIterator[bytes]:
        """The state as of now, as the bytes of a snapshot. Raises MetadataError."""
