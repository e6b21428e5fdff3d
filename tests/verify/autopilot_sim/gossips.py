"""What a simulated computer gossips with: the real engine, on datagrams in memory; and lies told over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec

from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.gossip import Address, Engine, Event, GossipConfig, KeyValue, NodeId

if TYPE_CHECKING:
    from tests.verify.autopilot_sim.virtual_loop import VirtualLoop

ROUND = 0.25

ENGINE_CONFIG = GossipConfig(gossip_interval=ROUND, initial_interval=ROUND, phi_threshold=8.0)
"""Detects a death in about two seconds."""


class SimGossip:
    """The part of `GossipNode` that the autopilot uses."""

    def __init__(self, loop: VirtualLoop, name: str, generation: int, port: int) -> None:
        self.node = NodeId(name, generation, Address("127.0.0.1", port))
        self.engine = Engine(ENGINE_CONFIG, self.node, Random(loop.rng.random()), now=loop.time())
        self._loop = loop
        self._observers: list[Callable[[Event], None]] = []

    def set(self, key: str, value: str, *, internal: bool = False) -> KeyValue | None:
        return self.engine.set(key, value, self._loop.time(), internal=internal)

    def delete(self, key: str, *, internal: bool = False) -> KeyValue | None:
        return self.engine.delete(key, self._loop.time(), internal=internal)

    def subscribe(self, prefix: str, listener: Callable[..., None]) -> Callable[[], None]:
        return self.engine.listeners.subscribe(prefix, listener)

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def round(self, seeds: list[int]) -> None:
        self.engine.seeds = tuple(Address("127.0.0.1", port) for port in seeds)
        self._send(self.engine.round(self._loop.time()))

    def receive(self, datagram: bytes, source: Address) -> None:
        self._send(self.engine.receive(datagram, source, self._loop.time()))

    def _send(self, datagrams: list[tuple[Address, bytes]]) -> None:
        for event in self.engine.take_events():
            for observer in list(self._observers):
                observer(event)
        for target, datagram in datagrams:
            self._loop.world.datagram(self._loop.computer, target.port, datagram)


class Lies:
    """Nodes dead, alive, moved, doubled or gone at random, each for a while; one liar for each computer."""

    KINDS = ("dead", "dead", "live", "moved", "doubled", "gone", "foreign")

    def __init__(self, rng: Random, rate: float) -> None:
        self.rng = rng
        self.rate = rate
        self.told: dict[tuple[str, int], tuple[str, float]] = {}

    def over(self, truth: Callable[[float], Observations], own: str) -> Callable[[float], Observations]:
        """Lies in the place of what gossip shows. `own`: a node that is never lied about."""
        return partial(self._lies, truth, own)

    def _lies(self, truth: Callable[[float], Observations], own: str, now: float) -> Observations:
        found: list[Observation] = []
        for each in truth(now).all:
            key = (each.node, each.generation)
            kind, until = self.told.get(key, ("", 0.0))
            if now >= until:
                kind = self.rng.choice(self.KINDS) if self.rng.random() < self.rate else ""
                self.told[key] = kind, now + self.rng.expovariate(0.2)
            found += [each] if each.node == own else self._lie(each, kind)
        return Observations.of(found)

    def _lie(self, it: Observation, kind: str) -> list[Observation]:
        said = it.announcement
        match kind:
            case "gone":
                return []
            case "dead":
                return [replace(it, presence=Presence.DEAD, dead_for=100.0)]
            case "live":
                return [replace(it, presence=Presence.LIVE, dead_for=None)]
            case "moved" if said is not None:
                return [replace(it, announcement=msgspec.structs.replace(said, port=self.rng.randrange(1, 60_000)))]
            case "doubled":
                return [it, replace(it, node=it.node + "-copy", presence=Presence.LIVE)]
            case "foreign" if said is not None:
                return [replace(it, announcement=msgspec.structs.replace(said, cluster_id="another"))]
            case _:
                return [it]
