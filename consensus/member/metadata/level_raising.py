"""The leader's duty to levels: the one place that proposes what the whole cluster may use (raft spec 3, feature level).

A new cluster's leader logs level and limits as soon as it leads. After an upgrade the level rises once every member
that the leader knows of has said, over a link that is up, that it follows. A member of an earlier release holds it down
for as long as it votes or lives: until then the cluster writes what that release reads, and can go back to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import Limits, SetFeatureLevel, SetLimits, encode, encode_batch, encode_limits
from coterie.consensus.store.schema.levels import FIRST_LEVEL

logger = logging.getLogger(__name__)

LEVEL_CHECK_SECONDS = 0.25
"""Between two looks of a leader."""


class LevelRaising:
    """Raises the cluster's level while this member leads."""

    def __init__(self, node: RaftNode, machine: MetadataStateMachine, limits: Limits, request_timeout: float) -> None:
        """`limits`: of a new cluster, where this member leads it first."""
        self._node = node
        self._machine = machine
        self._limits = limits
        self._request_timeout = request_timeout
        self._proposing = False
        self.others: Collection[str] = ()
        """Members that count beside voters and those with a link: those that gossip shows alive."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(LEVEL_CHECK_SECONDS)
            self.turn()

    def turn(self) -> None:
        """Propose the next level where this member leads, and there is one that all follow."""
        node, state = self._node, self._machine.state
        if state.feature_level >= state.known_level or self._proposing:
            return
        if node.stopped or not node.leading or not node.state.noop_applied:
            return
        level = min(self.followed().values())
        if level <= state.feature_level:
            return
        operations = [encode(SetFeatureLevel(level))]
        if state.feature_level == FIRST_LEVEL:
            # From here on no replica decides by what its own release begins with.
            limits = self._limits if state.limits == Limits() else state.limits
            operations.append(encode_limits(SetLimits(limits), level))
        self._proposing = True

        def done(*_: object) -> None:
            self._proposing = False  # where it did not happen, it is due again

        logger.info("raft: the cluster's operations go from level %d to %d", state.feature_level, level)
        node.propose(encode_batch(self._machine.now_ms, operations), done, self._request_timeout)

    def followed(self) -> dict[str, int]:
        """Member id -> the newest level that it follows, as it says; the first for one that has no link now."""
        known = self._node.state
        members = {*known.voters, *known.links, *self.others} - {known.own}
        levels = dict.fromkeys(members, FIRST_LEVEL)
        levels |= {member: known.greetings[member].level for member in members if member in known.greetings}
        return {**levels, known.own: self._machine.state.known_level}
