"""A flood of datagrams takes a bounded share of the event loop (gossip spec 3, 10)."""

from __future__ import annotations

import socket
import time
from random import Random

import pytest

from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket
from coterie.gossip.anti_entropy.handshake import Datagram
from coterie.gossip.shell.work_budget import SOURCE_SHARE, WorkBudget
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KNOWN, OTHER = Address("192.0.2.1", 1), Address("192.0.2.2", 2)
STRANGERS = [Address("198.51.100.1", port) for port in range(1, 9)]


def test_each_known_source_has_a_share_and_all_strangers_one() -> None:
    budget = WorkBudget(STRANGERS.__contains__)
    assert all(budget.admits(source, 0.0) for source in (KNOWN, OTHER, *STRANGERS))
    budget.spend(KNOWN, SOURCE_SHARE, 0.0)
    assert [budget.admits(source, 0.0) for source in (KNOWN, OTHER, STRANGERS[0])] == [False, True, True]
    for source in STRANGERS:
        budget.spend(source, SOURCE_SHARE / 7, 0.0)
    assert not any(budget.admits(source, 0.0) for source in STRANGERS)
    assert budget.admits(OTHER, 0.0)


def test_a_share_comes_back_with_time_but_is_not_saved_up() -> None:
    budget = WorkBudget(STRANGERS.__contains__)
    budget.spend(KNOWN, 0.5, 0.0)
    assert not budget.admits(KNOWN, 3.9)
    assert budget.admits(KNOWN, 4.1)
    admitted = 0.0
    while budget.admits(KNOWN, 100.0):
        budget.spend(KNOWN, 0.01, 100.0)
        admitted += 0.01
    assert admitted == pytest.approx(SOURCE_SHARE, abs=0.011)


class SlowEngine(Engine):
    """Takes 5 ms for each datagram."""

    def receive(self, datagram: bytes, source: Address, now: float) -> list[Datagram]:
        self.counters["handled"] += 1
        time.sleep(0.005)
        return []


async def test_a_stranger_s_flood_costs_its_share_of_the_loop_and_no_turn_is_long() -> None:
    sock = open_udp_socket(Address("127.0.0.1", 0))
    address = Address(*sock.getsockname())
    engine = SlowEngine(GossipConfig(gossip_interval=0.05), NodeId("n", 1, address), Random(1), now=time.monotonic())
    node = GossipNode(engine, sock)
    turns: list[float] = []
    receive_waiting = node._receive_waiting

    def measured() -> bool:
        before = engine.counters["handled"]
        more = receive_waiting()
        turns.append(engine.counters["handled"] - before)
        return more

    node._receive_waiting = measured  # type: ignore[method-assign]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        for _ in range(500):
            flood.sendto(b"x", address)
        await node.start()
        began = time.monotonic()
        await eventually(lambda: engine.counters["handled"] + engine.counters["over_budget"] == 500)
        seconds = time.monotonic() - began
        await node.stop()
    # One second's share at once, then what comes in; 500 would take 2.5 s.
    assert engine.counters["handled"] <= (SOURCE_SHARE + SOURCE_SHARE * seconds) / 0.005 + 2
    assert engine.counters["rounds"] >= 1
    assert max(turns) <= 3
