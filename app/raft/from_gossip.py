"""Gossip's view of Raft: who takes part, who leads, and where. Advice, good enough to send a request by.

A node with Raft off knows no more than this, and every node finds the leader's HTTP API by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from coterie.app.raft.view import RaftPicture, without_ghosts
from coterie.app.wire.cluster import RaftMember, Role
from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observation, Observations
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.gossip import Address, GossipNode

FRESH_SECONDS = 0.2
"""The view of all nodes is reused for so long: a leader is not found much sooner than that."""


@dataclass(frozen=True, slots=True)
class GossipReport:
    """What gossip says at one moment."""

    seen: Observations
    leader: str | None
    """Member id: the leader that live nodes report for the highest term."""
    term: int
    epoch: int
    cluster_id: str | None
    """The one that most live nodes report."""


def summarize(seen: Observations) -> GossipReport:
    """Put together what the nodes announce of Raft."""
    leader, term, epoch = None, 0, 0
    for each in seen.all:
        said = each.announcement
        if not each.live or said is None or said.status is None or said.status.term < term:
            continue
        if said.status.term > term or leader is None:
            leader = said.status.leader
        term, epoch = said.status.term, max(epoch, said.status.epoch)
    clusters = seen.clusters(live=True)
    return GossipReport(seen, leader, term, epoch, max(clusters, key=lambda each: len(clusters[each]), default=None))


class GossipRaftView:
    def __init__(self, node: GossipNode, view: GossipView) -> None:
        self._node = node
        self._view = view
        self._report: GossipReport | None = None
        self._until = 0.0

    @property
    def report(self) -> GossipReport:
        now = time.monotonic()
        if self._report is None or now >= self._until:
            self._report = summarize(self._view.observations(now))
            self._until = now + FRESH_SECONDS
        return self._report

    @property
    def reason(self) -> str:
        if any(each.live for each in self.report.seen.of_member.values()):
            return ""
        return "no live node that this one knows of has raft.enabled"

    def leader_address(self) -> Address | None:
        report = self.report
        found = report.seen.of_member.get(report.leader) if report.leader is not None else None
        if found is None or not found.live:
            return None
        for state in self._node.engine.states:
            if (state.id.node_id, state.id.generation) == (found.node, found.generation):
                if state is self._node.engine.own:
                    return None
                if state.liveness.alive:
                    return state.id.gossip_advertise_addr
        return None

    def picture(self) -> RaftPicture:
        members, report = self.members(), self.report
        leading = next((each.node_id for each in members if each.role == "leader"), None)
        return RaftPicture(report.cluster_id, leading, report.term, without_ghosts(members), None, report.epoch)

    def members(self) -> list[RaftMember]:
        """By node id."""
        return [
            RaftMember(
                node_id=each.node,
                member_id=member,
                role=self._role_of(each, each.announcement),
                raft_addr=_text(each.announcement),
                zone=each.announcement.zone,
                reason=_reason(each.announcement),
                live=each.live,
            )
            for member, each in sorted(self.report.seen.of_member.items(), key=lambda item: item[1].node)
            if each.announcement is not None
        ]

    def _role_of(self, observation: Observation, said: Announcement) -> Role:
        if said.member == self.report.leader and observation.live:
            return "leader"
        match said.role:
            case "voter" if observation.live or not self.report.seen.newer_namesake(
                observation.node, observation.generation
            ):
                return "voter"
            case "candidate" | "founder":
                return "candidate"
            case "left" | "removed":
                return "client"
        return "observer"


def _text(said: Announcement) -> str:
    host, port = said.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(said: Announcement) -> str | None:
    match said.role:
        case "voter":
            return None
        case "observer":
            return "it follows the log; the leader knows why it does not vote (GET /v1/cluster there)"
        case "candidate" | "founder":
            return "its cluster has not been founded yet"
        case "left":
            return "it left the cluster"
    return "it was removed from the cluster"
