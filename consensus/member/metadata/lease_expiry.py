"""The leader's duty to leases: it ends those that are due, and stamps the cluster time into an idle log."""

from __future__ import annotations

import asyncio
from typing import Any

from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.raft.errors import RaftError
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import LeaseExpire, encode

MAX_EXPIRIES_AT_ONCE = 1_000
"""Leases that the leader ends in one go; the rest follow."""

LEASE_CHECK_SECONDS = 0.25
"""The longest time between two looks of a leader for due leases. The shortest lease lives 1 s."""

TICKS_PER_WINDOW = 10
"""Stamps that an idle leader writes in one request window: one in 30 s with the default window."""


class LeaseExpiry:
    """Ends due leases while this member leads."""

    def __init__(self, node: RaftNode, machine: MetadataStateMachine, request_timeout: float) -> None:
        self._node = node
        self._machine = machine
        self._request_timeout = request_timeout
        self._proposed: dict[int, int] = {}  # lease -> the renewal of it whose end is under way
        self._ticking = False

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            wait = LEASE_CHECK_SECONDS
            deadline = self._machine.state.leases.next_deadline_ms()
            if deadline is not None:
                wait = min(wait, max(0.01, (deadline - self._machine.now_ms) / 1000))
            await asyncio.sleep(wait)
            self.turn()

    def turn(self) -> None:
        """Propose the ends that are due, where this member leads. One is void where its lease was renewed meanwhile."""
        node, machine = self._node, self._machine
        if not node.leading or not node.state.noop_applied:
            self._proposed.clear()
            return
        self._keep_time()
        for lease in machine.state.due_leases(machine.now_ms)[:MAX_EXPIRIES_AT_ONCE]:
            if self._proposed.get(lease.id) != lease.renewal:
                self._proposed[lease.id] = lease.renewal
                self._propose_expiry(lease.id, lease.renewal)

    def _keep_time(self) -> None:
        """Keep every member's time near the leader's in an idle cluster too: new request ids are made from it."""
        state = self._machine.state
        period_ms = state.limits.request_window_ms / TICKS_PER_WINDOW
        if self._machine.now_ms - state.time_ms > period_ms and not self._ticking:
            self._ticking = True

            def done(*_: object) -> None:
                self._ticking = False

            self._node.propose(self._machine.stamp(), done, self._request_timeout)

    def _propose_expiry(self, lease: int, renewal: int) -> None:
        def done(_error: RaftError | None, _result: Any) -> None:
            if self._proposed.get(lease) == renewal:
                del self._proposed[lease]  # where it did not happen, it is due again

        self._node.propose(encode(LeaseExpire(lease, renewal)), done, self._request_timeout)
