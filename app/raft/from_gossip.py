"""The Raft layer as gossip tells of it: who takes part, who leads, and where. Advice, good enough to send a request by.

This is all that a node with Raft off knows, and how every node finds the HTTP face of the leader.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from coterie.app.api.keys.gossip import is_alive
from coterie.app.raft.view import Decision, LinkEvent, MemberView, RaftPicture, Role, without_ghosts
from coterie.consensus.api.errors import UnavailableError
from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Sighting, Sightings
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.consensus.member.metadata import Metadata
from coterie.consensus.member.metrics import MemberFigures
from coterie.consensus.member.status import MemberStatus, PeerStatus
from coterie.consensus.store import State
from coterie.gossip import Address, GossipNode

FRESH_SECONDS = 0.2
"""For how long what was read of all nodes is used again: a leader is not found much sooner than that."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What gossip says at one moment."""

    seen: Sightings
    leader: str | None
    """Member id, of the highest term of which anybody alive tells a leader."""
    term: int
    epoch: int
    cluster_id: str | None
    """The one that most live nodes report."""


def listen(seen: Sightings) -> Heard:
    """Put together what the nodes say of their part in Raft."""
    leader, term, epoch = None, 0, 0
    for each in seen.all:
        said = each.announcement
        if not each.live or said is None or said.status is None or said.status.term < term:
            continue
        if said.status.term > term or leader is None:
            leader = said.status.leader
        term, epoch = said.status.term, max(epoch, said.status.epoch)
    clusters = seen.clusters(live=True)
    return Heard(seen, leader, term, epoch, max(clusters, key=lambda each: len(clusters[each]), default=None))


class HeardRaft:
    """The `RaftPart` of a node that takes no part itself, and what those of the others build upon."""

    def __init__(self, node: GossipNode, view: GossipView | None = None) -> None:
        self.node = node
        self._view = view or GossipView(node)
        self._heard: Heard | None = None
        self._until = 0.0

    @property
    def heard(self) -> Heard:
        now = time.monotonic()
        if self._heard is None or now >= self._until:
            self._heard = listen(self._view.sightings(now))
            self._until = now + FRESH_SECONDS
        return self._heard

    @property
    def enabled(self) -> bool:
        return False

    @property
    def metadata(self) -> Metadata | None:
        return None

    @property
    def state(self) -> State | None:
        return None

    @property
    def reason(self) -> str:
        if any(each.live for each in self.heard.seen.of_member.values()):
            return ""
        return "no live node that this one knows of has raft.enabled"

    def link_events(self) -> Sequence[LinkEvent]:
        return ()

    def leader_address(self) -> Address | None:
        heard = self.heard
        found = heard.seen.of_member.get(heard.leader) if heard.leader is not None else None
        if found is None or not found.live:
            return None
        for state in self.node.engine.states:
            if (state.id.node_id, state.id.generation) == (found.node, found.generation) and is_alive(self.node, state):
                return None if state is self.node.engine.own else state.id.gossip_advertise_addr
        return None

    def picture(self) -> RaftPicture:
        members = self._members()
        leading = next((each.node_id for each in members if each.role == "leader"), None)
        heard = self.heard
        return RaftPicture(heard.cluster_id, leading, heard.term, without_ghosts(members), None, heard.epoch)

    def _members(self) -> list[MemberView]:
        return [
            MemberView(
                node_id=each.node,
                member_id=member,
                role=self._role_of(each, each.announcement),
                raft_addr=_text(each.announcement),
                zone=each.announcement.zone,
                reason=_reason(each.announcement),
                live=each.live,
            )
            for member, each in sorted(self.heard.seen.of_member.items(), key=lambda item: item[1].node)
            if each.announcement is not None
        ]

    def _role_of(self, sighting: Sighting, said: Announcement) -> Role:
        if said.member == self.heard.leader and sighting.live:
            return "leader"
        match said.role:
            case "voter" if sighting.live or self.heard.seen.newer_namesake(sighting.node, sighting.generation) is None:
                return "voter"
            case "candidate" | "founder":
                return "candidate"
            case "left" | "removed":
                return "client"
        return "observer"

    def decisions(self) -> Sequence[Decision]:
        return ()

    def status(self) -> MemberStatus | None:
        return None

    def peers(self) -> Sequence[PeerStatus]:
        return ()

    def figures(self) -> MemberFigures | None:
        return None

    def problem(self, max_staleness: float) -> str | None:
        return None

    async def transfer(self, node_id: str | None) -> str:
        raise UnavailableError("not_leader")

    async def remove(self, member_id: str) -> None:
        raise UnavailableError("not_leader")

    async def leave(self, seconds: float) -> None:
        raise UnavailableError("no_cluster", "this node takes no part in Raft")

    def give_up_founding(self) -> str | None:
        raise UnavailableError("no_cluster", "this node takes no part in Raft")

    def save(self) -> AsyncIterator[bytes]:
        raise UnavailableError("no_leader")


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
