"""What operators do to nodes, on purpose or not: pauses, restarts, foreign clusters."""

from __future__ import annotations

import pytest

from coterie.gossip import Address, GossipConfig
from tests.slow import some_quick
from tests.verify.gossip_sim.cluster import Cluster, SimNode
from tests.verify.gossip_sim.invariants import disagreement
from tests.verify.gossip_sim.spread import KeySpread

CONFIG = GossipConfig(
    gossip_interval=0.5, initial_interval=0.5, dead_node_grace_period=40.0, marked_for_deletion_grace_period=20.0
)


def start(
    seed: int, nodes: int, config: GossipConfig = CONFIG, keys: tuple[tuple[str, str], ...] = (("key", "value"),)
) -> Cluster:
    cluster = Cluster(seed, config)
    cluster.add_many(nodes, key_values=keys)
    cluster.run_until(cluster.all_alive_everywhere, 30.0)
    return cluster


def value_at(holder: SimNode, owner: SimNode, key: str) -> str | None:
    replica = holder.engine.state(owner.id)
    held = replica.get(key) if replica is not None else None
    return None if held is None else held.value


@pytest.mark.parametrize("deaf", [False, True], ids=["stopped", "suspended"])
@pytest.mark.parametrize("initial_interval", [0.5, 5.0])
@pytest.mark.parametrize("uptime", some_quick([5.0, 60.0], 1))
@pytest.mark.parametrize("nodes", [3, 20])
def test_a_node_that_slept_takes_nobody_for_dead_on_waking(
    nodes: int, uptime: float, initial_interval: float, deaf: bool
) -> None:
    """A stopped process finds datagrams in its socket; on a suspended host not even those arrive."""
    config = GossipConfig(gossip_interval=0.5, initial_interval=initial_interval)
    cluster = start(1, nodes, config)
    cluster.run(uptime - cluster.now)
    sleeper = cluster.nodes[1]
    if deaf:
        cluster.network.cut([node.address for node in cluster.nodes], [sleeper.address])
        cluster.run(0.01)
    cluster.pause(sleeper)
    cluster.run(20.0)
    assert bool(sleeper.waiting) is not deaf
    cluster.network.heal()
    cluster.resume(sleeper)
    cluster.run(60.0)
    assert [death for death in cluster.deaths if death.holder is sleeper] == []
    assert cluster.all_alive_everywhere()


@pytest.mark.parametrize("seed", some_quick(range(2, 5), 1))
def test_what_waited_in_the_socket_does_not_make_a_woken_node_impatient(seed: int) -> None:
    """Dozens of datagrams read in one instant are no sign that peers are heard of every few milliseconds."""
    cluster = Cluster(seed, GossipConfig(gossip_interval=0.5, initial_interval=0.5))
    cluster.add_many(50)
    cluster.run(4.0)
    sleeper = cluster.nodes[1]
    cluster.pause(sleeper)
    cluster.run(20.0)
    assert len(sleeper.waiting) > 50
    cluster.resume(sleeper)
    cluster.run(15.0)
    assert [death for death in cluster.deaths if death.holder is sleeper] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_restarted_node_replaces_its_old_identity_which_goes_after_its_grace(seed: int) -> None:
    cluster = start(seed, 5)
    cluster.run(10.0)
    old = cluster.nodes[2]
    new = cluster.restart(old, key_values=[("key", "new value")])
    grace = CONFIG.dead_node_grace_period

    def outlived(holder: SimNode, _now: float) -> None:
        live = holder.engine.live_nodes
        assert not (old.id in live and new.id in live), f"{holder.id} takes both incarnations for alive"

    cluster.observers.append(outlived)
    cluster.run_until(cluster.all_alive_everywhere, 10.0)
    others = [node for node in cluster.running if node is not new]
    for holder in others:
        assert old.id not in holder.engine.live_nodes
        assert old.id in holder.engine.dead_nodes
        assert value_at(holder, new, "key") == "new value"
    cluster.run(grace / 2)
    assert all(holder.engine.state(old.id) is not None for holder in others)
    cluster.run(grace)
    for holder in cluster.running:
        assert holder.engine.state(old.id) is None
    assert cluster.all_alive_everywhere()


@pytest.mark.parametrize("seed", range(5))
def test_a_node_restarted_under_its_old_generation_repairs_itself(seed: int) -> None:
    cluster = start(seed, 6, keys=tuple((f"key_{i}", "old") for i in range(10)))
    cluster.run(10.0)
    old = cluster.nodes[3]
    new = cluster.restart(old, generation=old.id.generation, key_values=[("key_0", "new"), ("key_1", "new")])
    cluster.run_until(lambda: disagreement(cluster) is None and cluster.all_alive_everywhere(), 60.0)
    for holder in cluster.running:
        assert value_at(holder, new, "key_0") == "new"
        assert value_at(holder, new, "key_5") is None
    spread = KeySpread(cluster, new)
    cluster.run_until(spread.done, 10.0)


def test_a_node_of_another_cluster_changes_nothing() -> None:
    cluster = start(4, 5)
    before = {node: node.engine.states for node in cluster.running}
    foreign = GossipConfig(cluster_id="foreign", gossip_interval=0.5, initial_interval=0.5)
    stranger = cluster.add("stranger", config=foreign, key_values=[("key", "foreign")])
    residents = list(before)
    # It even believes that it knows them all.
    stranger.engine.seeds = tuple(node.address for node in residents)
    cluster.run(120.0)
    assert stranger.engine.states == [stranger.engine.own]
    assert stranger.events["WrongCluster"] > 0
    for node in residents:
        assert node.engine.states == before[node]
        assert set(node.engine.live_nodes) == {resident.id for resident in residents}
    assert cluster.deaths == []


def test_two_clusters_with_common_seeds_never_mix() -> None:
    cluster = Cluster(5, CONFIG)
    addresses = [Address("127.0.0.1", 10_000 + i) for i in range(10)]
    configs = [
        GossipConfig(cluster_id=name, gossip_interval=0.5, initial_interval=0.5) for name in ("one", "the other")
    ]
    for i, address in enumerate(addresses):
        seeds = [*addresses[:2], addresses[(i + 2) % 10], addresses[(i + 3) % 10]]
        cluster.add(address=address, seeds=seeds, config=configs[i % 2], key_values=[("cluster", str(i % 2))])
    cluster.run(120.0)
    for parity in (0, 1):
        members = cluster.nodes[parity::2]
        for member in members:
            assert member.engine.live_nodes == [m.id for m in members]
            assert [state.id for state in member.engine.states] == [m.id for m in members]
    assert cluster.deaths == []


def test_a_partition_is_taken_for_death_and_healing_for_life() -> None:
    cluster = start(6, 9)
    one, other = cluster.nodes[:4], cluster.nodes[4:]
    cluster.run(5.0)
    cluster.network.partition([n.address for n in one], [n.address for n in other])
    cluster.run(15.0)
    assert all(node.engine.live_nodes == [m.id for m in one] for node in one)
    assert all(node.engine.live_nodes == [m.id for m in other] for node in other)
    for node in cluster.nodes:
        node.engine.set("written", "apart", cluster.now + node.clock_offset)
    cluster.run(5.0)
    cluster.network.heal()
    cluster.run_until(cluster.all_alive_everywhere, 30.0)
    cluster.run_until(lambda: disagreement(cluster) is None, 10.0)
