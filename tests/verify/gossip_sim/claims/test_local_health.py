"""Nodes that are slow, or that were in a rush, among nodes that are well: nobody is taken for dead for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.gossip import GossipConfig
from tests.slow import some_quick
from tests.verify.gossip_sim.cluster import Cluster, SimNode
from tests.verify.gossip_sim.network import Link

CONFIG = GossipConfig(initial_interval=0.5)


def block(cluster: Cluster, node: SimNode, seconds: float) -> None:
    """As a call that blocks the event loop does, or SIGSTOP."""
    cluster.pause(node)
    cluster.run(seconds)
    cluster.resume(node)


@pytest.mark.parametrize("nodes", [3, 20])
@pytest.mark.parametrize("seconds", [5.0, 10.0])
def test_a_node_that_was_blocked_calls_nobody_dead_and_makes_nobody_flap(nodes: int, seconds: float) -> None:
    cluster = Cluster(3, CONFIG)
    cluster.add_many(nodes)
    cluster.run(30.0)
    blocked = cluster.nodes[1]
    block(cluster, blocked, seconds)
    woken_at = cluster.now
    cluster.run(2.0)
    assert blocked.engine.local_health.score > 0
    cluster.run(60.0)
    # Others may have taken it for dead while it was silent; nobody is after that, and nobody else is at all.
    assert {death.subject for death in cluster.deaths} <= {blocked.id}
    assert [death for death in cluster.deaths if death.at > woken_at or death.holder is blocked] == []
    assert blocked.engine.local_health.score == 0
    assert cluster.all_alive_everywhere()


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_is_blocked_again_and_again_calls_nobody_dead(seed: int) -> None:
    cluster = Cluster(seed, CONFIG)
    cluster.add_many(10)
    cluster.run(20.0)
    sick = cluster.nodes[4]
    for _ in range(40):
        block(cluster, sick, cluster.rng.uniform(0.3, 4.0))
        cluster.run(cluster.rng.uniform(0.0, 0.3))
    cluster.run(30.0)
    assert {death.subject for death in cluster.deaths} <= {sick.id}
    assert [death for death in cluster.deaths if death.holder is sick] == []


def false_deaths_after_a_rush(min_mean_interval: float) -> int:
    """As when hundreds of nodes start at once: all ask the two seeds, many times a round, and carry their heartbeats to
    and fro. Then it is calm."""
    cluster = Cluster(7, GossipConfig(initial_interval=0.5, min_mean_interval=min_mean_interval))
    cluster.add_many(30)
    cluster.run(10.0)
    seeds = [node.address for node in cluster.nodes[:2]]
    for _ in range(100):
        for node in cluster.nodes[2:]:
            now = cluster.now + node.clock_offset
            for address, datagram in node.engine.open_handshakes(seeds, now):
                cluster.send(node, address, datagram)
        cluster.run(0.05)
    cluster.run(60.0)
    return len(cluster.false_deaths())


@pytest.mark.slow
def test_the_calm_after_a_rush_is_no_death() -> None:
    assert false_deaths_after_a_rush(min_mean_interval=1e-6) > 0
    assert false_deaths_after_a_rush(GossipConfig().min_mean_interval) == 0


def test_a_node_that_nobody_can_reach_waits_longer_but_learns_it_in_the_end() -> None:
    cluster = Cluster(5, CONFIG)
    cluster.add_many(12)
    cluster.run(30.0)
    alone, others = cluster.nodes[6], [node for node in cluster.nodes if node is not cluster.nodes[6]]
    cluster.network.partition([alone.address], [node.address for node in others])
    cut_at = cluster.now
    cluster.run_until(lambda: alone.engine.live_nodes == [alone.id], 30.0)
    its_verdicts = [death.at - cut_at for death in cluster.deaths if death.holder is alone]
    verdicts_on_it = [death.at - cut_at for death in cluster.deaths if death.subject == alone.id]
    assert len(verdicts_on_it) == len(others)
    assert max(verdicts_on_it) < min(its_verdicts)


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_hears_nothing_for_a_while_takes_itself_for_the_sick_one(seed: int) -> None:
    cluster = Cluster(seed, CONFIG)
    cluster.add_many(12)
    cluster.run(30.0)
    deaf = cluster.nodes[6]
    cluster.network.cut([node.address for node in cluster.nodes], [deaf.address])
    cluster.run(4.5)
    cluster.network.heal()
    cluster.run(30.0)
    assert cluster.deaths == []


@pytest.mark.parametrize("seed", some_quick(range(6), 2))
def test_a_death_of_nearly_all_is_found_as_soon_as_that_of_one(seed: int, figure: Callable[[str], None]) -> None:
    """Nobody answers those that live, as if they were deaf: they look for whoever else lives."""
    cluster = Cluster(seed, CONFIG, Link(latency=(0.0005, 0.003)))
    survivors, others = cluster.add_many(3), cluster.add_many(80)
    cluster.run(20.0)
    for node in others:
        cluster.kill(node)
    killed_at, dead = cluster.now, {node.id for node in others}
    cluster.run(30.0)
    assert cluster.false_deaths() == []
    found = [[death.at - killed_at for death in cluster.deaths if death.holder is node] for node in survivors]
    assert all({death.subject for death in cluster.deaths if death.holder is node} == dead for node in survivors)
    figure(f"80 of 83 nodes killed: a survivor holds one for dead after {', '.join(f'{min(t):.2f}' for t in found)} s")
    assert max(min(times) for times in found) < 3.5
