"""Whether an answer was asked for, and what it was asked with (gossip spec 9, 10)."""

from __future__ import annotations

from coterie.gossip import Address
from coterie.gossip.anti_entropy.pending_handshakes import MAX_PENDING_HANDSHAKES, PendingHandshakes
from coterie.gossip.wire.stripe import WHOLE, Stripe

A, B, C = (Address(f"10.0.0.{i}", i) for i in (1, 2, 3))


def test_a_syn_is_remembered_for_the_window() -> None:
    exchanges = PendingHandshakes(10.0)
    exchanges.sent_syn(A, 5.0, 3, Stripe(2, 1))
    assert exchanges.syn_to(A, 15.0) == (3, Stripe(2, 1))
    assert exchanges.syn_to(A, 15.1) is None
    assert exchanges.syn_to(B, 5.0) is None


def test_the_last_syn_to_a_peer_counts() -> None:
    exchanges = PendingHandshakes(10.0)
    exchanges.sent_syn(A, 5.0, 3, WHOLE)
    exchanges.sent_syn(A, 9.0, 4, Stripe(1, 1))
    assert exchanges.syn_to(A, 16.0) == (4, Stripe(1, 1))


def test_an_ack_is_expected_only_after_an_answer() -> None:
    exchanges = PendingHandshakes(10.0)
    exchanges.sent_syn(A, 5.0, 3, WHOLE)
    exchanges.sent_syn_ack(B, 5.0)
    assert [exchanges.expects_ack(peer, 5.0) for peer in (A, B)] == [False, True]
    assert [exchanges.expects_ack(B, at) for at in (15.0, 15.1)] == [True, False]


def test_what_is_older_than_the_window_is_dropped() -> None:
    exchanges = PendingHandshakes(10.0)
    for at, peer in ((1.0, A), (2.0, B), (5.0, C), (9.0, A)):
        exchanges.sent_syn(peer, at, 0, WHOLE)
        exchanges.sent_syn_ack(peer, at)
    exchanges.expire(15.0)
    # Asked as of an earlier time, what was dropped is not there, and what was not is.
    assert [exchanges.syn_to(peer, 9.0) for peer in (A, B, C)] == [(0, WHOLE), None, (0, WHOLE)]
    assert [exchanges.expects_ack(peer, 9.0) for peer in (A, B, C)] == [True, False, True]


def test_the_oldest_give_way_when_too_many_are_remembered() -> None:
    exchanges = PendingHandshakes(10.0)
    peers = [Address("10.0.0.1", port) for port in range(MAX_PENDING_HANDSHAKES + 1)]
    for peer in peers:
        exchanges.sent_syn(peer, 1.0, 0, WHOLE)
        exchanges.sent_syn_ack(peer, 1.0)
    assert exchanges.syn_to(peers[0], 1.0) is None
    assert not exchanges.expects_ack(peers[0], 1.0)
    assert all(exchanges.syn_to(peer, 1.0) and exchanges.expects_ack(peer, 1.0) for peer in peers[1:])
