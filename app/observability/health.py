"""Health: whether a node is alive, and whether it is ready for requests, with reasons.

Alive (`/livez`): the event loop turns and gossip rounds are held. A node that is not alive should be restarted. A lack
that no restart mends (majority, peers, disk space) does not make a node dead.

Ready (`/readyz`): alive, neither stopping nor leaving, and, where it takes part in Raft, a member of a cluster, without
a fault, and with metadata not older than `health.max_staleness`, so that it hears of a leader. A node without Raft is
ready without a leader. A node is not ready whose seeds lead to nobody, or whose node_id another running process has.
Other parts of a node make it not ready with `hold`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from coterie.app.raft.view import RaftView
from coterie.gossip import GossipNode

CHECKS = frozenset({"gossip", "leaving", "node_id", "raft", "seed", "shutdown"})
"""The names of all checks; some appear only where they fail."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    """One of `CHECKS`, or a word of a program that embeds a node."""
    reason: str | None
    """Why it fails; None where it does not."""

    @property
    def ok(self) -> bool:
        return self.reason is None


class Health:
    def __init__(self, node: GossipNode, raft: RaftView, stopping: asyncio.Event, max_staleness: float) -> None:
        """`max_staleness`: seconds by which what is applied here of the metadata may be old."""
        self._node = node
        self._raft = raft
        self._stopping = stopping
        self._max_staleness = max_staleness
        self._held: dict[str, str] = {}

    def hold(self, name: str, reason: str) -> Callable[[], None]:
        """Not ready, for `reason`, until the returned function is called. `name`: a word of the program's own."""
        self._held[name] = reason

        def release() -> None:
            if self._held.get(name) == reason:
                del self._held[name]

        return release

    def live_checks(self) -> list[Check]:
        return [Check("gossip", None if self._node.running else "no gossip rounds are held")]

    def ready_checks(self) -> list[Check]:
        stopping = "this node is stopping" if self._stopping.is_set() else None
        return [
            *self.live_checks(),
            Check("shutdown", stopping),
            Check("raft", self._raft.problem(self._max_staleness)),
            *self._alone(),
            *self._twins(),
            *(Check(name, reason) for name, reason in sorted(self._held.items())),
        ]

    def _alone(self) -> list[Check]:
        """Fails where the seeds lead to nobody: clients would be sent to an island of one."""
        if not self._node.found_nobody or self._raft.metadata is not None:
            return []
        refused = self._node.engine.counters["wrong_cluster"] > 0
        why = (
            f"nodes of another cluster_id than {self._node.engine.config.cluster_id!r} are at its seeds"
            if refused
            else "none of its seeds answers over UDP"
        )
        return [Check("seed", f"this node has found no other: {why}; check seed and cluster_id")]

    def _twins(self) -> list[Check]:
        """Fails where another running process has this node's node_id: each hides what the other says."""
        own = self._node.node
        twins = self._node.engine.twins.get(own.node_id, ())
        where = [str(each.gossip_advertise_addr) for each in twins if each != own]
        if not where:
            return []
        return [
            Check(
                "node_id",
                f"another running process, at {', '.join(where)}, has the node_id {own.node_id!r} too; "
                "stop one of them, or give it a node_id and a data_dir of its own",
            )
        ]
