"""Whom to gossip with in a round (gossip spec 7), the peers of an earlier run included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from coterie.gossip.config import GossipConfig
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.identity import Address


def choose_peers(
    live: Sequence[Address],
    dead: Sequence[Address],
    known: Sequence[Address],
    seeds: Sequence[Address],
    fanout: int,
    rng: Random,
) -> list[Address]:
    """Up to `fanout` live peers (known ones where none is live), perhaps a dead one, perhaps a seed; none twice.

    The sequences hold no address twice, and not the own one. Their order decides what a seeded `rng` picks.
    """
    candidates = live or known
    picked = dict.fromkeys(rng.sample(candidates, min(fanout, len(candidates))))
    met_a_seed = any(seed in picked for seed in seeds)
    if dead and rng.random() < len(dead) / (len(live) + 1):
        picked[rng.choice(dead)] = None
    if seeds and (not met_a_seed or len(live) < len(seeds)):
        others = len(live) + len(dead)
        if not live or rng.random() < len(seeds) / others:
            picked[rng.choice(seeds)] = None
    return list(picked)


class PeerSampling:
    """Chooses among the nodes of a roster, the seeds, and acquaintances: peers of an earlier run, until each is met."""

    def __init__(self, roster: Roster, config: GossipConfig, local_health: LocalHealth, rng: Random) -> None:
        """`local_health` is told how many live ones are asked."""
        self._roster = roster
        self._config = config
        self._local_health = local_health
        self._rng = rng
        self._own = roster.own.id.gossip_advertise_addr
        self._acquaintances: list[Address] = []
        self._acquaintances_until = 0.0

    def look_for(self, addresses: Iterable[Address], now: float) -> None:
        """Address peers of an earlier run until each is met, for `dead_node_grace_period` at the most."""
        self._acquaintances = [address for address in dict.fromkeys(addresses) if address != self._own]
        self._acquaintances_until = now + self._config.dead_node_grace_period

    def addresses(self) -> list[Address]:
        """Where other nodes are or were: the live ones first, those that are still looked for last; none twice."""
        states = sorted(self._roster.others(), key=lambda state: not state.liveness.alive)
        found = dict.fromkeys(state.id.gossip_advertise_addr for state in states)
        found.update(dict.fromkeys(self._acquaintances))
        found.pop(self._own, None)
        return list(found)

    def choose(self, seeds: Sequence[Address], now: float) -> list[Address]:
        """For the round that begins; none twice."""
        live: dict[Address, None] = {}
        dead: dict[Address, None] = {}
        for state in self._roster.others():
            (live if state.liveness.alive else dead)[state.id.gossip_advertise_addr] = None
        # An address may be that of a dead and of a live incarnation: as a peer, it is a live one.
        for address in live:
            dead.pop(address, None)
        own = self._own
        live.pop(own, None)
        dead.pop(own, None)
        other_seeds = [seed for seed in seeds if seed != own]
        fanout = self._config.gossip_fanout
        chosen = choose_peers(list(live), list(dead), [*live, *dead], other_seeds, fanout, self._rng)
        self._local_health.probes(sum(1 for peer in chosen if peer in live))
        return list(dict.fromkeys(chosen + self._choose_acquaintances(bool(live), now)))

    def _choose_acquaintances(self, in_company: bool, now: float) -> list[Address]:
        """Of those not met yet: one, or as many as of live nodes where none is live.

        All of them are gone through even in company: a cluster that starts again as a whole must not end as islands
        of those who happened to meet first.
        """
        if self._acquaintances:
            met = self._roster.has_address
            late = now >= self._acquaintances_until
            self._acquaintances = [] if late else [a for a in self._acquaintances if not met(a)]
        wanted = 1 if in_company else self._config.gossip_fanout
        return self._rng.sample(self._acquaintances, min(wanted, len(self._acquaintances)))
