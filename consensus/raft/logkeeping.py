"""Changes to the log, and the configuration that follows from it (specification, section 2b, configuration).

Every change to the journal goes through here, so that the configuration is recomputed and durability is kept in step.
"""

from __future__ import annotations

from typing import Any

from coterie.consensus.raft.configuration import Configurations, encode_change
from coterie.consensus.raft.core import Core, Member
from coterie.consensus.raft.engine import MEMBERSHIP
from coterie.consensus.raft.flow import Flow
from coterie.consensus.raft.ports import Entry, SnapshotInfo


class LogKeeping(Core):
    configurations: Configurations

    # changes

    def _append(self, entry: Entry) -> None:
        self.log.add(*entry)
        self.durability.changed()
        if entry[0][:1] == MEMBERSHIP:
            self.configurations.appended(entry)
            self._configuration_changed()

    def _truncate(self, first_gone: int) -> None:
        """Drop the entries from `first_gone` on; their replacement follows in the same event, and in the same sync."""
        self.log.deleteEntriesFrom(first_gone - self.first_index)
        self.durability.truncated(first_gone)
        self.configurations.truncated(first_gone)
        self._configuration_changed()

    def _cut(self, info: SnapshotInfo) -> None:
        """An installed snapshot covers everything up to its last entry; the log keeps that one and the one before."""
        self.log.deleteEntriesTo(info.prev[1] - self.first_index)
        self.durability.installed(info.index)
        self.configurations.compacted(info.index, info.voters)
        self._configuration_changed()

    def _replace(self, info: SnapshotInfo) -> None:
        """An installed snapshot takes the place of the whole log."""
        self.log.clear()
        self.log.add(*info.prev)
        self.log.add(*info.last)
        self.durability.replaced(info.index)
        self.configurations = Configurations(info.voters, (), from_snapshot=True)
        self._configuration_changed()

    # configuration

    @property
    def voters(self) -> tuple[str, ...]:
        """The latest configuration, committed or not."""
        return self.configurations.latest

    @property
    def votes(self) -> bool:
        """Is this node a voter of the latest configuration?"""
        return self.own in self.configurations.latest

    @property
    def may_campaign(self) -> bool:
        """Does this node vote in the latest configuration, or in one that the latest has not replaced for certain?"""
        return self.configurations.may_hold(self.own, self.commit)

    def _configuration_changed(self) -> None:
        """Bring PySyncObj's `otherNodes`, a cache, in step; a link is never dropped for it (fault 13)."""
        others = {self.member(voter) for voter in self.voters if voter != self.own}
        for added in sorted(others - self.others, key=str):
            self.transport.addNode(added)
        self.others = others
        self.learners = {member for member in self.connected if member not in others}
        if self.leading:
            now = self.clock.monotonic()
            for member in others | self.connected:
                self._track(member, now)

    def _track(self, member: Member, now: float) -> None:
        """Keep one replication record for a member, voter or not (fault 24)."""
        if member not in self.flows:
            self.flows[member] = Flow(now)
            self.match[member] = 0
            self.next[member] = self.last_index + 1
            self.heard[member] = now

    def _targets(self) -> list[Member]:
        """Who gets the log from this leader: every connected member, voter or learner."""
        return sorted(self.connected, key=str)

    def _connected_to_anyone(self) -> bool:
        """PySyncObj's gate before a campaign: only who may be a voter campaigns."""
        return self.may_campaign and (bool(self.connected) or not self.others)

    # links

    def _node_connected(self, member: Member) -> None:
        self._event(self._connected, member)

    def _connected(self, member: Member) -> None:
        member = self.member(member.id)
        self.connected.add(member)
        self.links[member] = self.links.get(member, 0) + 1
        if member not in self.others:
            self.learners.add(member)
        if self.leading:
            now = self.clock.monotonic()
            self._track(member, now)
            self.flows[member].probe(now)
            self.next[member] = max(self.match[member] + 1, min(self.next[member], self.last_index + 1))

    def _node_disconnected(self, member: Member) -> None:
        self._event(self._disconnected, member)

    def _disconnected(self, member: Member) -> None:
        member = self.member(member.id)
        self.connected.discard(member)
        self.learners.discard(member)
        flow = self.flows.get(member)
        if flow is not None:
            flow.probe(self.clock.monotonic())

    # PySyncObj's own requests for a change

    def addNodeToCluster(self, node: Any, callback: Any = None) -> None:  # noqa: N802
        """Queue the addition of one voter; `callback(result, error)`."""
        self._applyCommand(encode_change(getattr(node, "id", node), add=True), callback, MEMBERSHIP[0])

    def removeNodeFromCluster(self, node: Any, callback: Any = None) -> None:  # noqa: N802
        """Queue the removal of one voter; `callback(result, error)`."""
        self._applyCommand(encode_change(getattr(node, "id", node), add=False), callback, MEMBERSHIP[0])
