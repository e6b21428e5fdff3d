"""Failure detection as a cluster feels it: how soon all are alive, how soon a death is known, what it costs to know.

The reference figures are those measured on real chitchat nodes with the same settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import pytest

from coterie.gossip import GossipConfig
from tests.slow import some_quick
from tests.verify.gossip_sim.cluster import Cluster
from tests.verify.gossip_sim.network import Link

CONFIG = GossipConfig(gossip_interval=0.3, initial_interval=0.3)
HALF_LOST = Link(loss=0.5)

REFERENCE_ALL_LIVE = "1.2-1.8"
REFERENCE_ONE_OBSERVER = "2.1-4.2"
REFERENCE_KILOBYTES = {10: 9.9, 20: 19.7, 40: 38.9, 100: 101.0}
MOST_KILOBYTES = {10: 15.0, 20: 25.0, 40: 50.0, 100: 120.0}
SIZES = tuple(MOST_KILOBYTES)


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Seconds of virtual time, and payload bytes."""

    all_live: float
    first_finds_death: float
    all_find_death: float
    bytes_per_second: float
    false_deaths: int


def kill_one(nodes: int, kill_at: float, seed: int, link: Link | None = None, limit: float = 30.0) -> Figures:
    """Start `nodes`, kill one at `kill_at` seconds, and wait until every survivor has found it dead."""
    cluster = Cluster(seed, CONFIG, link)
    cluster.add_many(nodes)
    all_live = cluster.run_until(cluster.all_alive_everywhere, 30.0)
    calm_from = max(cluster.now, kill_at - 20.0)
    cluster.run(calm_from - cluster.now)
    bytes_per_second = cluster.sent_bytes_per_second(kill_at - calm_from) if kill_at > calm_from else 0.0
    victim = cluster.rng.choice(cluster.nodes[1:])
    deaths_before = len(cluster.deaths)
    cluster.kill(victim)
    killed_at = cluster.now
    all_find_death = cluster.run_until(lambda: cluster.alive_views[victim.id] == 0, limit)
    found = [death.at for death in cluster.deaths[deaths_before:] if death.subject == victim.id]
    first = found[0] - killed_at if found else 0.0
    return Figures(all_live, first, all_find_death, bytes_per_second, len(cluster.false_deaths()))


def table_row(what: str, nodes: int, runs: list[Figures]) -> str:
    """Our worst figures beside those of the reference."""
    kilobytes = max(run.bytes_per_second for run in runs) / 1e3
    return (
        f"{what:<22} {nodes:4d} nodes: all live {max(run.all_live for run in runs):5.2f} s "
        f"(reference {REFERENCE_ALL_LIVE}), death found by one {max(run.first_finds_death for run in runs):5.2f} s "
        f"({REFERENCE_ONE_OBSERVER}), by every survivor {max(run.all_find_death for run in runs):5.2f} s, "
        f"sent {kilobytes:6.1f} kB/s a node ({REFERENCE_KILOBYTES[nodes]})"
    )


@pytest.mark.parametrize("kill_at", [5.0, 60.0])
@pytest.mark.parametrize("nodes", some_quick(SIZES, 2))
def test_every_survivor_finds_a_death_within_ten_seconds(
    nodes: int, kill_at: float, figure: Callable[[str], None]
) -> None:
    seeds = range(1 if nodes * kill_at > 1_000 else 3)
    runs = [kill_one(nodes, kill_at, seed) for seed in seeds]
    figure(table_row(f"killed after {kill_at:.0f} s", nodes, runs))
    assert max(run.all_find_death for run in runs) < 10.0
    assert max(run.bytes_per_second for run in runs) < MOST_KILOBYTES[nodes] * 1e3
    assert median(run.all_live for run in runs) < 1.8
    assert sum(run.false_deaths for run in runs) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [5.0, 60.0])
def test_every_survivor_finds_a_death_within_fifteen_seconds_with_half_of_all_messages_lost(
    kill_at: float, figure: Callable[[str], None]
) -> None:
    run = kill_one(100, kill_at, seed=7, link=HALF_LOST)
    figure(table_row(f"same, half lost, {kill_at:.0f} s", 100, [run]))
    assert run.all_find_death < 15.0


@pytest.mark.campaign
@pytest.mark.parametrize("nodes", SIZES)
def test_deaths_are_found_in_time_from_many_seeds(nodes: int, figure: Callable[[str], None]) -> None:
    for kill_at in (5.0, 60.0):
        runs = [kill_one(nodes, kill_at, seed) for seed in range(100, 100 + 1_000 // nodes)]
        figure(table_row(f"{len(runs)} seeds, killed after {kill_at:.0f} s", nodes, runs))
        assert max(run.all_find_death for run in runs) < 10.0
        assert max(run.bytes_per_second for run in runs) < MOST_KILOBYTES[nodes] * 1e3
    lossy = [kill_one(nodes, 5.0, seed, HALF_LOST) for seed in range(100, 100 + 1_000 // nodes)]
    figure(table_row(f"{len(lossy)} seeds, half lost", nodes, lossy))
    assert max(run.all_find_death for run in lossy) < 15.0


def false_deaths_in_ten_minutes(nodes: int, seed: int) -> int:
    cluster = Cluster(seed, CONFIG, HALF_LOST)
    cluster.add_many(nodes)
    cluster.run(600.0)
    assert cluster.all_alive_everywhere()
    return len(cluster.false_deaths())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_no_live_node_is_taken_for_dead_in_ten_minutes_with_half_of_all_messages_lost(seed: int) -> None:
    assert false_deaths_in_ten_minutes(20, seed) == 0


@pytest.mark.campaign
@pytest.mark.parametrize("nodes", [3, 10, 40, 100])
@pytest.mark.parametrize("seed", range(10, 13))
def test_no_live_node_is_taken_for_dead_at_any_size(nodes: int, seed: int) -> None:
    assert false_deaths_in_ten_minutes(nodes, seed) == 0
