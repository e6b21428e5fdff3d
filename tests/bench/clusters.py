"""Engines that know many nodes, made without simulating how they met."""

from __future__ import annotations

from random import Random

from coterie.gossip import Address, Engine, GossipConfig, KeyStatus, NodeId

GENERATION = 1_700_000_000


def generated_id(i: int) -> NodeId:
    """An identity with a name as `coterie` generates them: 29 bytes, 70 in a digest."""
    port = 10_000 + i
    return NodeId(f"server:127.0.0.1:{port}-{i:06x}", GENERATION, Address("127.0.0.1", port))


def keys_of(i: int, count: int) -> list[tuple[str, str]]:
    return [(f"key-{k:02}", f"value-{i:05}-{k:02}") for k in range(count)]


def engine(i: int, *, now: float = 0.0, keys: int = 10, config: GossipConfig | None = None) -> Engine:
    return Engine(config or GossipConfig(), generated_id(i), Random(i), now=now, key_values=keys_of(i, keys))


def knowing(i: int, nodes: int, *, keys: int = 10, config: GossipConfig | None = None) -> Engine:
    """Node `i` of a cluster of `nodes`, all of which it holds alive with `keys` keys each, at time 0 to 2."""
    node = engine(i, keys=keys, config=config)
    for j in range(nodes):
        if j != i:
            values = [(k, v, n + 1, KeyStatus.SET) for n, (k, v) in enumerate(keys_of(j, keys))]
            node.reset_node_state_if_update(generated_id(j), values, keys, 0, 0.0)
    for beat in (2, 3, 4):
        show_heartbeats(node, beat)
    node.round(2.0)
    node.take_events()
    return node


def show_heartbeats(node: Engine, beat: int) -> None:
    """Let a node see every other's heartbeat at `beat`, at that second less 2."""
    for state in node.states:
        if state is not node.own:
            if state.heartbeat:
                node.detector.record_arrival(state.liveness, beat - 2.0)
            state.heartbeat = beat
