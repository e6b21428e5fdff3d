"""Peer selection: the peers of a round, bootstrap peers of an earlier run included (gossip spec 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from coterie.gossip.config import GossipConfig
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.identity import Address


def choose_peers(
    live: Sequence[Address],
    dead: Sequence[Address],
    known: Sequence[Address],
    seeds: Sequence[Address],
    fanout: int,
    rng: Random,
) -> list[Address]:
    """Choose up to `fanout` live peers (known ones where none is live), perhaps a dead one, perhaps a seed; none twice.

    The sequences hold no address twice, and not the own one. With a seeded `rng` their order decides the choice.
    """
    candidates = live or known
    picked = dict.fromkeys(rng.sample(candidates, min(fanout, len(candidates))))
    has_seed = any(seed in picked for seed in seeds)
    if dead and rng.random() < len(dead) / (len(live) + 1):
        picked[rng.choice(dead)] = None
    if seeds and (not has_seed or len(live) < len(seeds)):
        others = len(live) + len(dead)
        if not live or rng.random() < len(seeds) / others:
            picked[rng.choice(seeds)] = None
    return list(picked)


class PeerSelection:
    """Chooses among known nodes, seeds, and bootstrap peers: peers of an earlier run that are not known yet."""

    def __init__(self, nodes: NodeTable, config: GossipConfig, local_health: LocalHealth, rng: Random) -> None:
        """`local_health` counts the live peers that are probed."""
        self._nodes = nodes
        self._config = config
        self._local_health = local_health
        self._rng = rng
        self._own = nodes.own.id.gossip_advertise_addr
        self._bootstrap_peers: list[Address] = []
        self._bootstrap_until = 0.0

    def set_bootstrap_peers(self, addresses: Iterable[Address], now: float) -> None:
        """Send to peers of an earlier run until each is known, for `dead_node_grace_period` at the most."""
        self._bootstrap_peers = [address for address in dict.fromkeys(addresses) if address != self._own]
        self._bootstrap_until = now + self._config.dead_node_grace_period

    def addresses(self) -> list[Address]:
        """The addresses of other nodes, none twice: live ones first, bootstrap peers last."""
        states = sorted(self._nodes.others(), key=lambda state: not state.liveness.alive)
        found = dict.fromkeys(state.id.gossip_advertise_addr for state in states)
        found.update(dict.fromkeys(self._bootstrap_peers))
        found.pop(self._own, None)
        return list(found)

    def choose(self, seeds: Sequence[Address], now: float) -> list[Address]:
        """The peers of the round that begins; none twice."""
        live: dict[Address, None] = {}
        dead: dict[Address, None] = {}
        for state in self._nodes.others():
            (live if state.liveness.alive else dead)[state.id.gossip_advertise_addr] = None
        # An address of both a dead and a live identity counts as live.
        for address in live:
            dead.pop(address, None)
        own = self._own
        live.pop(own, None)
        dead.pop(own, None)
        other_seeds = [seed for seed in seeds if seed != own]
        fanout = self._local_health.fanout(self._config.gossip_fanout)
        chosen = choose_peers(list(live), list(dead), [*live, *dead], other_seeds, fanout, self._rng)
        heard = self._local_health.answered_by
        if self._local_health.doubts and heard in live and heard not in chosen:
            chosen.append(heard)
        self._local_health.begin_probes(sum(1 for peer in chosen if peer in live))
        return list(dict.fromkeys(chosen + self._choose_bootstrap_peers(bool(live), now)))

    def _choose_bootstrap_peers(self, has_live: bool, now: float) -> list[Address]:
        """Choose bootstrap peers that are not known yet: one, or `gossip_fanout` where no node is live.

        They are tried even where other nodes are live: a cluster that restarts as a whole must not end as islands of
        nodes that happened to find each other first.
        """
        if self._bootstrap_peers:
            known = self._nodes.has_address
            expired = now >= self._bootstrap_until
            self._bootstrap_peers = [] if expired else [a for a in self._bootstrap_peers if not known(a)]
        wanted = 1 if has_live else self._config.gossip_fanout
        return self._rng.sample(self._bootstrap_peers, min(wanted, len(self._bootstrap_peers)))
