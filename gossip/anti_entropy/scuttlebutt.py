"""What a peer lacks, by its digest, and in which order to send it (gossip spec 4, gossip spec 9).

After van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols", LADIS 2008.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.stripe import Stripe


def stale_nodes(
    roster: Roster, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, births: int, rng: Random
) -> list[tuple[NodeState, int]]:
    """The nodes of which a peer that showed `seen` lacks something, with the version it is to be sent from.

    In the order they are to be sent: from scratch first, smallest first; then by how many key-values are missing, most
    first. Only nodes come in that a digest of the exchange lists: the peer's, or this node's own, which listed what of
    `listed_stripe` was among the first `births` that became known.
    """
    fresh: list[tuple[int, float, NodeState, int]] = []
    behind: list[tuple[int, float, NodeState, int]] = []
    for state, from_version in _stale(roster, seen, seen_stripe, listed_stripe, births):
        if from_version == 0:
            fresh.append((state.max_version, rng.random(), state, 0))
        else:
            missing = len(state.newer_than(from_version))
            behind.append((-missing, rng.random(), state, from_version))
    fresh.sort(key=lambda item: item[:2])
    behind.sort(key=lambda item: item[:2])
    return [(state, from_version) for _, _, state, from_version in fresh + behind]


def _stale(
    roster: Roster, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, births: int
) -> Iterator[tuple[NodeState, int]]:
    known = roster.known
    listed = 0
    for encoded, gc, max_version in zip(seen.ids, seen.last_gc_versions, seen.max_versions, strict=True):
        state = known.get(encoded)
        if state is None or state.scheduled_for_deletion:
            continue
        listed += 1
        if state.max_version > max_version:
            yield state, start_version(state, gc, max_version)
    # Where the peer lists every node that is listed here, there is nothing it has not heard of.
    if listed < len(roster.listed):
        yield from _unheard_of(roster, seen, seen_stripe, listed_stripe, births)


def _unheard_of(
    roster: Roster, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, births: int
) -> Iterable[tuple[NodeState, int]]:
    # A digest of a stripe is silent on all others, so only the narrower of the two stripes counts.
    narrower = listed_stripe if listed_stripe.within(seen_stripe) else seen_stripe
    if not (narrower.within(seen_stripe) and narrower.within(listed_stripe)):
        return
    heard_of = set(seen.ids)
    layout = roster.layout(narrower)
    if heard_of.issuperset(layout.ids):
        return
    for state in layout.entries:
        if (
            state.max_version > 0
            and state.born < births
            and state.encoded not in heard_of
            and state.liveness.dead_since is None
        ):
            yield state, 0


def start_version(state: NodeState, peer_gc_version: int, peer_max_version: int) -> int:
    """From which version, excluded, a peer that has come that far is sent a node. 0 makes it start over.

    That is where it may have missed deletions that are no longer held here.
    """
    if peer_gc_version < state.last_gc_version and peer_max_version < state.last_gc_version:
        return 0
    return peer_max_version
