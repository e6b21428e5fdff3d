"""Nodes whose digests no longer fit a datagram still level all they know (gossip spec 9)."""

from __future__ import annotations

from typing import Any

from coterie.gossip import Engine
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.helpers import SET, Wire, contents, delta_of, hear, hear_delta, make_engine, node

MEMBERS = [node(f"member{i}", 1, 100 + i) for i in range(3)]
OTHERS = [node(f"other{i:03}", 1, 1_000) for i in range(300)]


def small_engines(**limits: Any) -> list[Engine]:
    return [make_engine(own, seed=i, key_values=[("k", str(i))], **limits) for i, own in enumerate(MEMBERS)]


def everything(engine: Engine) -> list[object]:
    return [(s.id, s.max_version, contents(s)) for s in engine.states]


def level(wire: Wire, engines: list[Engine], limit: int) -> int:
    """Rounds until all hold the same."""
    for rounds in range(1, limit + 1):
        wire.round(0.5 * rounds)
        if everything(engines[0]) == everything(engines[1]) == everything(engines[2]):
            return rounds
    raise AssertionError(f"not level after {limit} rounds")


def test_what_one_knows_reaches_all_in_stripes() -> None:
    engines = small_engines(max_datagram_bytes=6_000, max_digest_bytes=1_200)
    first = engines[0]
    for at in range(0, len(OTHERS), 50):
        some = OTHERS[at : at + 50]
        hear(first, *((n, 1, 0, 0) for n in some), now=0.0)
        hear_delta(first, *(delta_of(n, ("k", n.node_id, 1, SET)) for n in some), now=0.0)
    wire = Wire(*engines)
    wire.introduce()
    level(wire, engines, 300)
    assert all(len(e.states) == len(MEMBERS) + len(OTHERS) for e in engines)
    assert all(s.key_values for s in engines[2].states)
    assert set(MEMBERS) <= set(engines[0].live_nodes)
    striped = [d for d in wire.carried if Stripe.decode_trailer(d) != WHOLE]
    assert {d[3] for d in striped} == {0, 1}, "Syns and SynAcks end in a trailer, Acks do not"
    assert max(len(d) for d in wire.carried) <= 6_000
    assert all(e.counters["unsolicited"] == 0 for e in engines)


def test_a_node_that_stripes_and_one_that_need_not_understand_each_other() -> None:
    """As between peers of which one knows a little more, at the edge of a datagram."""
    engines = small_engines(max_datagram_bytes=6_000, max_digest_bytes=1_200)
    known = len(MEMBERS)
    while engines[0].stripe_bits == 0:
        for engine in engines[: 1 if engines[0].digest_bytes > 5_950 else 3]:
            hear(engine, (OTHERS[known], 1, 0, 0), now=0.0)
        known += 1
    assert [e.stripe_bits > 0 for e in engines] == [True, False, False]
    wire = Wire(*engines)
    wire.introduce()
    level(wire, engines, 300)
    assert all(contents(s) for s in engines[2].states if s.id in MEMBERS)
