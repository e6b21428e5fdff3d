"""Whom to gossip with in a round (spec section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gossip.identity import Address


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
