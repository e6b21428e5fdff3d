"""A node's own part in the Raft layer, as the HTTP face needs it: `RaftPart` over the hybrid agent."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from coterie.app.http.tls import Tls
from coterie.app.node.storage.recover import RAFT_DIRECTORY
from coterie.app.observability.tracing import Tracer
from coterie.app.raft.from_gossip import HeardRaft
from coterie.app.raft.view import Decision, LinkEvent, MemberView, RaftPicture, Role, without_ghosts
from coterie.app.settings.settings import Settings
from coterie.consensus import MemberConfig, MemberStatus, Metadata, PeerStatus, RefusedError, UnavailableError
from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.decision_log import read_decisions
from coterie.consensus.autopilot.shell.agent import Agent
from coterie.consensus.autopilot.shell.agent_config import AgentConfig
from coterie.consensus.autopilot.voters.policy import Policy
from coterie.consensus.member.metrics import MemberFigures
from coterie.consensus.raft.settings import RaftSettings
from coterie.consensus.restore import backup
from coterie.consensus.store import State
from coterie.gossip import Address, GossipNode

LOOPBACK_SECRET = b"a node that only this machine can reach"
"""Where none is set; settings allow that on loopback addresses alone."""

FALLBACK_PART = 0.875
"""Of the election timeout: after so long without a majority a leader gives up, before others may elect another."""


def agent_config(
    settings: Settings, listening: Address, public: Address, tls: Tls | None = None, tracer: Tracer | None = None
) -> AgentConfig:
    """The agent's settings, of the node's. `listening` and `public`: the node's own addresses, ports known."""
    if not settings.tls.raft:
        tls = None
    raft = settings.raft
    listen = raft.listen_addr or listening._replace(port=settings.raft_listen_addr.port)
    advertise = raft.public_addr or public._replace(port=0)
    secret = LOOPBACK_SECRET if raft.secret is None else raft.secret.get_secret_value().encode()
    return AgentConfig(
        listen=(listen.host, listen.port),
        advertise=(advertise.host, advertise.port),
        rule=FoundingRule(raft.bootstrap_expect or 0, raft.founders),
        zone=raft.zone,
        member=MemberConfig(
            secret=secret,
            server_tls=None if tls is None else tls.raft_server,
            client_tls=None if tls is None else tls.raft_client,
            tls_name=None if tls is None else tls.node_name,
            raft=RaftSettings(
                heartbeat=raft.heartbeat_interval,
                election_min=raft.election_timeout,
                election_max=2 * raft.election_timeout,
                leader_fallback=FALLBACK_PART * raft.election_timeout,
                disk_patience=raft.disk_patience,
            ),
            request_timeout=raft.request_timeout,
            max_watches=raft.max_watches,
            tracing=tracer,
        ),
        policy=Policy(
            min_voters=raft.min_voters,
            max_voters=raft.max_voters,
            stabilization_time=raft.stabilization_time,
            dead_voter_grace=raft.dead_voter_grace,
        ),
    )


def open_agent(node: GossipNode, data_dir: Path, config: AgentConfig) -> Agent:
    """Raises as `open_store`: what is wrong with the directory, and what to do."""
    return Agent(node, data_dir / RAFT_DIRECTORY, config)


class AgentPart(HeardRaft):
    """Its own member's knowledge where it has any, gossip's for the rest."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent.gossip, agent.view)
        self.agent = agent

    @property
    def enabled(self) -> bool:
        return True

    @property
    def metadata(self) -> Metadata | None:
        member = self.agent.member
        if member is None or self.agent.cluster is None:
            return None
        return member.metadata

    @property
    def state(self) -> State | None:
        member = self.agent.member
        return None if member is None or self.agent.cluster is None else member.state

    @property
    def reason(self) -> str:
        return self.agent.reason

    def link_events(self) -> Sequence[LinkEvent]:
        return [LinkEvent(event.at, event.kind, event.detail) for event in self.agent.link_events]

    def picture(self) -> RaftPicture:
        agent, member = self.agent, self.agent.member
        if member is None or agent.cluster is None:
            heard = super().picture()
            own = [
                replace(each, reason=agent.reason or each.reason) if self._is_own(each) else each
                for each in heard.members
            ]
            return replace(heard, members=own)
        status = member.status()
        reasons = agent.governor.reasons(time.monotonic()) if agent.governor is not None else {}
        bans = member.state.bans
        members = {each.member_id: self._placed(each, status, reasons, bans) for each in self._members()}
        for voter in status.voters:
            if voter not in members:
                # Gossip knows no such node, or has forgotten it.
                members[voter] = MemberView(None, voter, "leader" if voter == status.leader else "voter", live=False)
        leading = next((each.node_id for each in members.values() if each.role == "leader"), None)
        return RaftPicture(
            agent.cluster,
            leading,
            status.term,
            without_ghosts(list(members.values())),
            status.quorum,
            member.state.membership_epoch,
        )

    def _is_own(self, each: MemberView) -> bool:
        return each.member_id == self.agent.member_id

    def _placed(
        self, each: MemberView, status: MemberStatus, reasons: dict[str, str], bans: Collection[str]
    ) -> MemberView:
        """By what this member knows of the configuration, which is surer than what the others say of themselves."""
        if each.member_id == status.leader:
            return replace(each, role="leader", reason=None)
        if each.member_id in status.voters:
            return replace(each, role="voter", reason=None)
        reason = reasons.get(each.member_id, each.reason)
        role: Role = each.role
        if each.member_id in bans:
            role = "client"
        elif each.role in {"leader", "voter"}:
            role = "observer"
        if self._is_own(each):
            reason = self.agent.reason or reason
        return replace(each, role=role, reason=reason)

    def decisions(self) -> Sequence[Decision]:
        state = self.state
        if state is None:
            return ()
        return [
            Decision(taken.at, taken.kind, taken.member, taken.node or None, taken.reason, taken.outcome)
            for taken in read_decisions(state)
        ]

    def status(self) -> MemberStatus | None:
        return self.agent.status()

    def peers(self) -> Sequence[PeerStatus]:
        return () if self.agent.member is None else self.agent.member.peers()

    def figures(self) -> MemberFigures | None:
        return None if self.agent.member is None else self.agent.member.figures()

    def problem(self, max_staleness: float) -> str | None:
        agent, member = self.agent, self.agent.member
        if agent.role in {"left", "removed"}:
            return None  # it goes on as a client of the others'
        if agent.failure is not None:
            return f"its part in Raft has stopped: {agent.failure!r}"
        if member is None or agent.cluster is None:
            return agent.reason or "it is in no cluster yet"
        stale = member.staleness()
        if stale <= max_staleness:
            return None
        if member.leader is None:
            return "no leader is known"
        return f"its metadata may be {stale:.0f} s old, more than health.max_staleness = {max_staleness:g}"

    async def transfer(self, node_id: str | None) -> str:
        member = self.agent.member
        if member is None:
            raise UnavailableError("no_cluster", self.agent.reason)
        members = [each for each in self.picture().members if each.node_id is not None]
        known = {str(each.node_id): each.member_id for each in members}
        places = {each.node_id: each.role for each in members}
        if node_id is not None and places.get(node_id) == "leader":
            return node_id  # asked for once more: it took over after all
        if node_id is not None and places.get(node_id) != "voter":
            raise RefusedError("bad_target", message=f"{node_id!r} is no voter that could take over")
        took = await member.transfer(None if node_id is None else known[node_id])
        return next((name for name, each in known.items() if each == took), took)

    async def remove(self, member_id: str) -> None:
        await self.agent.remove(member_id, "by request")

    async def leave(self, seconds: float) -> None:
        await self.agent.leave(seconds)

    def give_up_founding(self) -> str | None:
        return self.agent.give_up_founding()

    def save(self) -> AsyncIterator[bytes]:
        member = self.agent.member
        if member is None or self.agent.cluster is None:
            raise UnavailableError("no_cluster", self.agent.reason)
        return backup(member)
