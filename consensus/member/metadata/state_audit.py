"""Compares replicas: now and then each member makes a digest of its state as of one entry, and logs it (raft spec 3).

Replicas that applied the same log hold the same state. One that does not (a defect, damaged memory, a release that
applies the log otherwise) would go on with other keys than the rest, and nobody would see it. Where a majority of the
voters agree on a digest, a member that has another one stops. The digest is made chunk by chunk, of a view that copies
references only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import ReportDigest, TakeDigest, encode
from coterie.consensus.store.schema.levels import SINCE

LOOK_SECONDS = 0.25
"""Between two looks for what is due."""

CHUNK_PAUSE_SECONDS = 0.001
"""Between two chunks of a digest: each takes well below a millisecond of the loop."""


class StateAudit:
    """Has digests taken while this member leads; makes and reports this member's."""

    def __init__(
        self,
        node: RaftNode,
        machine: MetadataStateMachine,
        now: Callable[[], float],
        *,
        interval: float,
        timeout: float,
    ) -> None:
        """`now`: a monotonic clock. `interval`: seconds between two digests that a leader asks for. `timeout`: of a
        proposal."""
        self._node = node
        self._machine = machine
        self._now = now
        self._interval = interval
        self._timeout = timeout
        self._asked_at: float | None = None  # or since when this member leads
        self._asked_revision = -1

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            pause = CHUNK_PAUSE_SECONDS if self.turn() else LOOK_SECONDS
            await asyncio.sleep(pause)

    def turn(self) -> bool:
        """Do what is due; True where the next chunk is."""
        if self._node.stopped:
            return False
        self._ask()
        made = self._machine.digests.step()
        if made is not None:
            self._propose(encode(ReportDigest(made[0], self._node.own, made[1])))
        return self._machine.digests.pending

    def _ask(self) -> None:
        node, state = self._node, self._machine.state
        if not node.leading or not node.state.noop_applied or state.feature_level < SINCE[TakeDigest]:
            self._asked_at = None
            return
        now = self._now()
        if self._asked_at is None:
            self._asked_at = now
        if now - self._asked_at < self._interval or state.keyspace.revision == self._asked_revision:
            return
        self._asked_at, self._asked_revision = now, state.keyspace.revision
        self._propose(encode(TakeDigest()))

    def _propose(self, op: bytes) -> None:
        self._node.propose(op, lambda *_: None, self._timeout)  # what is lost is made up for by the next digest
