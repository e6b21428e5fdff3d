"""The harness itself: a seed replays exactly, and the invariants see what breaks them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest

from coterie.gossip import GossipConfig, KeyValue, NodeState
from tests.verify.gossip_sim.cluster import Cluster, SimNode, SimulationError
from tests.verify.gossip_sim.invariants import ReplicaInvariants
from tests.verify.gossip_sim.network import Link
from tests.verify.gossip_sim.schedules import ACTIONS, DELETION_GRACE, FORGETFUL, Play, Step


def random_steps(seed: int, count: int) -> list[Step]:
    rng = Random(seed)
    return [
        Step(
            wait=rng.uniform(0.0, DELETION_GRACE / 6),
            action=rng.choice(ACTIONS),
            node=rng.randrange(5),
            key=rng.randrange(4),
            size=rng.randrange(3),
            other=rng.randrange(32),
        )
        for _ in range(count)
    ]


def log_of(seed: int) -> tuple[str, int]:
    """The hash over everything that happened in a run with every kind of fault, and how much that was."""
    scene = Play(seed, 5, FORGETFUL, record=True)
    scene.run(random_steps(seed, 80))
    scene.heal()
    scene.cluster.run(20.0)
    assert scene.cluster.recorder is not None
    return scene.cluster.recorder.digest(), scene.cluster.recorder.entries


def test_a_seed_replays_exactly_and_another_does_not() -> None:
    first, entries = log_of(1)
    assert entries > 1_000
    assert log_of(1) == (first, entries)
    assert log_of(2)[0] != first


def test_a_seed_replays_exactly_under_another_hash_seed() -> None:
    program = "from tests.verify.gossip_sim.claims.test_harness import log_of; print(*log_of(3))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    }
    digest, entries = log_of(3)
    assert outputs == {f"{digest} {entries}\n"}


def test_a_failure_names_its_seed() -> None:
    cluster = Cluster(42, GossipConfig())
    cluster.add_many(2)

    def fail() -> None:
        raise SimulationError("on purpose")

    cluster.at(3.0, fail)
    with pytest.raises(SimulationError) as caught:
        cluster.run(10.0)
    assert caught.value.__notes__ == ["simulation seed: 42, at 3.000000 s of virtual time"]


def two_nodes_with_a_deleted_key() -> tuple[Cluster, SimNode, NodeState]:
    """A cluster under the invariants, a node of it, and its replica, with tombstone, of the other's state."""
    cluster = Cluster(1, GossipConfig())
    ReplicaInvariants(cluster)
    owner, holder = cluster.add_many(2)
    owner.engine.set("key", "value", cluster.now + owner.clock_offset)
    owner.engine.set("other", "value", cluster.now + owner.clock_offset)
    cluster.run(5.0)
    owner.engine.delete("key", cluster.now + owner.clock_offset)
    cluster.run(5.0)
    replica = holder.engine.state(owner.id)
    assert replica is not None
    assert replica.max_version == 3
    return cluster, holder, replica


def test_the_invariants_see_a_version_that_falls() -> None:
    cluster, _, replica = two_nodes_with_a_deleted_key()
    replica.max_version = 2
    with pytest.raises(SimulationError, match="fell from"):
        cluster.run(5.0)


def test_the_invariants_see_a_deleted_key_come_back() -> None:
    cluster, holder, replica = two_nodes_with_a_deleted_key()
    replica.key_values = {"key": KeyValue.make("key", "value", 1, 0)}
    replica.last_gc_version = 3  # what makes the observer look
    with pytest.raises(SimulationError, match="is back"):
        cluster.run(5.0)
    assert holder.running


def test_a_paused_node_hears_what_its_socket_held_and_drops_the_rest() -> None:
    cluster = Cluster(5, GossipConfig())
    first, second = cluster.add_many(2)
    cluster.run(10.0)
    cluster.pause(second)
    rounds = second.engine.counters["rounds"]
    cluster.run(20.0)
    assert second.engine.counters["rounds"] == rounds
    assert second.waiting
    assert second.waiting_bytes == sum(len(datagram) for datagram, _ in second.waiting)
    cluster.resume(second)
    assert not second.waiting
    assert second.engine.counters["rounds"] == rounds + 1
    assert second.engine.counters["late_rounds"] == 1
    assert first.engine.counters["late_rounds"] == 0


@pytest.mark.parametrize(
    ("link", "least", "most"), [(Link(loss=0.5), 0.45, 0.55), (Link(duplication=0.5), 1.45, 1.55), (Link(), 1.0, 1.0)]
)
def test_links_lose_and_duplicate_as_often_as_asked(link: Link, least: float, most: float) -> None:
    cluster = Cluster(6, GossipConfig(), link)
    first, second = (node.address for node in cluster.add_many(2))
    copies = [len(cluster.network.delays(first, second)) for _ in range(10_000)]
    assert least <= sum(copies) / len(copies) <= most


def test_cuts_are_one_way_and_partitions_both() -> None:
    cluster = Cluster(7, GossipConfig())
    a, b, c = (node.address for node in cluster.add_many(3))
    network = cluster.network
    network.cut([a], [b])
    assert (network.delays(a, b), len(network.delays(b, a))) == ([], 1)
    network.partition([a, b], [c])
    assert network.delays(b, c) == network.delays(c, a) == []
    network.heal()
    assert len(network.delays(a, b)) == len(network.delays(c, a)) == 1


def test_stragglers_overtake_one_another() -> None:
    link = replace(Link(), straggling=0.5)
    cluster = Cluster(8, GossipConfig(), link)
    first, second = (node.address for node in cluster.add_many(2))
    delays = [cluster.network.delays(first, second)[0] for _ in range(1_000)]
    late = [delay for delay in delays if delay >= link.straggling_latency[0]]
    assert 400 < len(late) < 600
