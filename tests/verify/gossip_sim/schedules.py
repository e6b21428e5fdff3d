"""Random schedules of writes and faults, as plain data that Hypothesis can shrink, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st

from coterie.gossip import Address, GossipConfig
from tests.verify.gossip_sim.cluster import Cluster, SimNode
from tests.verify.gossip_sim.invariants import ReplicaInvariants
from tests.verify.gossip_sim.network import Link

DELETION_GRACE = 6.0
KEYS = ("a", "b", "c", "d")
VALUE_BYTES = (3, 900, 1_900)
"""Of three values of the longest kind, a datagram of the small configuration below holds two."""


@dataclass(frozen=True, slots=True)
class Step:
    """Wait, then do something to the node numbered `node`, modulo their count."""

    wait: float
    action: str
    node: int
    key: int = 0
    size: int = 0
    other: int = 0


ACTIONS = (
    "set",
    "set",
    "set",
    "set_with_ttl",
    "delete",
    "delete",
    "delete_after_ttl",
    "isolate",
    "split",
    "mute",
    "heal",
    "lose",
    "calm",
    "pause",
    "resume",
    "kill",
    "restart",
)

STEPS = st.builds(
    Step,
    wait=st.sampled_from((0.0, 0.05, 0.3, 1.0, 3.0, DELETION_GRACE)),
    action=st.sampled_from(ACTIONS),
    node=st.integers(0, 4),
    key=st.integers(0, len(KEYS) - 1),
    size=st.integers(0, len(VALUE_BYTES) - 1),
    other=st.integers(0, 31),
)

SMALL = GossipConfig(
    gossip_interval=0.5,
    initial_interval=0.5,
    marked_for_deletion_grace_period=DELETION_GRACE,
    dead_node_grace_period=1_000.0,
    max_datagram_bytes=4_800,
    max_digest_bytes=700,
    max_key_value_bytes=2_000,
)
"""Datagrams so small that most deltas are cut short."""

FORGETFUL = GossipConfig(
    gossip_interval=0.5,
    initial_interval=0.5,
    marked_for_deletion_grace_period=DELETION_GRACE,
    dead_node_grace_period=12.0,
    max_datagram_bytes=4_800,
    max_digest_bytes=700,
    max_key_value_bytes=2_000,
)
"""The same, and a dead node is soon collected."""

ROUGH = Link(latency=(0.001, 0.2), loss=0.3, duplication=0.2, straggling=0.2, straggling_latency=(0.2, 4.0))
MESSY = Link(latency=(0.001, 0.1), duplication=0.1, straggling=0.1, straggling_latency=(0.1, 2.0))


class Play:
    """Runs a schedule on a cluster under the replica invariants. Some nodes open with wire version 1."""

    def __init__(self, seed: int, nodes: int, config: GossipConfig, *, record: bool = False) -> None:
        self.cluster = Cluster(seed, config, MESSY, record=record)
        self.invariants = ReplicaInvariants(self.cluster)
        self._values = Random(f"{seed}/values")
        addresses = [Address("127.0.0.1", 10_000 + i) for i in range(nodes)]
        versions = Random(f"{seed}/versions")
        self.nodes: list[SimNode] = [
            self.cluster.add(
                f"node_{i}",
                address=address,
                seeds=addresses[:2],
                config=replace(config, protocol_version=versions.randrange(2)),
            )
            for i, address in enumerate(addresses)
        ]

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            self.cluster.run(step.wait)
            self._do(step)

    def _do(self, step: Step) -> None:
        cluster = self.cluster
        place = step.node % len(self.nodes)
        node = self.nodes[place]
        addresses = [n.address for n in self.nodes]
        match step.action:
            case "set" | "set_with_ttl" | "delete" | "delete_after_ttl":
                if node.running:
                    self._write(node, step)
            case "isolate":
                cluster.network.partition([node.address], addresses)
            case "split":
                one = [a for i, a in enumerate(addresses) if step.other >> i & 1]
                cluster.network.partition(one, [a for a in addresses if a not in one])
            case "mute":
                cluster.network.cut([node.address], [addresses[step.other % len(addresses)]])
            case "heal":
                cluster.network.heal()
            case "lose":
                cluster.network.link = ROUGH
            case "calm":
                cluster.network.link = MESSY
            case "pause":
                if node.running and not node.paused:
                    cluster.pause(node)
            case "resume":
                if node.running and node.paused:
                    cluster.resume(node)
            case "kill":
                if node.running:
                    cluster.kill(node)
            case "restart":
                self.nodes[place] = cluster.restart(node)
            case other:
                raise ValueError(other)

    def _write(self, node: SimNode, step: Step) -> None:
        key = KEYS[step.key]
        now = self.cluster.now + node.clock_offset
        value = "".join(map(chr, self._values.choices(range(33, 127), k=VALUE_BYTES[step.size])))
        match step.action:
            case "set":
                node.engine.set(key, value, now)
            case "set_with_ttl":
                node.engine.set_with_ttl(key, value, now)
            case "delete":
                node.engine.delete(key, now)
            case "delete_after_ttl":
                node.engine.delete_after_ttl(key, now)

    def heal(self) -> None:
        """End every fault: the killed are restarted under a new generation, the paused go on."""
        self.cluster.network.heal()
        self.cluster.network.link = MESSY
        for place, node in enumerate(self.nodes):
            if not node.running:
                self.nodes[place] = self.cluster.restart(node)
            elif node.paused:
                self.cluster.resume(node)
