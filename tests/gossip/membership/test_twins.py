"""Two running processes with one node_id notice each other; a process that was replaced is none of them."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.gossip import Engine, NodeId
from coterie.gossip.anti_entropy.handshake import Datagram
from coterie.gossip.events.events import TwinsFound
from tests.gossip.helpers import hear, make_engine, node

OLD, NEW, OTHER = node("twin", 1, 1), node("twin", 9, 2), node("other", 1, 3)

SPAN = 10.0
"""Seconds: 20 gossip intervals."""


class Network:
    """Engines that hand each other their datagrams, round after round."""

    def __init__(self, *nodes: NodeId) -> None:
        self.now = 0.0
        self.engines: dict[NodeId, Engine] = {}
        for each in nodes:
            self.add(each)

    def add(self, each: NodeId) -> None:
        engine = self.engines[each] = make_engine(each, now=self.now)
        engine.seeds = [other.gossip_advertise_addr for other in self.engines if other != each]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for each, engine in list(self.engines.items()):
                self._deliver(each, engine.round(self.now))
            self.now += 0.5

    def _deliver(self, source: NodeId, sent: list[Datagram]) -> None:
        by_address = {each.gossip_advertise_addr: each for each in self.engines}
        for address, message in sent:
            target = by_address.get(address)
            if target is not None:
                answers = self.engines[target].receive(message, source.gossip_advertise_addr, self.now)
                self._deliver(target, answers)

    def found(self) -> list[Mapping[str, object]]:
        return [engine.twins for engine in self.engines.values()]


def test_twins_and_everybody_else_notice() -> None:
    network = Network(OLD, OTHER)
    network.run(20.0)
    network.add(NEW)
    network.run(2 * SPAN)
    assert network.found() == [{"twin": [OLD, NEW]}] * 3
    for engine in network.engines.values():
        assert [each for each in engine.take_events() if isinstance(each, TwinsFound)] == [TwinsFound((OLD, NEW))]
    del network.engines[NEW]  # it was stopped
    network.run(2 * SPAN)
    assert network.found() == [{}] * 2


def test_a_restart_elsewhere_is_no_twin() -> None:
    network = Network(OLD, OTHER, node("more", 1, 4))
    network.run(20.0)
    del network.engines[OLD]
    network.add(NEW)
    for _ in range(40):
        network.run(1.0)
        assert not any(network.found())


def test_a_pause_of_the_observer_makes_no_twins() -> None:
    network = Network(OLD, OTHER)
    network.run(20.0)
    network.add(NEW)
    network.run(1.0)
    del network.engines[OLD]
    network.now += 3 * SPAN  # all stood still
    for _ in range(30):
        network.run(1.0)
        assert not any(network.found())


def test_hearsay_makes_no_twins() -> None:
    engine = make_engine(OLD)
    for beat in range(1, 200):
        hear(engine, (NEW, beat, 0, 0), now=0.5 * beat, source=OTHER.gossip_advertise_addr)
        engine.round(0.5 * beat)
        assert not engine.twins
    for beat in range(200, 300):
        hear(engine, (NEW, beat, 0, 0), now=0.5 * beat, source=NEW.gossip_advertise_addr)
        engine.round(0.5 * beat)
    assert engine.twins == {"twin": [OLD, NEW]}
