"""The nodes of a run, started, watched and put back in order together."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.verify.consistency.contract import Anomaly, Recording
from tests.verify.consistency.network import NodeNetwork, Wiring, node_network
from tests.verify.consistency.nodes.asking import AskError, ask
from tests.verify.consistency.nodes.node import CRASH, Node, NodeError

READY_SECONDS = 90.0
POLL_SECONDS = 0.1

SETTINGS = {
    "INTERVAL_MS": "100",
    "AUTH__ANONYMOUS": "admin",
    "GOSSIP__INITIAL_INTERVAL": "0.5",
    "GOSSIP__MARKED_FOR_DELETION_GRACE_PERIOD": "10",
    "GOSSIP__DEAD_NODE_GRACE_PERIOD": "30",
    "RAFT__ENABLED": "true",
    "RAFT__SECRET": "the secret of a run",
    "RAFT__STABILIZATION_TIME": "1.5",
    "RAFT__DEAD_VOTER_GRACE": "5",
    "RAFT__WATCH_HEARTBEAT": "2",
    "LOG__FORMAT": "json",
}
"""Of every node: as in production, but that what takes tens of seconds there takes seconds here."""

DISK_WORDS = ("DiskFull", "DiskFailed", "disk is full", "No space left")
"""In the log of a node that has stopped its part in Raft for its disk, as it should."""

INTERNAL_ERROR = "internal error"
STOPPED_ITSELF = "a node stopped its part in Raft"
"""Kinds of anomalies that nodes tell of in their logs."""

Condition = Callable[[], Any]


class Cluster:
    """See `contract.Cluster`. Founders come first; the rest of the networks is for nodes that join later."""

    def __init__(
        self,
        directory: Path,
        recording: Recording,
        *,
        founders: int,
        spares: int = 0,
        power: bool = False,
        sync_seconds: float = 0.0,
        sabotage: str = "",
        settings: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.settings = SETTINGS | (settings or {})
        self.nodes: dict[str, Node] = {}
        self.wiring: Wiring
        self._recording = recording
        self._founders = founders
        self._power = power
        self._sync_seconds = sync_seconds
        self._sabotage = sabotage
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith("COTERIE_")}
        self._environment = own | {f"COTERIE_{name}": value for name, value in self.settings.items()}
        self._networks: list[NodeNetwork] = [node_network(number) for number in range(1, founders + spares + 1)]

    @property
    def alive(self) -> list[Node]:
        """Those that belong to the cluster, whatever their state."""
        return [node for node in self.nodes.values() if not node.gone]

    @property
    def up(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.up]

    @property
    def seeds(self) -> list[str]:
        return [each.address for each in self._networks[: self._founders]]

    # -- start and end -------------------------------------------------------------------------------------------------

    async def start(self, seed: int) -> None:
        """Found the cluster, and wait until every node serves."""
        self.wiring = await Wiring.open(self._networks, seed)
        expect = {"COTERIE_RAFT__BOOTSTRAP_EXPECT": str(self._founders)}
        founders = [self._new(expect) for _ in range(self._founders)]
        await asyncio.gather(*[node.start(self.seeds) for node in founders])
        await self.whole()

    def _new(self, settings: dict[str, str]) -> Node:
        network = self._networks[len(self.nodes)]
        node = Node(
            f"n{network.number}",
            network,
            self.directory,
            self._recording,
            self._environment,
            self._power,
            self._sync_seconds,
            self._sabotage,
            settings,
        )
        self.nodes[node.name] = node
        return node

    @property
    def can_grow(self) -> bool:
        return len(self.nodes) < len(self._networks)

    async def add(self) -> Node:
        """A node that joins the cluster."""
        node = self._new({})
        await node.start(self.seeds)
        return node

    async def close(self, *, keep_disks: bool) -> None:
        """Kill what runs. With `keep_disks`, what was on them is left in the folder."""
        await asyncio.gather(*[node.kill("end of the run") for node in self.nodes.values()], return_exceptions=True)
        if hasattr(self, "wiring"):
            await self.wiring.close()
        if keep_disks:
            for node in self.nodes.values():
                node.free_disk()
                if node.data.exists():
                    shutil.copytree(node.data, self.directory / "data" / node.name, dirs_exist_ok=True)

    # -- healing -------------------------------------------------------------------------------------------------------

    async def heal(self) -> None:
        """Links work, disks and clocks are fine, and every node that belongs to the cluster runs its part in Raft."""
        await self.wiring.lift_all()
        for node in self.alive:
            failed = node.disk_failed
            node.free_disk()
            node.tell(node.fine)
            node.go_on()
            node.disk_failed = failed
        await asyncio.gather(*[self._revive(node) for node in self.alive])

    async def _revive(self, node: Node) -> None:
        if node.disk_failed and node.running:
            status = await node.status()
            if status is None or status["failure"]:  # a disk that has failed is met by a new start
                await node.kill()
        if not node.running:
            await node.start(self.seeds)

    def crashes(self) -> list[str]:
        """Nodes that ended though nobody ended them, and no disk failed them."""
        return [
            f"{node.name} {life.how}: see logs/{node.name}.log"
            for node in self.nodes.values()
            for life in node.lives
            if life.how.startswith(CRASH)
        ]

    def complaints(self) -> list[Anomaly]:
        """What nodes themselves call a fault of the product, or stop their part in Raft for; the first of each."""
        found: list[Anomaly] = []
        for node in self.nodes.values():
            for line in node.log.read_text(errors="replace").splitlines() if node.log.exists() else ():
                kind = _complaint(line)
                if kind:
                    found.append(Anomaly(kind, f"{node.name}: {line[:2_000]}"))
                    break
        return found

    # -- what the nodes say --------------------------------------------------------------------------------------------

    async def leader(self) -> Node | None:
        """Who says of itself that it leads, in the highest term."""
        said = await self._statuses(self.up)
        leading = [(status["term"], node.name) for node, status in said if status["role"] == "leader"]
        return self.nodes[max(leading)[1]] if leading else None

    async def led(self, within: float = READY_SECONDS) -> Node:
        found: list[Node] = []

        async def look() -> bool:
            leader = await self.leader()
            found[:] = [] if leader is None else [leader]
            return leader is not None

        await self.until(look, "there is no leader", within)
        return found[0]

    async def voters(self) -> list[Node]:
        """Of those that run, as the leader knows them."""
        leader = await self.leader()
        status = None if leader is None else await leader.status()
        if status is None:
            return []
        members = {each["member_id"]: node for node, each in await self._statuses(self.up)}
        return [members[voter] for voter in status["voters"] if voter in members]

    async def voter_count(self) -> int:
        leader = await self.leader()
        status = None if leader is None else await leader.status()
        return 0 if status is None else len(status["voters"])

    async def voters_whole(self) -> bool:
        """Whether every voter is a node that runs, and there are at least three."""
        count = await self.voter_count()
        return count >= 3 and len(await self.voters()) == count

    async def whole(self, within: float = READY_SECONDS) -> None:
        """Wait until every node that belongs to the cluster is known to be alive by all, and serves strong reads."""

        async def look() -> bool:
            nodes = self.alive
            return all(await asyncio.gather(*[self._serves(node, nodes) for node in nodes]))

        await self.until(look, "not every node serves", within)

    async def _serves(self, node: Node, nodes: Sequence[Node]) -> bool:
        try:
            live = {each["node_id"] for each in (await ask(node.url, "/"))["live_nodes"]}
            await ask(node.url, "/v1/meta?prefix=none/")
        except AskError:
            return False
        return {each.name for each in nodes} <= live

    async def _statuses(self, nodes: Iterable[Node]) -> list[tuple[Node, dict[str, Any]]]:
        asked = list(nodes)
        said = await asyncio.gather(*[node.status() for node in asked])
        return [(node, status) for node, status in zip(asked, said, strict=True) if status is not None]

    async def until(self, condition: Condition, otherwise: str, within: float = READY_SECONDS) -> None:
        """Ask until an asynchronous condition holds. Raises NodeError, which says `otherwise`."""
        deadline = time.monotonic() + within
        while not await condition():
            if time.monotonic() > deadline:
                raise NodeError(f"{otherwise} after {within:g} s")
            await asyncio.sleep(POLL_SECONDS)

    def tell(self, node: Node, **changes: Any) -> None:
        """How a node's disk and clock misbehave, besides what it was told before."""
        node.tell(replace(node.control, **changes))


def _complaint(line: str) -> str:
    """The kind of anomaly that a line of a node's log tells of; empty for none."""
    if '"level":"critical"' in line and not any(word in line for word in DISK_WORDS):
        return STOPPED_ITSELF
    return INTERNAL_ERROR if "internal error" in line or line.startswith("Traceback") else ""
