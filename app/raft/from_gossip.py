"""Gossip's view of Raft: who takes part, who leads, and where. Advice, good enough to send a request by.

A node with Raft off knows no more than this, and every node finds the leader's HTTP API by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from coterie.app.raft.leaders import MAX_CANDIDATES, LeaderCandidate, LeaderChoice, choose, meeting
from coterie.app.raft.pin import ClusterPin
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
    choice: LeaderChoice


class GossipRaftView:
    def __init__(self, node: GossipNode, view: GossipView, pin: ClusterPin | None = None) -> None:
        self._node = node
        self._view = view
        self._report: GossipReport | None = None
        self._until = 0.0
        self.pin = pin or ClusterPin()
        """The cluster whose leader this node has spoken to."""

    @property
    def report(self) -> GossipReport:
        now = time.monotonic()
        if self._report is None or now >= self._until:
            seen = self._view.observations(now)
            self._report = GossipReport(seen, choose(seen, self.pin.cluster, self.pin.way_out))
            self._until = now + FRESH_SECONDS
        return self._report

    def spoke_to(self, cluster: str) -> None:
        """The leader of this cluster has answered."""
        if cluster != self.pin.cluster:
            self.pin.move(cluster)
            self._report = None

    @property
    def reason(self) -> str:
        report = self.report
        if report.choice.problem is not None:
            return report.choice.problem
        if any(each.live for each in report.seen.of_member.values()):
            return ""
        return "no live node that this one knows of has raft.enabled"

    @property
    def problem(self) -> str | None:
        """Why this node, without metadata, is not to be relied on: Raft clusters meet here, or its own is gone."""
        report = self.report
        return report.choice.problem or meeting(report.seen)

    def candidates(self) -> list[LeaderCandidate]:
        """Where the leader may be, the likeliest first; this very node is left out."""
        report = self.report
        found = [
            LeaderCandidate(address, cluster)
            for cluster, leader in report.choice.leaders
            for address in self._addresses(leader)
        ]
        # Gossip may be late: where answers are proved, other voters are asked whether they lead.
        for each in report.seen.all:
            it = each.announcement
            if each.live and it is not None and it.role == "voter" and it.cluster_id == report.choice.cluster:
                found += [LeaderCandidate(address, it.cluster_id) for address in self._address(each)]
        return list(dict.fromkeys(found))[:MAX_CANDIDATES]

    def candidates_of(self, member: str, cluster: str | None) -> list[LeaderCandidate]:
        """Where this member may be."""
        return [LeaderCandidate(address, cluster, member) for address in self._addresses(member)][:MAX_CANDIDATES]

    def _addresses(self, member: str) -> list[Address]:
        return [address for each in self.report.seen.claims(member) if each.live for address in self._address(each)]

    def _address(self, each: Observation) -> list[Address]:
        own = self._node.engine.own.id
        if each.address is None or (each.node, each.generation) == (own.node_id, own.generation):
            return []
        return [Address(*each.address)]

    def picture(self) -> RaftPicture:
        members, report = self.members(), self.report
        leading = next((each.node_id for each in members if each.role == "leader"), None)
        choice = report.choice
        return RaftPicture(choice.cluster, leading, choice.term, without_ghosts(members), None, choice.epoch)

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
        if said.member == self.report.choice.leader and observation.live:
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
