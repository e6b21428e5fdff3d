"""Whatever the network and the nodes do, after healing all replicas are equal, and what was deleted stays deleted."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.gossip import GossipConfig
from tests.verify.gossip_sim.cluster import Cluster
from tests.verify.gossip_sim.invariants import ReplicaInvariants, disagreement
from tests.verify.gossip_sim.schedules import FORGETFUL, SMALL, STEPS, Play, Step

HEALING_LIMIT = 120.0
"""Virtual seconds: grace periods, the longest delays in flight, and the odds of the seed being picked."""


def play(seed: int, nodes: int, config: GossipConfig, steps: list[Step]) -> None:
    scene = Play(seed, nodes, config)
    scene.run(steps)
    scene.heal()
    cluster = scene.cluster
    # Asked now and then, not after every datagram: the question costs more than the simulation.
    for _ in range(int(HEALING_LIMIT)):
        cluster.run(1.0)
        if cluster.all_alive_everywhere() and disagreement(cluster) is None:
            break
    else:
        pytest.fail(f"seed {seed}: {disagreement(cluster) or 'not all alive everywhere'}")
    # And it stays so: nothing that is still in flight, or held by a slow peer, changes it.
    cluster.run(10.0)
    assert disagreement(cluster) is None, f"seed {seed}"


SCENES = {
    "seed": st.integers(0, 2**32),
    "nodes": st.integers(2, 5),
    "config": st.sampled_from([SMALL, FORGETFUL]),
    "steps": st.lists(STEPS, min_size=25, max_size=80),
}


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(**SCENES)
def test_replicas_are_equal_after_any_schedule(seed: int, nodes: int, config: GossipConfig, steps: list[Step]) -> None:
    play(seed, nodes, config, steps)


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(**SCENES)
def test_replicas_are_equal_after_any_of_many_schedules(
    seed: int, nodes: int, config: GossipConfig, steps: list[Step]
) -> None:
    play(seed, nodes, config, steps)


@pytest.mark.campaign
@settings(max_examples=5_000, suppress_health_check=list(HealthCheck))
@given(**SCENES)
def test_replicas_are_equal_after_any_of_thousands_of_schedules(
    seed: int, nodes: int, config: GossipConfig, steps: list[Step]
) -> None:
    play(seed, nodes, config, steps)


def test_what_was_deleted_before_a_reset_does_not_come_back_from_a_stale_peer() -> None:
    """A newcomer has half of a state that begins behind a collected deletion, and then meets a peer that missed it."""
    cluster = Cluster(1, SMALL)
    ReplicaInvariants(cluster)
    rng = Random("values")
    owner, stale = cluster.add_many(2)

    def large() -> str:
        return "".join(map(chr, rng.choices(range(33, 127), k=1_900)))

    def own_now() -> float:
        return cluster.now + owner.clock_offset

    for key, value in (("a", large()), ("b", large()), ("deleted", "stale"), ("d", large())):
        owner.engine.set(key, value, own_now())
    cluster.run(10.0)
    assert disagreement(cluster) is None
    cluster.network.partition([owner.address], [stale.address])
    owner.engine.delete("deleted", own_now())
    owner.engine.set("d", large(), own_now())
    cluster.run(SMALL.marked_for_deletion_grace_period + 2.0)
    assert (owner.engine.own.last_gc_version, owner.engine.own.max_version) == (5, 6)

    newcomer = cluster.add(seeds=[owner.address])
    cluster.network.partition([newcomer.address], [stale.address])

    def held() -> int:
        replica = newcomer.engine.state(owner.id)
        return 0 if replica is None else replica.max_version

    cluster.run_until(lambda: held() > 0, 10.0)
    assert held() == 2
    cluster.network.heal()
    cluster.network.partition([owner.address], [stale.address, newcomer.address])
    newcomer.engine.seeds = (stale.address,)
    cluster.run(10.0)
    cluster.network.heal()
    cluster.run(30.0)
    assert disagreement(cluster) is None
