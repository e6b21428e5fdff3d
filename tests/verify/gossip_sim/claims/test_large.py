"""Clusters past the size of a datagram (gossip spec 9): digests in stripes, and the change from whole ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.gossip import GossipConfig
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from tests.verify.gossip_sim.cluster import Cluster
from tests.verify.gossip_sim.invariants import ReplicaInvariants, disagreement
from tests.verify.gossip_sim.large import Plan, simulate
from tests.verify.gossip_sim.network import Link
from tests.verify.gossip_sim.spread import KeySpread

STRIPED = GossipConfig(
    gossip_interval=0.5,
    initial_interval=0.5,
    max_datagram_bytes=6_100,
    max_digest_bytes=1_300,
    max_key_value_bytes=1_000,
)
"""Whole up to about 6 kB of digest, and from there on in stripes of up to 1.3 kB: eight or more at once.

`initial_interval` is below what eight stripes take to bring news of a node just met, of which there is no record to
scale_recorded: what is assumed of it has to be stretched as well.
"""

WHOLE_NODES = 56
MORE_NODES = 24


def long_name(number: int) -> str:
    """60 bytes, so that an entry takes 101."""
    return f"server-{number:053d}"


def grow_from_whole_to_striped(seed: int, link: Link | None = None) -> Cluster:
    cluster = Cluster(seed, STRIPED, link)
    for number in range(WHOLE_NODES):
        cluster.add(long_name(number), key_values=[("key", str(number))])
    cluster.run_until(cluster.all_alive_everywhere, 60.0)
    # Long enough to have many intervals of whole digests on record, which say that signs of life come quickly.
    cluster.run(20.0)
    assert {node.engine.stripe_bits for node in cluster.nodes} == {0}
    for number in range(WHOLE_NODES, WHOLE_NODES + MORE_NODES):
        cluster.add(long_name(number), key_values=[("key", str(number))])
    cluster.run(40.0)
    assert min(node.engine.stripe_bits for node in cluster.nodes) >= 3
    return cluster


@pytest.mark.slow
def test_a_cluster_that_outgrows_a_datagram_takes_nobody_for_dead_and_all_news_spread(
    figure: Callable[[str], None],
) -> None:
    cluster = grow_from_whole_to_striped(1)
    assert cluster.false_deaths() == []
    assert cluster.all_alive_everywhere()
    spread = KeySpread(cluster, cluster.nodes[77])
    cluster.run_until(spread.done, 30.0)
    newcomer = cluster.add(long_name(999), key_values=[("key", "999")])
    alive = cluster.run_until(cluster.all_alive_everywhere, 60.0)
    cluster.run_until(lambda: len(newcomer.engine.states) == len(cluster.running), 60.0)
    victim = cluster.nodes[33]
    cluster.kill(victim)
    dead = cluster.run_until(lambda: cluster.alive_views[victim.id] == 0, 120.0)
    cluster.run_until(lambda: disagreement(cluster) is None, 60.0)
    assert cluster.false_deaths() == []
    figure(
        f"{len(cluster.nodes) - 1} nodes, {1 << newcomer.engine.stripe_bits} stripes, {STRIPED.gossip_interval} s: "
        f"a new key everywhere after {spread.rounds:.1f} rounds, a newcomer alive everywhere after {alive:.1f} s, "
        f"a death found by all after {dead:.1f} s"
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_growth_to_stripes_causes_no_false_death_where_datagrams_are_lost(seed: int) -> None:
    assert grow_from_whole_to_striped(seed, Link(loss=0.1)).false_deaths() == []


@pytest.mark.slow
def test_without_scaled_intervals_growth_to_stripes_causes_false_deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the tests above can fail."""
    monkeypatch.setattr(PhiAccrualDetector, "scale_recorded", lambda *_: None)
    monkeypatch.setattr(PhiAccrualDetector, "scale_expected", lambda *_: None)
    assert len(grow_from_whole_to_striped(1).false_deaths()) > 10


@pytest.mark.slow
def test_replicas_of_a_striped_cluster_never_go_back_and_end_equal() -> None:
    """With whole and striped nodes in one cluster, under loss, writes and deletions."""
    config = GossipConfig(
        gossip_interval=0.5,
        initial_interval=0.5,
        marked_for_deletion_grace_period=10.0,
        max_datagram_bytes=6_100,
        max_digest_bytes=1_000,
        max_key_value_bytes=1_000,
    )
    roomy = GossipConfig(gossip_interval=0.5, initial_interval=0.5, marked_for_deletion_grace_period=10.0)
    cluster = Cluster(9, config, Link(loss=0.2, duplication=0.1, straggling=0.1))
    ReplicaInvariants(cluster)
    keys = [(f"key_{i}", "x" * 300) for i in range(4)]
    for number in range(64):
        cluster.add(long_name(number), key_values=keys, config=roomy if number % 4 == 0 else config)
    for _ in range(40):
        cluster.run(0.5)
        node = cluster.rng.choice(cluster.nodes)
        key = f"key_{cluster.rng.randrange(4)}"
        now = cluster.now + node.clock_offset
        if cluster.rng.random() < 0.5:
            node.engine.delete(key, now)
        else:
            node.engine.set(key, str(now), now)
    cluster.network.link = Link()
    cluster.run(15.0)
    for _ in range(60):
        cluster.run(1.0)
        if disagreement(cluster) is None:
            break
    assert disagreement(cluster) is None
    assert {node.engine.stripe_bits > 0 for node in cluster.nodes} == {False, True}


@pytest.mark.campaign
def test_fifteen_hundred_generated_identities_for_ten_minutes(figure: Callable[[str], None]) -> None:
    """An hour or more, and 5 GB. The interval is 2 s, and 64 arrival intervals are kept a node: both to fit there."""
    result = simulate(Plan(nodes=1_500, seconds=600.0, interval=2.0), lambda line: print(line, flush=True))
    for line in ("1,500 generated identities, ten keys each, interval 2 s:", *result.lines()):
        figure(line)
    assert result.stripes > 1
    assert result.digest_bytes > 100_000
    assert result.false_deaths == 0


def test_the_large_simulation_works_at_a_small_size() -> None:
    result = simulate(Plan(nodes=40, seconds=60.0, keys=3, interval=0.5, start_within=5.0))
    assert result.false_deaths == 0
    assert result.key_everywhere_rounds < 10
    assert len(result.lines()) == 12
