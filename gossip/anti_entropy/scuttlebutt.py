"""Decides what a peer lacks, by its digest, and in which order to send it (gossip spec 4, 9).

After van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols", LADIS 2008.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.stripe import Stripe


def stale_nodes(
    nodes: NodeTable, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, next_join_sequence: int, rng: Random
) -> list[tuple[NodeState, int]]:
    """The nodes of which a peer with the digest `seen` lacks something, each with the version to send from.

    The order is that of sending: nodes sent from scratch, smallest first; then the rest, most missing key-values first.
    Only nodes that a digest of the handshake lists: the peer's, or this node's own, which listed the nodes of
    `listed_stripe` that joined before `next_join_sequence`.
    """
    fresh: list[tuple[int, float, NodeState, int]] = []
    behind: list[tuple[int, float, NodeState, int]] = []
    for state, from_version in _stale(nodes, seen, seen_stripe, listed_stripe, next_join_sequence):
        if from_version == 0:
            fresh.append((state.max_version, rng.random(), state, 0))
        else:
            missing = len(state.newer_than(from_version))
            behind.append((-missing, rng.random(), state, from_version))
    fresh.sort(key=lambda item: item[:2])
    behind.sort(key=lambda item: item[:2])
    return [(state, from_version) for _, _, state, from_version in fresh + behind]


def _stale(
    nodes: NodeTable, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, next_join_sequence: int
) -> Iterator[tuple[NodeState, int]]:
    known = nodes.known
    listed = 0
    for encoded, gc, max_version in zip(seen.ids, seen.last_gc_versions, seen.max_versions, strict=True):
        state = known.get(encoded)
        if state is None or state.scheduled_for_deletion:
            continue
        listed += 1
        if state.max_version > max_version:
            yield state, start_version(state, gc, max_version)
    # Where the peer lists every node that is listed here, it misses none.
    if listed < len(nodes.listed):
        yield from _missing(nodes, seen, seen_stripe, listed_stripe, next_join_sequence)


def _missing(
    nodes: NodeTable, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, next_join_sequence: int
) -> Iterable[tuple[NodeState, int]]:
    # A digest of a stripe says nothing of the others, so only the narrower of the two stripes counts.
    narrower = listed_stripe if listed_stripe.within(seen_stripe) else seen_stripe
    if not (narrower.within(seen_stripe) and narrower.within(listed_stripe)):
        return
    listed_there = set(seen.ids)
    layout = nodes.layout(narrower)
    if listed_there.issuperset(layout.ids):
        return
    for state in layout.entries:
        if (
            state.max_version > 0
            and state.join_sequence < next_join_sequence
            and state.encoded not in listed_there
            and state.liveness.dead_since is None
        ):
            yield state, 0


def start_version(state: NodeState, peer_gc_version: int, peer_max_version: int) -> int:
    """The version, excluded, to send a node from to a peer that holds it up to these versions.

    0 resets the node there: the peer may have missed deletions whose tombstones are collected here.
    """
    if peer_gc_version < state.last_gc_version and peer_max_version < state.last_gc_version:
        return 0
    return peer_max_version
