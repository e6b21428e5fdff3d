"""The metadata as what a group replicates: its state machine, watches, leases and calls, on the node of any runtime.

A node of Coterie has this one consumer; a program in PySyncObj's style may have it beside consumers of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coterie.consensus.member.config import DIGEST_INTERVAL, MAX_WATCHES, REQUEST_TIMEOUT
from coterie.consensus.member.event_loop import SystemClock
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.member.metadata.lease_expiry import LeaseExpiry
from coterie.consensus.member.metadata.level_raising import LevelRaising
from coterie.consensus.member.metadata.state_audit import StateAudit
from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.member.observing.tracing import Tracing
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.store import Limits, State


class MetadataConsumer:
    """Made anywhere; all else in the group's event loop: `bind` to the loaded node, `begin`, and at last `end`."""

    metadata: MemberMetadata
    """The calls, once bound."""
    levels: LevelRaising

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        request_timeout: float = REQUEST_TIMEOUT,
        digest_interval: float = DIGEST_INTERVAL,
        max_watches: int = MAX_WATCHES,
        tracing: Tracing | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`limits`: of a new cluster, where this member leads it first. `request_timeout`: seconds, of calls that name
        none. `on_change`: called whenever entries were applied, or leadership changed."""
        self.machine = MetadataStateMachine(State(), SystemClock().monotonic, self._applied)
        self._limits = limits or Limits()
        self._request_timeout = request_timeout
        self._digest_interval = digest_interval
        self._max_watches = max_watches
        self._tracing = tracing
        self._on_change = on_change
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = self._led = False
        self._tasks: list[asyncio.Task[None]] = []

    def bind(self, node: RaftNode) -> None:
        self._loop = asyncio.get_running_loop()
        self._node = node
        self.metadata = MemberMetadata(
            node,
            self.machine,
            self._request_timeout,
            staleness=node.staleness,
            max_watches=self._max_watches,
            tracing=self._tracing,
        )
        self.levels = LevelRaising(node, self.machine, self._limits, self._request_timeout)
        self.audit = StateAudit(
            node, self.machine, SystemClock().monotonic, interval=self._digest_interval, timeout=self._request_timeout
        )
        if self._tracing is not None:
            node.state.on_forwarded = self._tracing.forwarded

    def begin(self) -> None:
        """The node has loaded its state, and takes part."""
        self.machine.hub.feed()
        expiry = LeaseExpiry(self._node, self.machine, self._request_timeout)
        self._tasks = [
            asyncio.create_task(expiry.run(), name="leases"),
            asyncio.create_task(self.levels.run(), name="levels"),
            asyncio.create_task(self.audit.run(), name="digests"),
        ]

    def before_tick(self) -> None:
        """What the tick stamps is the leader's time."""
        if self._node.leading != self._led:
            self._led = self._node.leading
            if self._led:
                self.machine.lead()
            else:
                self.machine.follow()
            self._applied()

    def _applied(self) -> None:
        if not self._changed and self._loop is not None:
            self._changed = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._changed = False
        self.levels.turn()
        ready = self.machine.hub.feed()
        if ready:
            self.metadata.watches.wake(ready)
        self._on_change()

    async def end(self) -> None:
        """The node has stopped: watches end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._loop is not None:
            self.metadata.watches.close()
