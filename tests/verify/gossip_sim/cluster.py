"""A cluster of gossip engines in virtual time: a queue of events, replayed exactly by its seed.

Each node has its own clock, random generator, timer with jitter, and byte counters. Nodes can be killed, restarted and
paused as SIGSTOP would: their datagrams wait in a socket buffer of bounded size, and their rounds come late.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from coterie.gossip import Address, Engine, GossipConfig, NodeId
from coterie.gossip.anti_entropy.handshake import Datagram
from coterie.gossip.config import MAX_DATAGRAM_BYTES
from coterie.gossip.events.events import Event, NodeAlive, NodeDead
from tests.verify.gossip_sim.network import Link, Network
from tests.verify.gossip_sim.recorder import Recorder

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
"""What waits for a paused node; the rest is dropped (gossip spec 3)."""

ROUND_JITTER = 0.01
"""A round starts late by up to this share of the interval."""

FIRST_PORT = 10_000


class SimulationError(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True, eq=False)
class SimNode:
    """One generation of a node. A restart makes a new one."""

    engine: Engine
    clock_offset: float
    """Seconds by which this node's monotonic clock differs from virtual time."""
    started_at: float
    due: float
    """When the next round is due, in virtual time."""
    killed_at: float | None = None
    paused: bool = False
    waiting: deque[tuple[bytes, Address]] = field(default_factory=deque)
    waiting_bytes: int = 0
    sent_bytes: int = 0
    sent_datagrams: int = 0
    events: Counter[str] = field(default_factory=Counter)

    @property
    def id(self) -> NodeId:
        return self.engine.own.id

    @property
    def address(self) -> Address:
        return self.engine.own.id.gossip_advertise_addr

    @property
    def running(self) -> bool:
        return self.killed_at is None


@dataclass(frozen=True, slots=True)
class Death:
    """`holder` took `subject` for dead."""

    at: float
    holder: SimNode
    subject: NodeId


Observer = Callable[[SimNode, float], None]
"""Called with a node that has just taken a datagram or finished a round, and the virtual time."""


class Cluster:
    """Nodes, a network between them, and virtual time in seconds. Everything follows from `seed`."""

    def __init__(self, seed: int, config: GossipConfig, link: Link | None = None, *, record: bool = False) -> None:
        self.seed = seed
        self.config = config
        self.now = 0.0
        self.rng = Random(f"{seed}/schedule")
        self.network = Network(link or Link(), Random(f"{seed}/network"))
        self.nodes: list[SimNode] = []
        """Every generation that ever ran, in the order of their starts."""
        self.recorder = Recorder() if record else None
        self.observers: list[Observer] = []
        self.event_observers: list[Callable[[SimNode, Event, float], None]] = []
        self.deaths: list[Death] = []
        self.alive_views: Counter[NodeId] = Counter()
        """How many running nodes take an identity for alive, themselves not counted."""
        self.largest_datagram = 0
        self._listening: dict[Address, SimNode] = {}
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._queued = 0

    # -- nodes -------------------------------------------------------------------------------------------------------

    def add(
        self,
        node_id: str | None = None,
        *,
        generation: int = 1,
        address: Address | None = None,
        seeds: Sequence[Address] | None = None,
        key_values: Iterable[tuple[str, str]] = (),
        config: GossipConfig | None = None,
        start_after: float | None = None,
    ) -> SimNode:
        """Start a node now: its first round comes within one interval, or `start_after` seconds.

        Its seed is the first node ever started, unless `seeds` are given.
        """
        index = len(self.nodes)
        config = config or self.config
        address = address or Address("127.0.0.1", FIRST_PORT + index)
        node = NodeId(f"node_{index}" if node_id is None else node_id, generation, address)
        rng = Random(f"{self.seed}/node {index}")
        clock_offset = rng.uniform(0.0, 1e5)
        engine = Engine(config, node, rng, now=self.now + clock_offset, key_values=key_values)
        if seeds is None:
            seeds = [self.nodes[0].address] if self.nodes else []
        engine.seeds = tuple(seed for seed in seeds if seed != address)
        if start_after is None:
            start_after = self.rng.uniform(0.0, config.gossip_interval)
        started = SimNode(engine, clock_offset, self.now, self.now + start_after)
        if address in self._listening:
            raise ValueError(f"{address} is in use")
        self._listening[address] = started
        self.nodes.append(started)
        self._schedule_round(started)
        return started

    def add_many(self, count: int, **options: Any) -> list[SimNode]:
        return [self.add(**options) for _ in range(count)]

    @property
    def running(self) -> list[SimNode]:
        return [node for node in self.nodes if node.running]

    def kill(self, node: SimNode) -> None:
        """End a node without a word."""
        node.killed_at = self.now
        del self._listening[node.address]
        for seen in node.engine.live_nodes:
            if seen != node.id:
                self.alive_views[seen] -= 1

    def restart(self, node: SimNode, *, generation: int | None = None, **options: Any) -> SimNode:
        """Start a killed node anew, with nothing kept, under the next generation or the given one."""
        if node.running:
            self.kill(node)
        options.setdefault("seeds", node.engine.seeds)
        options.setdefault("config", node.engine.config)
        generation = node.id.generation + 1 if generation is None else generation
        return self.add(node.id.node_id, generation=generation, address=node.address, **options)

    def pause(self, node: SimNode) -> None:
        node.paused = True

    def resume(self, node: SimNode) -> None:
        """Let a node go on: what waits in its socket is read before the overdue round."""
        node.paused = False
        waiting, node.waiting, node.waiting_bytes = node.waiting, deque(), 0
        for datagram, source in waiting:
            self._receive(node, datagram, source)
        if node.due <= self.now:
            self._round(node)

    # -- time --------------------------------------------------------------------------------------------------------

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        """Run `action` at a virtual time (seconds)."""
        self._queued += 1
        heappush(self._queue, (time, self._queued, action, arguments))

    def run(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        self._run_to(self.now + seconds, None)

    def run_until(self, done: Callable[[], bool], limit: float) -> float:
        """Run until `done`, asked after every event, holds: the seconds that took. Raises past `limit` seconds."""
        began = self.now
        if not self._run_to(self.now + limit, done):
            error = SimulationError(f"not reached within {limit} s of virtual time")
            error.add_note(f"simulation seed: {self.seed}")
            raise error
        return self.now - began

    def _run_to(self, end: float, done: Callable[[], bool] | None) -> bool:
        queue = self._queue
        try:
            while queue and queue[0][0] <= end:
                if done is not None and done():
                    return True
                self.now, _, action, arguments = heappop(queue)
                action(*arguments)
        except BaseException as error:
            error.add_note(f"simulation seed: {self.seed}, at {self.now:.6f} s of virtual time")
            raise
        self.now = end
        return done is not None and done()

    # -- what the queue holds ----------------------------------------------------------------------------------------

    def _schedule_round(self, node: SimNode) -> None:
        jitter = self.rng.random() * ROUND_JITTER * node.engine.config.gossip_interval
        self.at(node.due + jitter, self._round_if_due, node)

    def _round_if_due(self, node: SimNode) -> None:
        if node.running and not node.paused and node.due <= self.now:
            self._round(node)

    def _round(self, node: SimNode) -> None:
        sent = node.engine.round(self.now + node.clock_offset)
        interval = node.engine.config.gossip_interval
        next_due = node.due + interval
        node.due = next_due if next_due > self.now else self.now + interval
        self._schedule_round(node)
        self._after(node, sent)

    def _deliver(self, target: Address, datagram: bytes, source: Address) -> None:
        node = self._listening.get(target)
        if node is None:
            return
        if not node.paused:
            self._receive(node, datagram, source)
        elif node.waiting_bytes + len(datagram) <= SOCKET_BUFFER_BYTES:
            node.waiting.append((datagram, source))
            node.waiting_bytes += len(datagram)

    def _receive(self, node: SimNode, datagram: bytes, source: Address) -> None:
        self._after(node, node.engine.receive(datagram, source, self.now + node.clock_offset))

    def _after(self, node: SimNode, sent: Sequence[Datagram]) -> None:
        for target, datagram in sent:
            self.send(node, target, datagram)
        for event in node.engine.take_events():
            self._take_event(node, event)
        for observer in self.observers:
            observer(node, self.now)

    def send(self, node: SimNode, target: Address, datagram: bytes) -> None:
        """Put a datagram of `node` on the network."""
        size = len(datagram)
        if size > min(MAX_DATAGRAM_BYTES, node.engine.config.max_datagram_bytes):
            raise SimulationError(f"{node.id} sends a datagram of {size} bytes")
        self.largest_datagram = max(self.largest_datagram, size)
        node.sent_bytes += size
        node.sent_datagrams += 1
        if self.recorder is not None:
            self.recorder.datagram(self.now, node.address, target, datagram)
        for delay in self.network.delays(node.address, target):
            self.at(self.now + delay, self._deliver, target, datagram, node.address)

    def _take_event(self, node: SimNode, event: Event) -> None:
        node.events[type(event).__name__] += 1
        if self.recorder is not None:
            self.recorder.event(self.now, node.id, event)
        if isinstance(event, NodeAlive):
            self.alive_views[event.node] += 1
        elif isinstance(event, NodeDead):
            self.alive_views[event.node] -= 1
            self.deaths.append(Death(self.now, node, event.node))
        for observer in self.event_observers:
            observer(node, event, self.now)

    # -- measures ----------------------------------------------------------------------------------------------------

    def all_alive_everywhere(self) -> bool:
        """Whether every running node takes every other for alive."""
        running = self.running
        return all(self.alive_views[node.id] == len(running) - 1 for node in running)

    def false_deaths(self) -> list[Death]:
        """Deaths of nodes that were running at the time, and not paused since their start."""
        by_id = {node.id: node for node in self.nodes}
        return [
            death
            for death in self.deaths
            if (killed_at := by_id[death.subject].killed_at) is None or death.at < killed_at
        ]

    def sent_bytes_per_second(self, seconds: float) -> float:
        """Let time pass: payload bytes that a running node sent per second, on average."""
        nodes = self.running
        before = sum(node.sent_bytes for node in nodes)
        self.run(seconds)
        return (sum(node.sent_bytes for node in nodes) - before) / len(nodes) / seconds
