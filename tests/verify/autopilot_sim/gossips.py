"""What a simulated computer gossips with: the cheap stand-in, or the real engine; and lies told over either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Protocol, cast

import msgspec

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observation, Presence
from coterie.consensus.autopilot.shell.gossip_view import GossipView
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId
from tests.verify.autopilot_sim.gossip_table import GossipTable

ROUND = 0.25
SILENCE = 2.0

ENGINE_CONFIG = GossipConfig(gossip_interval=ROUND, initial_interval=ROUND, phi_threshold=8.0)
"""Detects a death in about two seconds."""

Send = Callable[[int, Callable[["Gossip"], None]], None]
"""To the computer at a port, if it can be reached: what it is to do with what arrives."""


class Gossip(Protocol):
    def say(self, announcement: Announcement, now: float) -> None: ...

    def round(self, peers: list[int], now: float, send: Send) -> None: ...

    def observations(self, now: float) -> list[Observation]: ...


class TableGossip:
    def __init__(self, node: str, generation: int, port: int, rng: Random) -> None:
        self.table = GossipTable(node, generation, SILENCE)
        self.port = port
        self.rng = rng

    def say(self, announcement: Announcement, now: float) -> None:
        self.table.say(announcement)

    def round(self, peers: list[int], now: float, send: Send) -> None:
        self.table.beat()
        for peer in self.rng.sample(peers, min(2, len(peers))):
            self._tell(peer, now, send, reply=True)

    def _tell(self, peer: int, now: float, send: Send, *, reply: bool) -> None:
        told = self.table.tell()

        def arrive(other: Gossip) -> None:
            them = cast(TableGossip, other)
            them.table.hear(told, now)
            if reply:
                them._tell(self.port, now, send, reply=False)

        send(peer, arrive)

    def observations(self, now: float) -> list[Observation]:
        return self.table.observations(now)


class _Node:
    """The part of `GossipNode` that announcements go through."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = 0.0

    def set(self, key: str, value: str, *, internal: bool = False) -> None:
        self.engine.set(key, value, self.now, internal=internal)


class EngineGossip:
    """The real protocol, on datagrams in memory."""

    def __init__(self, node: str, generation: int, port: int, rng: Random, now: float) -> None:
        identity = NodeId(node, generation, Address("127.0.0.1", port))
        self.engine = Engine(ENGINE_CONFIG, identity, rng, now=now)
        self.node = _Node(self.engine)
        self.view = GossipView(cast(GossipNode, self.node))
        self.port = port

    def say(self, announcement: Announcement, now: float) -> None:
        self.node.now = now
        self.view.announce(announcement)

    def round(self, peers: list[int], now: float, send: Send) -> None:
        self.engine.seeds = tuple(Address("127.0.0.1", port) for port in peers[:2])
        self._send(self.engine.round(now), now, send)

    def _send(self, datagrams: list[tuple[Address, bytes]], now: float, send: Send) -> None:
        for address, datagram in datagrams:

            def arrive(other: Gossip, datagram: bytes = datagram) -> None:
                them = cast(EngineGossip, other)
                answers = them.engine.receive(datagram, Address("127.0.0.1", self.port), now)
                them._send(answers, now, send)

            send(address.port, arrive)

    def observations(self, now: float) -> list[Observation]:
        self.engine.take_events()
        return list(self.view.observations(now).all)


class Lies:
    """Nodes dead, alive, moved, doubled or gone at random, each for a while; one liar for each computer."""

    KINDS = ("dead", "dead", "live", "moved", "doubled", "gone", "foreign")

    def __init__(self, rng: Random, rate: float) -> None:
        self.rng = rng
        self.rate = rate
        self.told: dict[tuple[str, int], tuple[str, float]] = {}

    def over(self, observations: list[Observation], own: str, now: float) -> list[Observation]:
        found = []
        for each in observations:
            key = (each.node, each.generation)
            kind, until = self.told.get(key, ("", 0.0))
            if now >= until:
                kind = self.rng.choice(self.KINDS) if self.rng.random() < self.rate else ""
                self.told[key] = kind, now + self.rng.expovariate(0.2)
            found += [each] if each.node == own else self._lie(each, kind)
        return found

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
