"""What the HTTP layer asks about Raft: a protocol, so that it can be served, and tested, without a Raft member.

Every node has a `RaftView`, with or without a member of its own: gossip tells every node about the others.
Node ids are gossip's names. Member ids are Raft's; a data directory gets one when it is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from coterie.app.raft.leaders import LeaderCandidate
from coterie.app.wire.cluster import RaftMember
from coterie.consensus.autopilot.decision_log import DecisionRecord
from coterie.consensus.autopilot.shell.local_member import LinkProblem
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.member.observing.metrics import MemberMetrics
from coterie.consensus.member.observing.status import MemberStatus, PeerStatus
from coterie.consensus.store import State


def without_ghosts(members: Sequence[RaftMember]) -> list[RaftMember]:
    """Without the former members of nodes that took a new directory: gossip remembers a dead process for a day."""
    here = {each.node_id for each in members if each.live}
    return [each for each in members if each.live or each.role in {"leader", "voter"} or each.node_id not in here]


@dataclass(frozen=True, slots=True)
class RaftPicture:
    """The Raft layer as this node sees it."""

    cluster_id: str | None
    leader: str | None
    """Node id of the leader, None while none is known."""
    term: int
    members: Sequence[RaftMember]
    """Every node, and every voter whose node is not known."""
    quorum: bool | None
    """Whether a majority of the voters is there; None where this node cannot know."""
    membership_epoch: int = 0


class RaftView(Protocol):
    @property
    def enabled(self) -> bool:
        """Whether this node takes part."""

    @property
    def metadata(self) -> MemberMetadata | None:
        """Set while this node serves the metadata by itself."""

    @property
    def state(self) -> State | None:
        """The metadata as applied here, for reading; set while `metadata` is."""

    @property
    def clusters(self) -> Sequence[str]:
        """The Raft cluster that this node belongs to, then those whose state that one went on from; empty without."""

    @property
    def term(self) -> int | None:
        """Of this node's own member, once it belongs to a cluster; `status` has it too, and much else."""

    @property
    def reason(self) -> str:
        """Why this node is in no cluster, or what it waits for; empty where all is well."""

    def link_problems(self) -> Sequence[LinkProblem]:
        """The latest, oldest first."""

    def leader_candidates(self) -> Sequence[LeaderCandidate]:
        """Where the leader's HTTP API may be, the likeliest first; empty where nobody knows, or it is this node."""

    def spoke_to(self, cluster: str) -> None:
        """The leader of this Raft cluster has answered: terms of others do not count here from now on."""

    def picture(self) -> RaftPicture: ...

    def decisions(self) -> Sequence[DecisionRecord]:
        """The latest, oldest first, as the metadata holds them; empty where this node has none."""

    def status(self) -> MemberStatus | None:
        """This node's own member; None while it has none."""

    def peers(self) -> Sequence[PeerStatus]: ...

    def figures(self) -> MemberMetrics | None:
        """What this node's own member counts and holds; None while it has none."""

    def problem(self, max_staleness: float) -> str | None:
        """Why this node's member does not serve as it should; None where it does, or where the node has none.

        `max_staleness`: seconds by which the metadata applied here may lag.
        """

    async def transfer(self, node_id: str | None) -> str:
        """As the leader: transfer leadership to a voter (None: to the best). Returns its node id, once it leads.

        Raises MetadataError: UnknownOutcomeError where it may yet take over.
        """

    async def remove(self, named: str) -> str:
        """Ban a member for ever; the leader removes it. `named`: its member id, or its node id.

        Returns the member id. Raises MetadataError: RefusedError (node_not_found) where there is none.
        """

    async def leave(self, seconds: float) -> None:
        """Give up this node's vote and place, for good. Raises MetadataError."""

    def compact(self) -> tuple[int, int]:
        """Begin a snapshot, and cut the log by it: (applied index, index of the snapshot so far). Raises
        MetadataError."""

    def give_up_founding(self) -> str | None:
        """Stop waiting for a founder that will never come; what was done, or None. Raises MetadataError."""

    def save(self) -> AsyncIterator[bytes]:
        """The state as of now, as the bytes of a snapshot. Raises MetadataError."""
