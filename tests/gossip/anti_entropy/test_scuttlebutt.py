"""What a peer is sent of which node, from which version on, and in which order (gossip spec 4, 9)."""

from __future__ import annotations

from coterie.gossip import Engine, NodeId
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.messages import Syn
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.encoding import encode
from tests.gossip.helpers import (
    DELETE,
    SELF,
    SET,
    TTL,
    UNKNOWN_PEER,
    Kv,
    Row,
    answer_to_syn_ack,
    decode_one,
    delta_of,
    digest_of,
    hear,
    hear_delta,
    held,
    make_engine,
    node,
    revive,
)

X, Y = node("x"), node("y")


def keys(count: int, start: int = 1, value: str = "v") -> list[Kv]:
    return [(f"k{v}", value, v, SET) for v in range(start, start + count)]


def engine_with(*states: tuple[NodeId, list[Kv], int], **settings: int) -> Engine:
    """An engine that holds these key-values and last_gc_versions; not yet judged alive or dead."""
    engine = make_engine(**settings)  # type: ignore[arg-type]
    for owner, key_values, gc in states:
        hear(engine, (owner, 1, 0, 0), now=0.0)
        hear_delta(engine, delta_of(owner, *key_values, gc=gc), now=0.0)
    return engine


def told(engine: Engine, *rows: Row, stripe: Stripe = WHOLE) -> list[NodeDelta]:
    """The delta that answers a Syn with this digest."""
    sent = engine.receive(encode(Syn(digest_of(*rows), "testing", stripe)), UNKNOWN_PEER, 50.0)
    message = decode_one(sent)
    assert not isinstance(message, Syn)
    return getattr(message, "delta", [])


# -- from which version ------------------------------------------------------------------------------------------------


def test_a_peer_that_has_everything_is_sent_nothing() -> None:
    engine = engine_with((X, keys(5), 0))
    assert told(engine, (X, 1, 0, 5)) == []
    assert told(engine, (X, 1, 0, 9)) == []


def test_a_peer_is_sent_what_is_above_its_max_version_tombstones_included() -> None:
    mixed = [("a", "1", 2, SET), ("b", "", 4, DELETE), ("c", "3", 5, TTL), ("d", "4", 9, SET)]
    engine = engine_with((X, mixed, 0))
    assert told(engine, (X, 1, 0, 3)) == [delta_of(X, *mixed[1:], from_version=3)]
    assert told(engine, (X, 1, 0, 8)) == [delta_of(X, mixed[3], from_version=8)]


def test_a_peer_that_does_not_list_a_node_is_sent_all_of_it() -> None:
    engine = engine_with((X, keys(3), 0))
    assert told(engine) == [delta_of(X, *keys(3))]


def test_a_peer_that_may_have_missed_collected_deletions_starts_over() -> None:
    engine = engine_with((X, keys(3, start=8), 7))
    assert held(engine, X).last_gc_version == 7
    whole = delta_of(X, *keys(3, start=8), gc=7)
    for gc, maximum in ((0, 0), (0, 6), (6, 6)):
        assert told(engine, (X, 1, gc, maximum)) == [whole]
    for gc, maximum in ((0, 7), (6, 7), (7, 3), (7, 7)):
        assert told(engine, (X, 1, gc, maximum)) == [delta_of(X, *keys(3, start=8), gc=7, from_version=maximum)]
    assert told(engine, (X, 1, 0, 9)) == [delta_of(X, *keys(1, start=10), gc=7, from_version=9)]


def test_where_all_was_collected_only_the_max_version_is_sent() -> None:
    engine = engine_with((X, [("a", "", 4, DELETE)], 0), marked_for_deletion_grace_period=10)
    engine.round(11.0)
    assert told(engine, (X, 1, 0, 0)) == [delta_of(X, gc=4, max_version=4)]
    assert told(engine, (X, 1, 4, 3)) == [delta_of(X, gc=4, from_version=3, max_version=4)]
    assert told(engine, (X, 1, 0, 4)) == []


def test_the_own_node_is_sent_like_any_other() -> None:
    engine = make_engine(key_values=[("a", "1")])
    assert told(engine, (SELF, 1, 0, 0)) == told(engine) == [delta_of(SELF, ("a", "1", 1, SET))]


# -- which nodes -------------------------------------------------------------------------------------------------------


def test_a_dead_node_is_sent_only_to_a_peer_that_lists_it() -> None:
    engine = engine_with((X, keys(3), 0))
    engine.round(1.0)
    assert X in engine.dead_nodes
    assert told(engine) == []
    assert told(engine, (X, 1, 0, 0)) == [delta_of(X, *keys(3))]


def test_a_live_node_is_sent_to_a_peer_that_does_not_list_it() -> None:
    engine = engine_with((X, keys(3), 0))
    revive(engine, X, start=0.5)
    assert X in engine.live_nodes
    assert told(engine) == [delta_of(X, *keys(3))]


def test_a_node_scheduled_for_deletion_is_sent_to_nobody() -> None:
    engine = engine_with((X, keys(3), 0), dead_node_grace_period=10)
    engine.round(1.0)
    engine.round(6.0)
    answer = hear(engine, (X, 1, 0, 0), now=6.0)
    assert answer is not None
    assert (answer.digest.ids, answer.delta) == ((SELF.encoded,), [])


# -- in which order ----------------------------------------------------------------------------------------------------


def order(engine: Engine, *rows: Row) -> list[str]:
    return [d.node.node_id for d in told(engine, *rows)]


def test_small_states_from_scratch_come_first_then_the_most_stale() -> None:
    states = [(node(name), keys(count), 0) for name, count in (("f9", 9), ("f2", 2), ("f5", 5))]
    states += [(node(name), keys(count), 0) for name, count in (("r1", 30), ("r7", 40), ("r4", 10))]
    states.append((node("g3"), keys(2, start=2), 1))
    engine = engine_with(*states)
    rows = [(node(n), 1, 0, maximum) for n, maximum in (("r1", 29), ("r7", 33), ("r4", 6), ("g3", 0), ("f5", 0))]
    assert order(engine, *rows) == ["f2", "g3", "f5", "f9", "r7", "r4", "r1"]


def test_equal_ones_are_shuffled() -> None:
    names = [f"n{i}" for i in range(5)]
    engine = engine_with(*((node(n), keys(3), 0) for n in names))
    for rows in ([], [(node(n), 1, 0, 1) for n in names]):
        orders = {tuple(order(engine, *rows)) for _ in range(60)}
        assert len(orders) > 20
        assert all(sorted(o) == names for o in orders)
        assert {o[0] for o in orders} == set(names)


def test_one_oversized_value_keeps_no_other_node_from_spreading() -> None:
    """A value that other nodes' settings allow, but that this node's datagrams cannot take."""
    oversized = [("big", "".join(map(chr, range(0x4E00, 0x4E00 + 3_000))), 1, SET), ("after", "v", 2, SET)]
    stuck = [("before", "v", 1, SET), *((k, v, n + 1, s) for k, v, n, s in oversized)]
    engine = engine_with(
        (X, oversized, 0), (Y, stuck, 0), (node("z"), keys(3), 0), max_datagram_bytes=6_000, max_digest_bytes=1_200
    )
    deltas = {d.node: d for d in told(engine)}
    assert deltas == {Y: delta_of(Y, stuck[0]), node("z"): delta_of(node("z"), *keys(3))}
    rows = [(X, 1, 0, 0), (Y, 1, 0, 1), (node("z"), 1, 0, 2)]
    assert told(engine, *rows) == [delta_of(node("z"), *keys(1, start=3), from_version=2)]


# -- only what a digest of the exchange lists --------------------------------------------------------------------------


def test_an_ack_carries_no_node_that_neither_digest_of_the_handshake_listed() -> None:
    """Heard of after the Syn went out, a node is omitted from the SynAck for no fault of the peer's."""
    engine, peer = engine_with((X, keys(2), 0)), node("peer", 1, 99)
    at = peer.gossip_advertise_addr
    engine.seeds = [at]
    revive(engine, X, start=0.5)
    engine.open_handshakes([at], 3.0)
    hear(engine, (Y, 1, 0, 0), now=3.0)
    hear_delta(engine, delta_of(Y, *keys(2)), now=3.0)
    ack = answer_to_syn_ack(engine, (peer, 1, 0, 0), now=3.0, source=at)
    assert ack is not None
    assert ack.delta == [delta_of(X, *keys(2))]
    # Listed by the peer, it is sent; and after the next Syn it is sent unlisted.
    ack = answer_to_syn_ack(engine, (Y, 1, 0, 1), now=3.0, source=at)
    assert ack is not None
    assert [d.node for d in ack.delta] == [Y, X] or [d.node for d in ack.delta] == [X, Y]
    engine.open_handshakes([at], 3.0)
    ack = answer_to_syn_ack(engine, (peer, 1, 0, 0), now=3.0, source=at)
    assert ack is not None
    assert {d.node for d in ack.delta} == {X, Y}


def by_stripe(bits: int, number: int, count: int) -> list[NodeId]:
    """Nodes of one stripe."""
    candidates = (node(f"s{i}") for i in range(100_000))
    found = (n for n in candidates if Stripe(bits, number).holds(n.stripe_hash))
    return [next(found) for _ in range(count)]


def test_a_striped_syn_is_answered_for_listed_nodes_and_its_own_stripe_alone() -> None:
    inside, outside, listed = by_stripe(2, 1, 3), by_stripe(2, 2, 3), by_stripe(2, 3, 1)[0]
    engine = engine_with(*((n, keys(2), 0) for n in [*inside, *outside, listed]))
    deltas = told(engine, (listed, 1, 0, 0), stripe=Stripe(2, 1))
    assert {d.node for d in deltas} == {*inside, listed}


def test_an_ack_follows_the_trailer_of_the_syn_ack() -> None:
    inside, outside = by_stripe(2, 1, 3), by_stripe(2, 2, 3)
    engine = engine_with(*((n, keys(2), 0) for n in [*inside, *outside]))
    at = node("peer", 1, 99).gossip_advertise_addr
    engine.open_handshakes([at], 1.0)
    ack = answer_to_syn_ack(engine, (outside[0], 1, 0, 1), now=1.0, source=at, stripe=Stripe(2, 1))
    assert ack is not None
    assert {d.node for d in ack.delta} == {*inside, outside[0]}


def test_a_syn_ack_of_a_stripe_that_was_not_asked_for_draws_nothing_unlisted() -> None:
    states = [(node(f"n{i}"), keys(1), 0) for i in range(300)]
    engine = engine_with(*states, max_datagram_bytes=6_000, max_digest_bytes=1_200)
    at = node("peer", 1, 99).gossip_advertise_addr
    [(_, syn)] = engine.open_handshakes([at], 1.0)
    asked = Stripe.decode_trailer(syn)
    assert asked.bits >= 1
    for answered, silent in ((asked, False), (Stripe(asked.bits, asked.number ^ 1), True)):
        ack = answer_to_syn_ack(engine, now=1.0, source=at, stripe=answered)
        assert ack is not None
        assert (ack.delta == []) == silent
        assert all(asked.holds(d.node.stripe_hash) for d in ack.delta)
