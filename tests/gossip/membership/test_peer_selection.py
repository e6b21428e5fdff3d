"""The peers that a node chooses in a round (gossip spec 7).

Probabilities are counted over thousands of seeded draws, and held against bounds of five standard deviations.
"""

from __future__ import annotations

from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.gossip import Address
from coterie.gossip.membership.peer_selection import choose_peers
from tests.gossip.helpers import SELF, Wire, hear, make_engine, node, revive

DRAWS = 4_000


def some(host: int, count: int) -> list[Address]:
    return [Address(f"10.0.{host}.{i}", 1) for i in range(count)]


def choose(
    live: list[Address], dead: list[Address], seeds: list[Address], rng: Random, fanout: int = 3
) -> list[Address]:
    return choose_peers(live, dead, [*live, *dead], seeds, fanout, rng)


def check_share(hits: int, probability: float) -> None:
    """`hits` of DRAWS are what this probability gives, within five standard deviations."""
    slack = 5 * sqrt(DRAWS * probability * (1 - probability))
    assert abs(hits - DRAWS * probability) <= slack, (hits / DRAWS, probability)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 4), st.integers(0, 4), st.integers(1, 5), st.randoms())
def test_peers_are_chosen_by_the_rules(
    live_count: int, dead_count: int, strangers: int, known_seeds: int, fanout: int, rng: Random
) -> None:
    live, dead = some(1, live_count), some(2, dead_count)
    seeds = some(3, strangers) + (live + dead)[:known_seeds]
    picked = choose(live, dead, seeds, rng, fanout)
    assert len(picked) == len(set(picked)) <= fanout + 2
    assert set(picked) <= {*live, *dead, *seeds}
    assert len([p for p in picked if p in live]) >= min(fanout, len(live))
    if live:
        assert len([p for p in picked if p in dead and p not in seeds]) <= 1
    else:
        assert len([p for p in picked if p in dead]) >= min(fanout, len(dead))
        assert not seeds or any(p in seeds for p in picked)


def test_nobody_known_means_nobody_picked() -> None:
    assert choose([], [], [], Random(1)) == []


def test_live_peers_are_picked_evenly() -> None:
    live, rng = some(1, 10), Random(2)
    draws = [choose(live, [], [], rng) for _ in range(DRAWS)]
    assert all(len(d) == 3 for d in draws)
    for peer in live:
        check_share(sum(peer in d for d in draws), 3 / 10)


@pytest.mark.parametrize(("live", "dead"), [(10, 1), (9, 5), (3, 2), (1, 1)])
def test_a_dead_one_is_picked_with_probability_dead_over_live_plus_1(live: int, dead: int) -> None:
    lives, deads, rng = some(1, live), some(2, dead), Random(3)
    draws = [choose(lives, deads, [], rng) for _ in range(DRAWS)]
    check_share(sum(any(p in deads for p in d) for d in draws), min(1.0, dead / (live + 1)))


def test_a_dead_one_is_always_picked_where_the_dead_outnumber_the_living() -> None:
    lives, deads, rng = some(1, 2), some(2, 3), Random(4)
    assert all(any(p in deads for p in choose(lives, deads, [], rng)) for _ in range(200))


@pytest.mark.parametrize(("live", "dead", "seeds"), [(10, 0, 1), (6, 4, 3), (20, 5, 5)])
def test_a_seed_is_picked_with_probability_seeds_over_live_plus_dead(live: int, dead: int, seeds: int) -> None:
    lives, deads, outside, rng = some(1, live), some(2, dead), some(3, seeds), Random(5)
    draws = [choose(lives, deads, outside, rng) for _ in range(DRAWS)]
    check_share(sum(any(p in outside for p in d) for d in draws), seeds / (live + dead))


def test_no_seed_is_added_where_one_of_the_three_is_a_seed() -> None:
    live, rng = some(1, 3), Random(6)
    for _ in range(500):
        assert set(choose(live, [], [live[0]], rng)) == set(live)
        assert set(choose(live, [], [live[0], *some(3, 2)], rng)) == set(live)


def test_a_seed_is_added_all_the_same_while_fewer_are_live_than_there_are_seeds() -> None:
    live, rng = some(1, 2), Random(7)
    seeds = [live[0], *some(3, 2)]
    # Probability 3 / 2: always one of the three seeds, at random; one of them is picked already.
    draws = [choose(live, [], seeds, rng) for _ in range(DRAWS)]
    check_share(sum(len(d) == 3 for d in draws), 2 / 3)


def test_a_seed_is_always_picked_where_none_is_live() -> None:
    deads, outside, rng = some(2, 50), some(3, 2), Random(8)
    for _ in range(500):
        assert any(p in outside for p in choose([], deads, outside, rng))
        assert len(choose([], [], outside, rng)) == 1


# -- the sets, as an engine makes them ---------------------------------------------------------------------------------

A, B = node("a", 1, 100), node("b", 1, 200)


def addressed(engine_seed: int, *, seeds: list[Address], rounds: int = 60) -> list[set[Address]]:
    """The peers of each round of a node for which `a` is alive and `b` is known."""
    engine = make_engine(seed=engine_seed)
    engine.seeds = seeds
    now = revive(engine, A, start=0.0)
    hear(engine, (B, 1, 0, 0), (node("same-address", 1, 1), 1, 0, 0), now=now)
    sent = []
    for _ in range(rounds):
        hear(engine, (A, engine.states[0].heartbeat + 1, 0, 0), now=now)
        datagrams = engine.round(now)
        sent.append({address for address, _ in datagrams})
        assert len(datagrams) == len(sent[-1]), "an address picked twice gets one Syn"
        now += 0.5
    assert engine.live_nodes == [A, SELF]
    return sent


def test_the_own_address_is_never_a_peer() -> None:
    own = SELF.gossip_advertise_addr
    for sent in addressed(1, seeds=[own, A.gossip_advertise_addr]):
        assert own not in sent
        assert A.gossip_advertise_addr in sent


def test_dead_and_live_peers_come_by_address() -> None:
    sent = addressed(2, seeds=[], rounds=400)
    assert {frozenset(s) for s in sent} == {
        frozenset({A.gossip_advertise_addr}),
        frozenset({A.gossip_advertise_addr, B.gossip_advertise_addr}),
    }
    # One dead address, one live: probability 1 / 2, within five standard deviations.
    assert abs(sum(len(s) == 2 for s in sent) - 200) <= 50


def test_a_newcomer_asks_its_seeds_from_the_first_round_on() -> None:
    first, newcomer = make_engine(A), make_engine(B)
    wire = Wire(first, newcomer)
    wire.introduce()
    assert [address for address, _ in newcomer.round(0.0)] == [A.gossip_advertise_addr]
    assert first.round(0.0) == []
