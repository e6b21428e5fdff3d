"""How fast keys spread, and that no node's keys keep another's from spreading."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median

import pytest

from coterie.gossip import GossipConfig
from tests.verify.gossip_sim.cluster import Cluster
from tests.verify.gossip_sim.spread import KeySpread

CONFIG = GossipConfig(gossip_interval=0.5, initial_interval=0.5)
NODES = 100


def rounds_for_a_key(seed: int) -> float:
    cluster = Cluster(seed, CONFIG)
    cluster.add_many(NODES)
    cluster.run_until(cluster.all_alive_everywhere, 30.0)
    spread = KeySpread(cluster, cluster.rng.choice(cluster.nodes))
    cluster.run_until(spread.done, 30.0)
    return spread.rounds


def tell_rounds(seeds: range, figure: Callable[[str], None]) -> list[float]:
    rounds = [rounds_for_a_key(seed) for seed in seeds]
    figure(
        f"a new key on all of {NODES} nodes, {len(seeds)} seeds: median {median(rounds):.2f} rounds, "
        f"worst {max(rounds):.2f}"
    )
    return rounds


@pytest.mark.slow
def test_a_new_key_reaches_a_hundred_nodes_in_a_few_rounds(figure: Callable[[str], None]) -> None:
    assert max(tell_rounds(range(5), figure)) < 6


@pytest.mark.campaign
def test_a_new_key_reaches_a_hundred_nodes_in_a_few_rounds_from_a_hundred_seeds(figure: Callable[[str], None]) -> None:
    assert max(tell_rounds(range(100), figure)) < 6


def random_text(rng: Random, size: int) -> str:
    """Text that zstd can do little with."""
    return "".join(map(chr, rng.choices(range(33, 127), k=size)))


def test_a_node_with_more_than_it_can_send_keeps_no_key_of_others_from_spreading() -> None:
    """It holds 1.6 MB in values of the largest size, and rewrites four of them every round."""
    cluster = Cluster(1, CONFIG)
    rng = Random("hoarder")
    largest = CONFIG.max_key_value_bytes
    cluster.add_many(5)
    keys = [f"hoard_{i:03d}" for i in range(100)]
    hoarder = cluster.add(key_values=[(key, random_text(rng, largest - len(key))) for key in keys])
    cluster.add_many(14)

    def rewrite() -> None:
        for key in rng.sample(keys, 4):
            hoarder.engine.set(key, random_text(rng, largest - len(key)), cluster.now + hoarder.clock_offset)
        cluster.at(cluster.now + CONFIG.gossip_interval, rewrite)

    rewrite()
    cluster.run_until(cluster.all_alive_everywhere, 30.0)
    for owner in (cluster.nodes[2], cluster.nodes[10]):
        spread = KeySpread(cluster, owner)
        cluster.run_until(spread.done, 10 * CONFIG.gossip_interval)
    newcomer = cluster.add()
    others = [node.id for node in cluster.nodes if node not in (hoarder, newcomer)]
    cluster.run_until(
        lambda: all((state := newcomer.engine.state(o)) is not None and state.liveness.alive for o in others), 10.0
    )
    assert {o for o in others if (s := newcomer.engine.state(o)) is not None and s.get("news")} == {
        cluster.nodes[2].id,
        cluster.nodes[10].id,
    }
    assert cluster.false_deaths() == []


def test_a_value_that_fits_no_datagram_keeps_no_key_of_others_from_spreading() -> None:
    """The spec's one blocked node: its next operation never fits, in whatever order the nodes are sent."""
    config = GossipConfig(gossip_interval=0.5, initial_interval=0.5, max_datagram_bytes=10_000, max_digest_bytes=5_000)
    cluster = Cluster(2, config)
    blocked = cluster.add(key_values=[("small", "fits"), ("large", random_text(Random("blocked"), 16_000))])
    cluster.add_many(19)
    cluster.run_until(cluster.all_alive_everywhere, 30.0)
    # It has much that is missing everywhere, so its turn comes first in every delta.
    for i in range(50):
        blocked.engine.set(f"later_{i}", "never sent", cluster.now + blocked.clock_offset)
    for owner in (cluster.nodes[5], cluster.nodes[15]):
        spread = KeySpread(cluster, owner)
        cluster.run_until(spread.done, 10 * config.gossip_interval)
    for node in cluster.nodes[1:]:
        replica = node.engine.state(blocked.id)
        assert replica is not None
        assert [kv.key for kv in replica.visible()] == ["small"]
    assert cluster.false_deaths() == []
