"""Which messages a node answers, and how many bytes unknown peers can draw from it (gossip spec 3, 10)."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from coterie.gossip import Address, Engine
from coterie.gossip.events.events import WrongCluster
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import BadCluster, Syn
from tests.gossip.encoding import encode
from tests.gossip.helpers import (
    SELF,
    SET,
    UNKNOWN_PEER,
    Wire,
    answer_to_syn_ack,
    contents,
    decode_one,
    delta_of,
    digest_of,
    hear,
    hear_delta,
    held,
    make_engine,
    node,
    rows_of,
    snapshot,
)

PEER = node("peer", 1, 7_000)
PEER_AT = PEER.gossip_advertise_addr
FIFTEEN_BYTES = encode(Syn(Digest(), "testing"))


def test_a_handshake_levels_two_nodes() -> None:
    left, right = make_engine(SELF, key_values=[("l", "1")]), make_engine(PEER, key_values=[("r", "2")])
    wire = Wire(left, right)
    left.seeds = [PEER_AT]
    wire.carry(left, left.round(0.0), 0.0)
    assert [d[3] for d in wire.carried] == [0, 1, 2]
    assert contents(held(left, PEER)) == [("r", "2", 1, SET)]
    assert contents(held(right, SELF)) == [("l", "1", 1, SET)]
    for engine in (left, right):
        assert engine.counters["unsolicited"] == 0


def test_answers_go_to_where_the_datagram_came_from() -> None:
    """Not to the address that the peer advertises."""
    engine = make_engine()
    sent = engine.receive(encode(Syn(digest_of((PEER, 1, 0, 0)), "testing")), UNKNOWN_PEER, 0.0)
    assert [address for address, _ in sent] == [UNKNOWN_PEER]


def test_a_syn_is_answered_with_the_own_digest_and_what_the_peer_lacks() -> None:
    engine = make_engine(key_values=[("k", "v")])
    answer = hear(engine, (PEER, 5, 0, 3), now=0.0)
    assert answer is not None
    assert rows_of(answer.digest) == {SELF.encoded: (2, 0, 1), PEER.encoded: (5, 0, 0)}
    assert answer.delta == [delta_of(SELF, ("k", "v", 1, SET))]


def test_a_syn_ack_is_applied_and_answered_with_an_ack() -> None:
    engine = make_engine(key_values=[("k", "v")])
    fresh = delta_of(PEER, ("p", "1", 1, SET))
    answer = answer_to_syn_ack(engine, (PEER, 5, 0, 1), delta=[fresh], now=0.0)
    assert contents(held(engine, PEER)) == [("p", "1", 1, SET)], "the digest introduces what the delta fills"
    # No digest of the exchange lists the own node: the peer shows none of it, and no Syn of ours was remembered.
    assert answer is not None
    answer = answer_to_syn_ack(engine, (PEER, 6, 0, 1), (SELF, 1, 0, 0), now=0.0)
    assert answer is not None
    assert answer.delta == [delta_of(SELF, ("k", "v", 1, SET))]


def test_an_ack_introduces_nobody() -> None:
    engine = make_engine()
    hear_delta(engine, delta_of(PEER, ("p", "1", 1, SET)), now=0.0)
    assert [s.id for s in engine.states] == [SELF]
    assert engine.counters["delta_unknown_node"] == 1


def test_another_cluster_is_refused_and_changes_nothing() -> None:
    engine = make_engine(key_values=[("k", "v")])
    before = snapshot(engine)
    digest = Digest((PEER.encoded, SELF.encoded), (9, 99), (0, 9), (9, 9))
    sent = engine.receive(encode(Syn(digest, "other")), UNKNOWN_PEER, 0.0)
    assert sent == [(UNKNOWN_PEER, encode(BadCluster()))]
    assert engine.take_events() == [WrongCluster(UNKNOWN_PEER, "other")]
    engine.own.heartbeat -= 1
    assert snapshot(engine) == before


def test_being_refused_is_told_and_nothing_else() -> None:
    engine = make_engine()
    assert engine.receive(encode(BadCluster()), UNKNOWN_PEER, 0.0) == []
    assert engine.take_events() == [WrongCluster(UNKNOWN_PEER, None)]


def test_cluster_ids_are_compared_whole() -> None:
    for other in ("", "testin", "testing ", "Testing"):
        assert isinstance(
            decode_one(make_engine().receive(encode(Syn(Digest(), other)), UNKNOWN_PEER, 0.0)), BadCluster
        )


# -- strangers ---------------------------------------------------------------------------------------------------------


def full_engine(rate: int = 100_000) -> Engine:
    """A node whose answer to a 15-byte Syn is some 30 kB."""
    rng = Random(1)
    engine = make_engine(stranger_bytes_per_second=rate, max_key_value_bytes=60_000)
    engine.set("k", "".join(map(chr, rng.choices(range(33, 127), k=36_000))), 0.0)
    return engine


def strangers() -> Iterator[Address]:
    return (Address(f"198.51.100.{i % 250}", 1_000 + i) for i in range(10_000))


def test_unknown_peers_share_a_token_bucket() -> None:
    engine = full_engine()
    assert len(FIFTEEN_BYTES) == 15
    drawn = [sum(len(d) for _, d in engine.receive(FIFTEEN_BYTES, source, 0.0)) for source in strangers()]
    largest = max(drawn)
    assert largest > 25_000
    assert 100_000 <= sum(drawn) <= 100_000 + largest
    assert engine.counters["strangers_unanswered"] == drawn.count(0)
    later = [sum(len(d) for _, d in engine.receive(FIFTEEN_BYTES, source, 5.0)) for source in strangers()]
    assert 50_000 <= sum(later) <= 100_000 + largest


def spend(engine: Engine, now: float) -> None:
    for source in strangers():
        if not engine.receive(FIFTEEN_BYTES, source, now):
            return
    pytest.fail("the budget has no end")


def prove(engine: Engine) -> None:
    """Let the peer answer a Syn from its address."""
    engine.open_handshakes([PEER_AT], 0.0)
    answer_to_syn_ack(engine, (PEER, 1, 0, 0), (SELF, 9, 0, 9), now=0.0, source=PEER_AT)


def test_an_address_that_a_sender_lists_is_a_stranger_until_it_answers_from_there() -> None:
    engine = full_engine()
    syn = encode(Syn(digest_of((PEER, 1, 0, 0)), "testing"))
    drawn = [sum(len(d) for _, d in engine.receive(syn, PEER_AT, 0.0)) for _ in range(100)]
    assert sum(drawn) <= 100_000 + max(drawn)
    prove(engine)
    assert engine.receive(syn, PEER_AT, 0.0)


def test_known_nodes_and_seeds_are_answered_when_unknown_peers_are_not() -> None:
    engine = full_engine()
    prove(engine)
    seed = Address("203.0.113.1", 1)
    engine.seeds = [seed]
    spend(engine, 0.0)
    assert engine.receive(FIFTEEN_BYTES, UNKNOWN_PEER, 0.0) == []
    assert hear(engine, (PEER, 2, 0, 0), now=0.0, source=PEER_AT)
    assert hear(engine, now=0.0, source=seed)
    assert engine.receive(FIFTEEN_BYTES, UNKNOWN_PEER, 0.0) == []


def test_a_syn_is_heard_even_where_it_is_not_answered() -> None:
    """A newcomer becomes known in a flood of unknown peers, and gets answers once it answered a Syn itself."""
    engine = full_engine()
    spend(engine, 0.0)
    assert hear(engine, (PEER, 1, 0, 0), now=0.0, source=PEER_AT) is None
    assert held(engine, PEER).heartbeat == 1
    prove(engine)
    assert hear(engine, (PEER, 2, 0, 0), now=0.0, source=PEER_AT) is not None


def test_acks_and_refusals_to_unknown_peers_come_from_the_same_bucket() -> None:
    engine = full_engine()
    row = (SELF, 1, 0, 0)
    ack = answer_to_syn_ack(engine, row, now=0.0)
    assert ack is not None
    assert ack.delta
    spend(engine, 0.0)
    assert answer_to_syn_ack(engine, row, now=0.0) is None
    assert engine.receive(encode(Syn(Digest(), "other")), UNKNOWN_PEER, 0.0) == []


# -- what nobody asked for ---------------------------------------------------------------------------------------------


def test_an_unsolicited_answer_is_counted_and_taken_by_default() -> None:
    engine = make_engine()
    assert answer_to_syn_ack(engine, (PEER, 1, 0, 0), now=0.0, source=PEER_AT) is not None
    hear_delta(engine, delta_of(PEER, ("p", "1", 1, SET)), now=0.0, source=UNKNOWN_PEER)
    assert engine.counters["unsolicited"] == 2
    assert contents(held(engine, PEER)) == [("p", "1", 1, SET)]


def test_an_unsolicited_answer_is_dropped_where_the_setting_says_so() -> None:
    engine = make_engine(drop_unsolicited=True)
    assert answer_to_syn_ack(engine, (PEER, 1, 0, 0), now=0.0, source=PEER_AT) is None
    assert [s.id for s in engine.states] == [SELF]
    hear(engine, (PEER, 1, 0, 0), now=0.0, source=PEER_AT)
    hear_delta(engine, delta_of(PEER, ("p", "1", 1, SET)), now=0.0, source=UNKNOWN_PEER)
    assert contents(held(engine, PEER)) == []
    assert engine.counters["unsolicited"] == 2


def test_an_answer_that_was_asked_for_is_neither_counted_nor_dropped() -> None:
    engine = make_engine(drop_unsolicited=True, reply_window=10.0)
    engine.seeds = [PEER_AT]
    assert [address for address, _ in engine.round(0.0)] == [PEER_AT]
    assert answer_to_syn_ack(engine, (PEER, 1, 0, 0), now=10.0, source=PEER_AT) is not None
    hear(engine, (PEER, 2, 0, 0), now=10.0, source=PEER_AT)
    hear_delta(engine, delta_of(PEER, ("p", "1", 1, SET)), now=20.0, source=PEER_AT)
    assert contents(held(engine, PEER)) == [("p", "1", 1, SET)]
    assert engine.counters["unsolicited"] == 0
    assert answer_to_syn_ack(engine, (PEER, 3, 0, 0), now=20.5, source=PEER_AT) is None
    hear_delta(engine, delta_of(PEER, ("p", "2", 2, SET)), now=20.5, source=PEER_AT)
    assert engine.counters["unsolicited"] == 2
    assert held(engine, PEER).max_version == 1
