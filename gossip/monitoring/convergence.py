"""Convergence: how far the writes of each node have spread, by the digests of peers.

A digest says how far a peer held each node's namespace when it was sent. Later writes count as missing there until the
peer's next digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from coterie.gossip.anti_entropy.handshake_stats import MAX_NODES_COMPARED, HandshakeStats, PeerHandshakes
from coterie.gossip.engine import Engine
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import Address, NodeId


@dataclass(slots=True)
class Spread:
    """How far one node's namespace has spread among live peers."""

    node: NodeId
    live: bool
    version: int
    """The max_version held here."""
    confirmed: int = 0
    """How many peers hold at least `version`."""
    behind: list[NodeId] = field(default_factory=list)
    """Peers that hold less."""
    max_behind: int = 0
    """How many versions the last of them lacks."""
    here_behind: int = 0
    """How many versions a peer is ahead of this node."""


@dataclass(frozen=True, slots=True)
class Convergence:
    all_nodes: bool
    """False where too many nodes are known: only the engine's own namespace is compared then."""
    live_peers: int
    heard: list[tuple[NodeId, float]]
    """Live peers, and when their last digest arrived (engine's clock, seconds)."""
    spreads: list[Spread]
    """By node id."""


def peers_by_address(engine: Engine) -> dict[Address, NodeState]:
    """The node at each address: of several identities the live one, or else the newest."""
    found: dict[Address, NodeState] = {}
    own = engine.own
    for state in engine.known:
        if state is own:
            continue
        there = found.get(state.id.gossip_advertise_addr)
        if there is None or _rank(state) > _rank(there):
            found[state.id.gossip_advertise_addr] = state
    return found


def _rank(state: NodeState) -> tuple[bool, int]:
    return state.liveness.alive, state.id.generation


def measure_convergence(engine: Engine, stats: HandshakeStats, now: float) -> Convergence:
    """Compare what peers hold with what is held here. `stats`: the engine's own, set for some rounds.

    The cost grows with the pairs of peers and nodes that differ.
    """
    own = engine.own
    live = {address: state for address, state in peers_by_address(engine).items() if state.liveness.alive}
    all_nodes = len(engine.by_identity) <= MAX_NODES_COMPARED
    spreads = {
        state.encoded: Spread(state.id, state is own or state.liveness.alive, state.max_version)
        for state in (sorted(_listed(engine), key=lambda each: each.id.sort_key) if all_nodes else (own,))
    }
    heard = []
    # In a settled cluster all peers list the same nodes, so their digests are compared column by column.
    columns: dict[tuple[bool, tuple[bytes, ...]], list[tuple[NodeId, Sequence[int]]]] = {}
    for address, entry in stats.peers(now).items():
        peer, shown = live.get(address), entry.last_digest
        if peer is not None and shown is not None:
            heard.append((peer.id, shown.at))
            columns.setdefault((shown.whole, shown.ids), []).append((peer.id, shown.max_versions))
    for (whole, ids), shown_by in columns.items():
        _compare(spreads, ids, shown_by)
        unlisted = (spreads.keys() if whole else {own.encoded}) - set(ids)
        for encoded in unlisted:
            # Peers remove a dead node at different times; a live node that a peer does not list is unknown there.
            if spreads[encoded].live:
                _compare({encoded: spreads[encoded]}, (encoded,), [(peer, (0,)) for peer, _ in shown_by])
    return Convergence(all_nodes, len(live), heard, list(spreads.values()))


def _listed(engine: Engine) -> Iterable[NodeState]:
    return (state for state in engine.known if not state.scheduled_for_deletion)


def _compare(
    spreads: dict[bytes, Spread], ids: tuple[bytes, ...], shown_by: list[tuple[NodeId, Sequence[int]]]
) -> None:
    rows = [spreads.get(encoded) for encoded in ids]
    expected = [-1 if spread is None else spread.version for spread in rows]
    for spread in rows:
        if spread is not None:
            spread.confirmed += len(shown_by)
    for peer, versions in shown_by:
        for row, (shown, here) in enumerate(zip(versions, expected, strict=True)):
            if shown != here:
                _differ(rows[row], peer, shown)


def _differ(spread: Spread | None, peer: NodeId, shown: int) -> None:
    if spread is None:
        return
    if shown > spread.version:
        spread.here_behind = max(spread.here_behind, shown - spread.version)
    else:
        spread.confirmed -= 1
        spread.behind.append(peer)
        spread.max_behind = max(spread.max_behind, spread.version - shown)


def recent_handshakes(engine: Engine, stats: HandshakeStats, now: float) -> list[tuple[NodeId, PeerHandshakes]]:
    """The recent handshakes with each known node, by node id."""
    known = peers_by_address(engine)
    found = [(known[address].id, entry) for address, entry in stats.peers(now).items() if address in known]
    return sorted(found, key=lambda each: each[0].sort_key)
