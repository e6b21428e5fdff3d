"""Graceful leave: this node gives up its place in Raft, announces by gossip that it leaves, and stops.

Each step has a time limit, and none can keep the node from stopping. A node that comes back has a new generation, which
has never left; as a member of Raft it joins anew.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import structlog

from coterie.app.observability.health import Health
from coterie.app.raft.view import RaftView
from coterie.app.settings.operation import LeaveSettings
from coterie.consensus.api.errors import MetadataError
from coterie.gossip import GossipNode, TooManyKeysError

RaftOutcome = Literal["left", "kept", "failed", "none"]

log = structlog.stdlib.get_logger("coterie")


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What became of a leave."""

    raft: RaftOutcome
    """`left`; `kept`, as was asked or because nobody else votes; `failed`, for want of a majority in time: the leader
    replaces it as a dead voter; `none`: it had no part."""
    reason: str
    """Why `raft` is what it is, where that needs one."""
    told: int
    """How many other nodes are known to know."""


class GracefulLeave:
    """Happens once, however often it is asked for."""

    def __init__(
        self, node: GossipNode, raft: RaftView, settings: LeaveSettings, stopping: asyncio.Event, health: Health
    ) -> None:
        """`stopping`: set when it is done, for the node to stop."""
        self._node = node
        self._raft = raft
        self.settings = settings
        self._stopping = stopping
        self._health = health
        self._task: asyncio.Task[LeaveResult] | None = None

    def take(self, settings: LeaveSettings) -> None:
        """Hold to these from now on."""
        self.settings = settings

    async def leave(self, *, keep_vote: bool) -> LeaveResult:
        """Leave, and have the node stop. The first call decides about the vote."""
        if self._task is None:
            self._task = asyncio.create_task(self._leave(keep_vote), name="leave")
        return await asyncio.shield(self._task)

    async def _leave(self, keep_vote: bool) -> LeaveResult:
        self._health.hold("leaving", "this node is leaving the cluster")
        try:
            raft, reason = await self._leave_raft(keep_vote)
            told = await self._say_goodbye()
            if raft != "none" or told:
                log.info("node leaves", raft=raft, reason=reason or None, told=told)
            return LeaveResult(raft, reason, told)
        finally:
            self._stopping.set()

    async def _leave_raft(self, keep_vote: bool) -> tuple[RaftOutcome, str]:
        status = self._raft.status()
        if status is None or self._raft.metadata is None:
            return "none", ""
        if keep_vote:
            return "kept", ""  # leadership is handed over as the node stops
        if list(status.voters) == [status.member]:
            return "kept", "it is the only voter"
        try:
            await self._raft.leave(self.settings.raft_timeout)
        except MetadataError as error:
            return "failed", str(error)
        return "left", ""

    async def _say_goodbye(self) -> int:
        try:
            return await self._node.leave(self.settings.peers, self.settings.gossip_timeout)
        except TooManyKeysError as error:
            log.warning("no goodbye: the others find out by themselves", reason=str(error))
            return 0
