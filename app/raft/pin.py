"""The Raft cluster that a node without Raft has spoken to, and keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

RESTART = "restart this node"
"""The way out of what is known in memory alone."""


class ClusterPin:
    def __init__(
        self,
        cluster: str | None = None,
        keep: Callable[[str], None] | None = None,
        way_out: str = RESTART,
    ) -> None:
        """`cluster`: as an earlier process kept it. `keep`: writes it down, and may wait for the disk; None: it is
        known as long as the process lives. `way_out`: what makes it forget the cluster, for operators."""
        self.cluster = cluster
        self.way_out = way_out
        self._keep = keep
        self._keeping: asyncio.Future[None] | None = None

    def move(self, cluster: str) -> None:
        """The node keeps to this one from here on. To be called in the event loop."""
        self.cluster = cluster
        if self._keep is not None:
            self._keeping = asyncio.get_running_loop().run_in_executor(None, self._keep, cluster)

    async def kept(self) -> None:
        """Wait until what was said last is written."""
        if self._keeping is not None:
            await self._keeping
