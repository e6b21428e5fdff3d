"""What a round does, in which order, and what a round that comes late excuses (gossip spec 3)."""

from __future__ import annotations

import pytest

from coterie.gossip import Engine, NodeId
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import Ack, BadCluster, Decoder, Syn
from tests.gossip.encoding import encode
from tests.gossip.helpers import (
    SELF,
    UNKNOWN_PEER,
    Wire,
    contents,
    hear,
    held,
    make_engine,
    node,
    revive,
    rows_of,
    snapshot,
)

PEER = node("peer")


def sent_digest(engine: Engine, now: float) -> Digest:
    """The digest of the Syns of a round."""
    engine.seeds = [UNKNOWN_PEER]
    message = Decoder().decode(engine.round(now)[0][1])
    assert isinstance(message, Syn)
    return message.digest


def test_the_first_syn_shows_heartbeat_2() -> None:
    engine = make_engine()
    assert engine.own.heartbeat == 1
    assert rows_of(sent_digest(engine, 0.0)) == {SELF.encoded: (2, 0, 0)}
    assert rows_of(sent_digest(engine, 0.5)) == {SELF.encoded: (3, 0, 0)}


def test_initial_key_values_are_set_in_order_before_the_first_round() -> None:
    engine = make_engine(key_values=[("b", "1"), ("a", "2"), ("b", "3")])
    assert [(key, value, version) for key, value, version, _ in contents(engine.own)] == [("a", "2", 2), ("b", "3", 3)]
    assert rows_of(sent_digest(engine, 0.0)) == {SELF.encoded: (2, 0, 3)}


def test_each_message_that_decodes_bumps_the_heartbeat_and_no_other() -> None:
    engine = make_engine()
    datagrams = [encode(Syn(Digest(), "testing")), encode(Syn(Digest(), "other")), encode(Ack()), encode(BadCluster())]
    for i, datagram in enumerate(datagrams):
        engine.receive(datagram, UNKNOWN_PEER, 0.0)
        engine.receive(datagram[:3], UNKNOWN_PEER, 0.0)
        assert engine.own.heartbeat == 2 + i


def test_the_bump_shows_in_the_answer() -> None:
    engine = make_engine()
    answer = hear(engine, now=0.0)
    assert answer is not None
    assert rows_of(answer.digest) == {SELF.encoded: (2, 0, 0)}


def test_expired_keys_are_collected_before_the_syn() -> None:
    engine = make_engine(key_values=[("k", "v")], marked_for_deletion_grace_period=10.0)
    engine.delete("k", 0.0)
    assert rows_of(sent_digest(engine, 9.9)) == {SELF.encoded: (2, 0, 2)}
    assert rows_of(sent_digest(engine, 10.0)) == {SELF.encoded: (3, 2, 2)}


def test_keys_of_all_nodes_are_collected_by_the_time_they_were_learnt_here() -> None:
    owner, replica = make_engine(SELF), make_engine(PEER, now=0.0, marked_for_deletion_grace_period=10.0)
    wire = Wire(owner, replica)
    wire.introduce()
    owner.set("k", "v", 0.0)
    owner.delete("k", 0.0)
    wire.round(5.0)
    assert held(replica, SELF).max_version == 2
    replica.round(14.9)
    assert list(held(replica, SELF).key_values) == ["k"]
    replica.round(15.0)
    assert (held(replica, SELF).key_values, held(replica, SELF).last_gc_version) == ({}, 2)


def test_liveness_is_judged_after_the_syns_are_sent() -> None:
    """A peer that falls silent is picked as a live one once more, in the round that finds it dead."""
    other = node("other", 1, 2)
    for seed in range(8):
        engine = make_engine(seed=seed)
        now = revive(engine, PEER, other, start=0.0)
        while PEER not in engine.dead_nodes:
            now += 0.5
            hear(engine, (other, held(engine, other).heartbeat + 1, 0, 0), now=now)
            sent = engine.round(now)
            # As a dead one, it would be picked in every other round only.
            assert {PEER.gossip_advertise_addr, other.gossip_advertise_addr} == {address for address, _ in sent}


def test_an_empty_ack_moves_the_heartbeat_and_nothing_else() -> None:
    engine = make_engine(key_values=[("k", "v")])
    hear(engine, (PEER, 1, 0, 0), now=0.0)
    before, heartbeat = snapshot(engine), engine.own.heartbeat
    engine.receive(encode(Ack()), UNKNOWN_PEER, 1.0)
    assert engine.own.heartbeat == heartbeat + 1
    engine.own.heartbeat = heartbeat
    assert snapshot(engine) == before


# -- rounds that come late ---------------------------------------------------------------------------------------------


def watched(*peers: NodeId) -> tuple[Engine, float]:
    """An engine that holds peers for alive, with the time of its last round."""
    engine = make_engine()
    now = revive(engine, *peers, start=0.0, beats=40)
    assert set(peers) <= set(engine.live_nodes)
    return engine, now


def test_a_node_that_slept_takes_nobody_for_dead() -> None:
    engine, now = watched(PEER, node("b"))
    engine.round(now + 3_600.0)
    assert engine.live_nodes == [node("b"), PEER, SELF]
    assert engine.counters["late_rounds"] == 1
    # The delay was added to the last arrivals, so it counts neither now nor later.
    engine.round(now + 3_600.5)
    assert PEER in engine.live_nodes


def test_without_a_delay_of_its_own_a_node_finds_the_silent_dead() -> None:
    engine, now = watched(PEER)
    for i in range(1, 100):
        engine.round(now + 0.5 * i)
    assert PEER in engine.dead_nodes
    assert engine.counters["late_rounds"] == 0


def test_an_excuse_does_not_save_who_stays_silent() -> None:
    engine, now = watched(PEER, node("b"))
    now += 60.0
    engine.round(now)
    for i in range(1, 100):
        hear(engine, (node("b"), 100 + i, 0, 0), now=now + 0.5 * i)
        engine.round(now + 0.5 * i)
    assert (PEER in engine.dead_nodes, node("b") in engine.live_nodes) == (True, True)


def test_a_round_is_late_when_it_comes_more_than_two_intervals_after_it_was_due() -> None:
    for delay, late in ((0.9, 0), (1.0, 0), (1.1, 1)):
        engine, now = watched(PEER)
        silence = held(engine, PEER).liveness.last_arrival
        assert silence is not None
        engine.round(now + 0.5 + delay)
        assert engine.counters["late_rounds"] == late
        assert held(engine, PEER).liveness.last_arrival == (silence if not late else now + delay)


def test_what_waited_is_handled_first_and_is_not_moved_beyond_now() -> None:
    engine, now = watched(PEER)
    woken = now + 20.0
    hear(engine, (PEER, 10_000, 0, 0), now=woken)
    engine.round(woken)
    assert held(engine, PEER).liveness.last_arrival == woken
    assert engine.phi(held(engine, PEER), woken) == 0.0


def test_what_waited_while_the_node_slept_makes_no_intervals() -> None:
    """A backlog is read in one instant; intervals of nothing would make the node impatient."""
    engine, now = watched(PEER)
    intervals, woken = list(held(engine, PEER).liveness.intervals), now + 5.0
    for beat in range(10):
        hear(engine, (PEER, 10_000 + beat, 0, 0), now=woken + 0.001 * beat)
    assert list(held(engine, PEER).liveness.intervals) == intervals
    engine.round(woken + 0.01)
    hear(engine, (PEER, 20_000, 0, 0), now=woken + 0.26)
    assert list(held(engine, PEER).liveness.intervals) == pytest.approx([*intervals, 0.25], abs=1e-6)
