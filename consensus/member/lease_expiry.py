"""The leader's duty to leases: to end those whose time is over, and to tell the time where nobody writes."""

from __future__ import annotations

import asyncio
from typing import Any

from coterie.consensus.member.state_machine import MetadataStateMachine
from coterie.consensus.raft.errors import RaftError
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import LeaseExpire, encode

MAX_EXPIRIES_AT_ONCE = 1_000
"""Leases that the leader ends in one go; the rest follow."""

LEASE_CHECK_SECONDS = 0.25
"""How often a leader looks for leases whose time is over, at the latest; the shortest lease lives 1 s."""

TICKS_PER_WINDOW = 10
"""An idle leader tells the time so often while a request id is remembered: every 30 s with the default window."""


class LeaseExpiry:
    """Of one member; does nothing while that does not lead."""

    def __init__(self, node: RaftNode, replica: MetadataStateMachine, request_timeout: float) -> None:
        self._node = node
        self._replica = replica
        self._request_timeout = request_timeout
        self._proposed: dict[int, int] = {}  # lease -> the renewal of it whose end is under way
        self._ticking = False

    async def run(self) -> None:
        """For ever. A proposed end is void where its lease was renewed meanwhile."""
        node, replica = self._node, self._replica
        while True:
            wait = LEASE_CHECK_SECONDS
            deadline = replica.state.leases.next_deadline_ms()
            if deadline is not None:
                wait = min(wait, max(0.01, (deadline - replica.now_ms) / 1000))
            await asyncio.sleep(wait)
            if not node.leading or not node.state.noop_applied:
                self._proposed.clear()
                continue
            self._keep_time()
            for lease in replica.state.due_leases(replica.now_ms)[:MAX_EXPIRIES_AT_ONCE]:
                if self._proposed.get(lease.id) != lease.renewal:
                    self._proposed[lease.id] = lease.renewal
                    self._propose_expiry(lease.id, lease.renewal)

    def _keep_time(self) -> None:
        """In an idle cluster too, everybody's time stays near the leader's: new request ids are made from it."""
        state = self._replica.state
        period_ms = state.limits.request_window_ms / TICKS_PER_WINDOW
        if self._replica.now_ms - state.time_ms > period_ms and not self._ticking:
            self._ticking = True

            def done(*_: object) -> None:
                self._ticking = False

            self._node.propose(self._replica.stamp(), done, self._request_timeout)

    def _propose_expiry(self, lease: int, renewal: int) -> None:
        def done(_error: RaftError | None, _result: Any) -> None:
            if self._proposed.get(lease) == renewal:
                del self._proposed[lease]  # where it did not happen, it is due again

        self._node.propose(encode(LeaseExpire(lease, renewal)), done, self._request_timeout)
