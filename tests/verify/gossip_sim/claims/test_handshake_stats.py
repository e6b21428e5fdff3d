"""The handshakes and the convergence that a node reports are those of the simulated cluster."""

from __future__ import annotations

import pytest

from coterie.gossip import Address, Engine, GossipConfig, HandshakeStats, measure_convergence, recent_handshakes
from coterie.gossip.anti_entropy.handshake_stats import FORGET_SECONDS, MAX_NODES_COMPARED
from coterie.gossip.monitoring.convergence import Convergence
from tests.verify.gossip_sim.cluster import Cluster, SimNode
from tests.verify.gossip_sim.network import Link

CONFIG = GossipConfig(gossip_interval=0.5, initial_interval=0.5)


def looked_at(nodes: int, seed: int = 1, config: GossipConfig = CONFIG, link: Link | None = None) -> Cluster:
    """A settled cluster whose first node counts handshakes from now on."""
    cluster = Cluster(seed, config, link)
    cluster.add_many(nodes, key_values=[("first", "1")])
    cluster.run_until(cluster.all_alive_everywhere, 60.0)
    engine = cluster.nodes[0].engine
    engine.handshake_stats = HandshakeStats(engine.own.encoded)
    return cluster


def local(cluster: Cluster, node: SimNode) -> float:
    return cluster.now + node.clock_offset


def measured(cluster: Cluster) -> Convergence:
    node = cluster.nodes[0]
    assert node.engine.handshake_stats is not None
    return measure_convergence(node.engine, node.engine.handshake_stats, local(cluster, node))


@pytest.mark.parametrize("seed", range(5))
def test_handshakes_are_those_that_happened(seed: int) -> None:
    cluster = looked_at(5, seed)
    node = cluster.nodes[0]
    stats = node.engine.handshake_stats
    assert stats is not None
    before = node.engine.counters.copy()
    cluster.run(10.0)
    found = recent_handshakes(node.engine, stats, local(cluster, node))
    assert [peer.node_id for peer, _ in found] == sorted(each.id.node_id for each in cluster.nodes[1:])
    counted = node.engine.counters - before
    assert sum(entry.opened for _, entry in found) == counted["sent_syn"] > 0
    assert sum(entry.replied for _, entry in found) == counted["received_syn_ack"] > 0
    assert sum(entry.answered for _, entry in found) == counted["received_syn"] > 0
    for _, entry in found:
        assert entry.latest <= local(cluster, node)
    stats.reset_counts()
    assert [
        (e.opened, e.replied, e.answered) for _, e in recent_handshakes(node.engine, stats, local(cluster, node))
    ] == [(0, 0, 0)] * 4


def test_the_dead_are_tried_without_an_answer_and_the_long_silent_left_out() -> None:
    cluster = looked_at(3)
    node, lost = cluster.nodes[0], cluster.nodes[2]
    stats = node.engine.handshake_stats
    assert stats is not None
    cluster.kill(lost)
    cluster.run_until(lambda: lost.id in node.engine.dead_nodes, 60.0)
    stats.reset_counts()
    cluster.run(FORGET_SECONDS / 2)
    tried = dict(recent_handshakes(node.engine, stats, local(cluster, node)))[lost.id]
    assert tried.opened > 0
    assert (tried.replied, tried.answered) == (0, 0)
    cluster.kill(cluster.nodes[1])
    node.engine.seeds = ()
    node.paused = True
    cluster.run(FORGET_SECONDS + 1.0)
    assert recent_handshakes(node.engine, stats, local(cluster, node)) == []


@pytest.mark.parametrize("seed", range(5))
def test_convergence_is_never_told_too_early_and_is_told_in_the_end(seed: int) -> None:
    cluster = looked_at(6, seed, link=Link(loss=0.2))
    cluster.run(20.0)
    writer, node = cluster.nodes[3], cluster.nodes[0]
    writer.engine.set("k", "v", local(cluster, writer))
    node.engine.set("k", "v", local(cluster, node))
    others = {each.id: each.engine for each in cluster.nodes[1:]}
    seen_behind = 0
    for _ in range(200):
        cluster.run(0.1)
        told = measured(cluster)
        assert told.all_nodes
        assert told.live_peers == 5
        for spread in told.spreads:
            truly = sum(1 for engine in others.values() if held(engine, spread.node.encoded) >= spread.version)
            assert spread.confirmed <= truly
            assert spread.confirmed + len(spread.behind) == len(told.heard)
            assert spread.max_behind >= (1 if spread.behind else 0)
            seen_behind += len(spread.behind)
    assert seen_behind > 0
    assert [(spread.confirmed, spread.behind, spread.here_behind) for spread in told.spreads] == [(5, [], 0)] * 6
    assert [spread.version for spread in told.spreads] == [
        state.max_version for state in sorted(node.engine.known, key=lambda state: state.id.sort_key)
    ]


def held(engine: Engine, encoded: bytes) -> int:
    state = engine.by_identity.get(encoded)
    return 0 if state is None else state.max_version


def test_a_node_that_lags_sees_that_others_are_ahead() -> None:
    """A digest shows it a version, and the delta with that version is lost."""
    cluster = looked_at(2)
    node, writer = cluster.nodes
    cluster.run(5.0)
    for number in range(3):
        writer.engine.set("k", str(number), local(cluster, writer))
    opened = writer.engine.open_handshakes([node.address], local(cluster, writer))
    for _, syn in opened:
        node.engine.receive(syn, writer.address, local(cluster, node))
    spread = next(each for each in measured(cluster).spreads if each.node == writer.id)
    assert spread.here_behind == 3
    assert spread.confirmed == 1


def test_the_dead_count_for_nobody_and_their_keys_still_do() -> None:
    cluster = looked_at(4)
    node, lost = cluster.nodes[0], cluster.nodes[3]
    cluster.run(10.0)
    cluster.kill(lost)
    cluster.run_until(lambda: lost.id in node.engine.dead_nodes, 60.0)
    told = measured(cluster)
    assert told.live_peers == 2
    assert lost.id not in {peer for peer, _ in told.heard}
    spread = next(each for each in told.spreads if each.node == lost.id)
    assert (spread.live, spread.confirmed, spread.behind) == (False, 2, [])


def test_of_too_many_nodes_only_the_own_keys_are_compared() -> None:
    cluster = looked_at(2)
    node = cluster.nodes[0]
    cluster.run(5.0)
    filler = Cluster(7, CONFIG)
    for number in range(MAX_NODES_COMPARED):
        other = filler.add(f"filler-{number}")
        node.engine.receive(*_syn_of(other, node, cluster))
    cluster.run(10.0)
    told = measured(cluster)
    assert not told.all_nodes
    assert [spread.node for spread in told.spreads] == [node.id]
    peer = cluster.nodes[1]
    assert [each for each, _ in told.heard] == [peer.id]
    assert (told.spreads[0].confirmed, told.spreads[0].behind) == (1, [])
    stats = node.engine.handshake_stats
    assert stats is not None
    kept = stats.peers(local(cluster, node))[peer.address].last_digest
    assert kept is not None
    assert (kept.ids, kept.whole) == ((node.engine.own.encoded,), False)


def _syn_of(other: SimNode, to: SimNode, cluster: Cluster) -> tuple[bytes, Address, float]:
    (_, syn), *_ = other.engine.open_handshakes([to.address], 0.0)
    return syn, other.address, local(cluster, to)


def test_unknown_peers_are_not_counted() -> None:
    """Anybody can send from any number of addresses; only those of known nodes are kept."""
    cluster = looked_at(2)
    node = cluster.nodes[0]
    liar = Cluster(3, CONFIG).add("liar")
    (_, syn), *_ = liar.engine.open_handshakes([node.address], 0.0)
    stats = node.engine.handshake_stats
    assert stats is not None
    cluster.run(5.0)
    for number in range(100):
        node.engine.receive(syn, liar.address._replace(host=f"192.0.2.{number}"), local(cluster, node))
    assert {peer.host for peer in stats.peers(local(cluster, node))} == {"127.0.0.1"}
