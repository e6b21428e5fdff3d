"""One node's view of Raft: gossip's view and, where the node takes part, its agent."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Collection, Sequence

from msgspec.structs import replace

from coterie.app.raft.from_gossip import GossipRaftView
from coterie.app.raft.leaders import LeaderCandidate
from coterie.app.raft.member_names import find_member
from coterie.app.raft.pin import ClusterPin
from coterie.app.raft.view import RaftPicture, without_ghosts
from coterie.app.wire.cluster import RaftMember
from coterie.consensus import Member, MemberMetadata, MemberStatus, PeerStatus, RefusedError, UnavailableError
from coterie.consensus.autopilot.decision_log import DecisionRecord, read_decisions
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.autopilot.shell.local_member import LinkProblem
from coterie.consensus.member.lineage import replaced_clusters
from coterie.consensus.member.observing.metrics import MemberMetrics
from coterie.consensus.restore import backup
from coterie.consensus.store import State
from coterie.gossip import GossipNode


class LocalRaft:
    """A `RaftView`: the node's own member knows best; gossip says the rest."""

    def __init__(
        self,
        node: GossipNode,
        agent: Agent | None = None,
        view: GossipView | None = None,
        pin: ClusterPin | None = None,
    ) -> None:
        """`view`, `pin`: of gossip, and the cluster that was spoken to, for a node without an agent."""
        self._gossip = GossipRaftView(node, agent.view if agent is not None else view or GossipView(node), pin)
        self._agent = agent

    @property
    def _member(self) -> Member | None:
        """While it runs."""
        return None if self._agent is None else self._agent.member

    @property
    def _joined(self) -> Member | None:
        """The running member, once it belongs to a cluster."""
        return None if self._agent is None or self._agent.cluster is None else self._agent.member

    def _require_agent(self, reason: str, message: str = "") -> Agent:
        if self._agent is None:
            raise UnavailableError(reason, message)
        return self._agent

    @property
    def enabled(self) -> bool:
        return self._agent is not None

    @property
    def metadata(self) -> MemberMetadata | None:
        member = self._joined
        return None if member is None else member.metadata

    @property
    def state(self) -> State | None:
        member = self._joined
        return None if member is None else member.state

    @property
    def clusters(self) -> Sequence[str]:
        member = self._joined
        return () if member is None else (member.cluster, *replaced_clusters(member.state))

    @property
    def term(self) -> int | None:
        member = self._joined
        return None if member is None else member.node.term

    @property
    def reason(self) -> str:
        return self._gossip.reason if self._agent is None else self._agent.reason

    def link_problems(self) -> Sequence[LinkProblem]:
        return () if self._agent is None else self._agent.link_problems

    def leader_candidates(self) -> Sequence[LeaderCandidate]:
        member = self._joined
        if member is None:
            return self._gossip.candidates()
        if member.leader is None or member.leading:
            return ()
        return self._gossip.candidates_of(member.leader, member.cluster)

    def spoke_to(self, cluster: str) -> None:
        self._gossip.spoke_to(cluster)

    # -- the members ---------------------------------------------------------------------------------------------------

    def picture(self) -> RaftPicture:
        agent, member = self._agent, self._joined
        if agent is None:
            return self._gossip.picture()
        if member is None:
            picture = self._gossip.picture()
            own = [
                replace(each, reason=agent.reason or each.reason) if each.member_id == agent.member_id else each
                for each in picture.members
            ]
            return dataclasses.replace(picture, members=own)
        status = member.status()
        reasons = agent.leader_loop.reasons(time.monotonic()) if agent.leader_loop is not None else {}
        if agent.reason:
            reasons[agent.member_id] = agent.reason
        bans = member.state.bans
        members = {each.member_id: _placed(each, status, reasons, bans) for each in self._gossip.members()}
        for voter in status.voters:
            if voter not in members:
                # Gossip knows no such node, or has forgotten it.
                role = "leader" if voter == status.leader else "voter"
                members[voter] = RaftMember(None, voter, role, raft_addr=None, zone="", reason=None, live=False)
        leading = next((each.node_id for each in members.values() if each.role == "leader"), None)
        return RaftPicture(
            agent.cluster,
            leading,
            status.term,
            without_ghosts(list(members.values())),
            status.quorum,
            member.state.membership_epoch,
        )

    def decisions(self) -> Sequence[DecisionRecord]:
        state = self.state
        return () if state is None else read_decisions(state)

    def status(self) -> MemberStatus | None:
        member = self._member
        return None if member is None else member.status()

    def peers(self) -> Sequence[PeerStatus]:
        member = self._member
        return () if member is None else member.peers()

    def figures(self) -> MemberMetrics | None:
        member = self._member
        return None if member is None else member.metrics()

    def problem(self, max_staleness: float) -> str | None:
        agent, member = self._agent, self._joined
        if agent is None or agent.role in {"left", "removed"}:
            return self._gossip.problem  # the node goes on as a client of the other members
        if agent.failure is not None:
            return f"its part in Raft has stopped: {agent.failure!r}"
        if member is None:
            return agent.reason or "it is in no cluster yet"
        if agent.met is not None:
            return agent.met
        stale = member.staleness()
        if stale <= max_staleness:
            return None
        if member.leader is None:
            return agent.reason or "no leader is known"
        return f"its metadata may be {stale:.0f} s old, more than health.max_staleness = {max_staleness:g}"

    # -- operators' commands -------------------------------------------------------------------------------------------

    async def transfer(self, node_id: str | None) -> str:
        member = self._require_agent("not_leader").member
        if member is None:
            raise UnavailableError("no_cluster", self.reason)
        members = [each for each in self.picture().members if each.node_id is not None]
        known = {str(each.node_id): each.member_id for each in members}
        places = {each.node_id: each.role for each in members}
        if node_id is not None and places.get(node_id) == "leader":
            return node_id  # a repeated request: it took over after all
        if node_id is not None and places.get(node_id) != "voter":
            raise RefusedError("bad_target", message=f"{node_id!r} is no voter that could take over")
        took = await member.transfer(None if node_id is None else known[node_id])
        return next((name for name, each in known.items() if each == took), took)

    async def remove(self, named: str) -> str:
        agent = self._require_agent("not_leader")
        member_id = find_member(self.picture().members, named)
        await agent.remove(member_id, "by request")
        return member_id

    async def leave(self, seconds: float) -> None:
        await self._require_agent("no_cluster", "this node takes no part in Raft").leave(seconds)

    def compact(self) -> tuple[int, int]:
        member = self._require_agent("no_cluster", "this node takes no part in Raft").member
        if member is None:
            raise UnavailableError("no_cluster", self.reason)
        if member.node.stopped:
            raise UnavailableError("failed" if member.node.failure is not None else "stopped")
        member.compact()
        return member.node.applied, member.node.snapshot_index

    def give_up_founding(self) -> str | None:
        return self._require_agent("no_cluster", "this node takes no part in Raft").give_up_founding()

    def save(self) -> AsyncIterator[bytes]:
        agent, member = self._require_agent("no_leader"), self._joined
        if member is None:
            raise UnavailableError("no_cluster", agent.reason)
        return backup(member)


def _placed(each: RaftMember, status: MemberStatus, reasons: dict[str, str], bans: Collection[str]) -> RaftMember:
    """By the configuration that this node's member knows, which is surer than what the others say of themselves."""
    if each.member_id == status.leader:
        return replace(each, role="leader", reason=None)
    if each.member_id in status.voters:
        return replace(each, role="voter", reason=None)
    role = each.role
    if each.member_id in bans:
        role = "client"
    elif each.role in {"leader", "voter"}:
        role = "observer"
    return replace(each, role=role, reason=reasons.get(each.member_id, each.reason))
