"""Links between simulated nodes: FIFO, no duplicates, loss only by a broken link; each message is delivered alone,
after a
delay of its own. A direction can be blocked (a one-way partition): what was sent waits, and is delivered late or
lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from coterie.consensus.raft.messages import Message, decode, encode
from coterie.consensus.raft.ports import Greeting

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host, World


class SimTransport:
    def __init__(self, world: World, own: str) -> None:
        self.world = world
        self.own = own
        self.closed = False
        self.sessions: dict[str, int] = {}  # links that this host knows to be up

    def bind(
        self,
        received: Callable[[str, Message], None],
        link_up: Callable[[str, Greeting], None],
        link_down: Callable[[str], None],
        rolled_back: Callable[[str, str], None],
    ) -> None:
        self.deliver, self.link_up, self.link_down = received, link_up, link_down

    def send(self, member: str, message: Message) -> None:
        if not self.closed:
            self.world.invariants.sent(self.world.hosts[self.own], member, message)
            self.world.network.send(self.own, member, message, self.sessions.get(member))

    def add(self, member: str) -> None: ...

    def drop(self, member: str) -> None:
        self.world.fail(f"{self.own} refused a message of {member} as a breach of the protocol")

    def up(self, peer: str, session: int) -> None:
        self.sessions[peer] = session
        self.link_up(peer, self.world.hosts[peer].greeting)

    def down(self, peer: str) -> None:
        self.sessions.pop(peer, None)
        self.link_down(peer)


def _down(peer: str, host: Host) -> None:
    host.transport.down(peer)


class Network:
    """All links of a world. A session is a pair's current link; a message of a former session is never delivered."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.sessions: dict[frozenset[str], int] = {}  # pairs with a link
        self.blocked: set[tuple[str, str]] = set()
        self.held: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        self.horizon: dict[tuple[str, str], float] = {}  # when the last message of a direction arrives
        self.lag: dict[tuple[str, str], float] = {}  # seconds more that a direction takes
        self.only: dict[str, str] = {}  # a host -> the one that it may have a link to
        self.count = 0
        self.latency = 0.002
        self.slow = 0.0  # share of messages that take up to a hundred times longer
        self.sent = 0

    def _delay(self) -> float:
        scale = self.rng.random() * 100 if self.rng.random() < self.slow else 1.0
        return self.latency * scale * (0.1 + self.rng.random())

    def send(self, source: str, target: str, message: Message, link: int | None) -> None:
        """Send over the link that the sender knows: what is sent over one that has broken is lost, even where the two
        are connected again and the sender, late with its work, has not heard of it."""
        session = self.sessions.get(frozenset((source, target)))
        if session is not None and session == link:
            self.sent += 1
            data = encode(message)
            if (source, target) in self.blocked:
                self.held.setdefault((source, target), []).append((session, data))
            else:
                self._dispatch(source, target, session, data)

    def _dispatch(self, source: str, target: str, session: int, data: bytes) -> None:
        lag = self.lag.get((source, target), 0.0)
        at = max(self.world.now + self._delay() + lag, self.horizon.get((source, target), 0.0) + 1e-6)
        self.horizon[source, target] = at
        self.world.at(at, lambda: self._arrive(source, target, session, data))

    def _arrive(self, source: str, target: str, session: int, data: bytes) -> None:
        if self.sessions.get(frozenset((source, target))) == session:
            self.world.run_on(target, lambda host: host.transport.deliver(source, decode(data)))

    def connect(self, a: str, b: str) -> None:
        pair = frozenset((a, b))
        if pair in self.sessions or not (self.world.is_up(a) and self.world.is_up(b)):
            return
        if any(name in self.only and {name, self.only[name]} != pair for name in pair):
            return
        releases, hosts = self.world.releases, self.world.hosts
        if releases is not None and any(releases.refuses(hosts[x], hosts[y]) for x, y in ((a, b), (b, a))):
            return
        if (a, b) in self.blocked or (b, a) in self.blocked:
            return  # a handshake takes both directions
        self.count += 1
        self.sessions[pair] = session = self.count
        for own, peer in ((a, b), (b, a)):
            at = max(self.world.now + self._delay(), self.horizon.get((peer, own), 0.0) + 1e-6)
            self.horizon[peer, own] = at
            self.world.at(at, partial(self._established, own, peer, session))

    def _established(self, own: str, peer: str, session: int) -> None:
        if self.sessions.get(frozenset((own, peer))) == session:
            self.world.run_on(own, lambda host: host.transport.up(peer, session))

    def cut(self, a: str, b: str) -> None:
        """Break the link: what is on its way is lost; each side learns it, and later they connect again."""
        if self.sessions.pop(frozenset((a, b)), None) is None:
            return
        self.held.pop((a, b), None)
        self.held.pop((b, a), None)
        for own, peer in ((a, b), (b, a)):
            self.world.run_on(own, partial(_down, peer))

    def block(self, source: str, target: str) -> None:
        self.blocked.add((source, target))

    def unblock(self, source: str, target: str) -> None:
        """Heal a direction: what waited is delivered late, or the link turns out to be broken."""
        self.blocked.discard((source, target))
        held = self.held.pop((source, target), [])
        if held and self.rng.random() < 0.5:
            self.cut(source, target)
            return
        for session, data in held:
            if self.sessions.get(frozenset((source, target))) == session:
                self._dispatch(source, target, session, data)
