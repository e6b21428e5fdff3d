"""Carries the actions of `bootstrap.step` out on the local member, until the node belongs to a cluster."""

from __future__ import annotations

import asyncio
import logging
import time
from uuid import uuid4

from coterie.consensus.autopilot.announcement import FoundingRule
from coterie.consensus.autopilot.founding import bootstrap
from coterie.consensus.autopilot.founding.bootstrap_actions import (
    ArchiveDirectory,
    BindCluster,
    BootstrapAction,
    OwnState,
    RunRaft,
    StopRaft,
    StoreVote,
    Wait,
)
from coterie.consensus.autopilot.observations import Observations
from coterie.consensus.autopilot.shell.local_member import ListenError, LocalMember
from coterie.gossip import NodeId

logger = logging.getLogger(__name__)

MAX_NAMED = 5
"""Nodes that are named in a reason."""


class Bootstrapper:
    def __init__(self, node: NodeId, rule: FoundingRule, local: LocalMember) -> None:
        self.reason = "starting"
        """Why this node is in no cluster, or what its founding waits for; "" where all is well."""
        self._node = node
        self._rule = rule
        self._local = local
        self._started = time.monotonic()
        self._giving_up = False  # the founding, by an operator's command

    def own_state(self) -> OwnState:
        local = self._local
        term, last = local.last_entry()
        return OwnState(
            member=local.id,
            node=self._node.node_id,
            generation=self._node.generation,
            rule=self._rule,
            founding_vote=local.vote_file.vote,
            cluster_id=local.cluster,
            term=term,
            last_index=last,
            running=None if local.member is None else local.member.cluster,
            up_for=time.monotonic() - self._started,
        )

    async def step(self, seen: Observations, listen: tuple[str, int]) -> bool:
        """Take one step; True where the next one is due at once. `listen`: the Raft address to bind.

        Only what is proved counts: a stranger founds nothing, and keeps nobody from it.
        """
        action = bootstrap.step(self.own_state(), seen.proved(), uuid4().hex)
        if isinstance(action, Wait) and (strangers := seen.unproved()):
            action = Wait(
                f"{action.reason}; not counted, for they do not prove raft.secret (strangers, nodes with another "
                f"secret, or of an earlier release): {', '.join(strangers[:MAX_NAMED])}"
            )
        return await self._perform(action, listen)

    async def _perform(self, action: BootstrapAction | ArchiveDirectory, listen: tuple[str, int]) -> bool:
        local = self._local
        match action:
            case Wait(reason):
                self.set_reason(reason)
                return False
            case StoreVote(vote, reason):
                self.set_reason(reason)
                await asyncio.to_thread(local.vote_file.store, vote)
            case StopRaft(reason):
                self.set_reason(reason)
                await local.halt_founding()
            case ArchiveDirectory(reason):
                await local.archive_directory(reason)
            case BindCluster(cluster_id, _, reason):
                self.set_reason(reason)
                await asyncio.to_thread(local.join_cluster, cluster_id)
            case RunRaft(cluster_id, founders, waiting):
                if local.member is None:
                    try:
                        await local.start(cluster_id, founders, listen)
                    except ListenError as error:
                        self.set_reason(str(error))
                        return False
                self.set_reason(waiting or "")
                return False
        return True

    def set_reason(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            if reason:
                logger.info("raft: %s", reason)

    def give_up(self) -> str | None:
        """Give the founding up at the next turn. What is done then; None where nothing is founded."""
        action = bootstrap.give_up(self.own_state())
        if action is None:
            return None
        self._giving_up = True
        return action.reason

    async def carry_out_giving_up(self, listen: tuple[str, int]) -> None:
        """Where it was asked for. What this member has voted by the stop of its Raft node decides how."""
        if not self._giving_up:
            return
        self._giving_up = False
        if self._local.cluster is not None:
            return
        await self._local.halt_founding()
        action = bootstrap.give_up(self.own_state())
        if action is not None:
            await self._perform(action, listen)
