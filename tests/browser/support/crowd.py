"""A node that knows two hundred others, none of which is there: for pages that must keep up with a large cluster.

Its engine is told of them by datagrams as they would send them, five times a second, all the time: heartbeats, keys
that change, one that dies and comes back. What the page is told of it is what a node tells. By hand:
`python -m tests.browser.support.crowd 200`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

import structlog

from coterie.app.api.app import create_app
from coterie.app.observability.metrics.http import HttpMetrics
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.app.settings.tables import HttpSettings
from coterie.gossip import Address, Engine, GossipConfig, GossipNode, KeyStatus, NodeId, open_udp_socket
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.key_value import KeyValue
from coterie.gossip.wire.messages import Ack, Syn, SynAck
from tests.app.api.servers import serving
from tests.gossip.encoding import encode
from tests.waiting import PATIENCE_SECONDS

TURN_SECONDS = 0.2

KEYS_CHANGED = 5
"""In each turn."""

AWAY_TURNS = 60
"""How long the one that dies is silent."""

CONFIG = GossipConfig(gossip_interval=TURN_SECONDS, initial_interval=TURN_SECONDS)


class Crowd:
    """The others, as datagrams."""

    def __init__(self, node: GossipNode, size: int) -> None:
        self.node = node
        self._rng = Random(1)
        self._others = [
            NodeId(f"worker-{number:03}", 1_700_000_000, Address("127.0.0.2", 20_000 + number))
            for number in range(size)
        ]
        self._versions = [1] * size
        self._heartbeats = [1] * size
        self._turns = 0

    def turn(self) -> None:
        engine, now = self.node.engine, time.monotonic()
        self._turns += 1
        away = 0 if self._turns // AWAY_TURNS % 2 else None
        for number in range(len(self._others)):
            self._heartbeats[number] += number != away
        source = self._rng.choice(self._others).gossip_advertise_addr
        changed = self._rng.sample(range(1, len(self._others)), KEYS_CHANGED)
        for number in changed:
            self._versions[number] += 1
        delta = [self._delta(number) for number in (range(len(self._others)) if self._turns == 2 else changed)]
        engine.receive(encode(Syn(self._digest(), CONFIG.cluster_id)), source, now)
        engine.receive(encode(Ack(delta)), source, now)
        for peer, _ in engine.round(now):
            if peer != self._others[0].gossip_advertise_addr:
                engine.receive(encode(SynAck(self._digest(), [])), peer, now)
        self.node._dispatch_events()

    def _digest(self) -> Digest:
        own = self.node.engine.own
        rows = [
            (each.encoded, heartbeat, 0, version)
            for each, heartbeat, version in zip(self._others, self._heartbeats, self._versions, strict=True)
        ]
        ids, heartbeats, collected, versions = zip((own.encoded, 0, 0, own.max_version), *rows, strict=True)
        return Digest(ids, heartbeats, collected, versions)

    def _delta(self, number: int) -> NodeDelta:
        version = self._versions[number]
        kv = KeyValue.make("load", f"{self._rng.random():.3f}", version, KeyStatus.SET)
        return NodeDelta(self._others[number], 0, 0, [kv], version)


async def _serve(size: int, told: list[Address], up: threading.Event, stop: asyncio.Event) -> None:
    sock = open_udp_socket(Address("127.0.0.1", 0))
    own = NodeId("watcher", 1_700_000_000, Address(*sock.getsockname()))
    node = GossipNode(Engine(CONFIG, own, Random(2), now=time.monotonic()), sock)
    figures, loop_lag = HttpMetrics(), LoopLag()
    watching = asyncio.create_task(loop_lag.watch())
    stopping = asyncio.Event()
    app = create_app(node, HttpSettings(), stopping=stopping, figures=figures, loop_lag=loop_lag)
    crowd = Crowd(node, size)
    async with serving(app) as address:
        told.append(address)
        for _ in range(10):
            crowd.turn()
            await asyncio.sleep(0.05)
        up.set()
        while not stop.is_set():
            crowd.turn()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TURN_SECONDS)
        stopping.set()
    watching.cancel()
    await node.stop()


@contextmanager
def crowd(size: int) -> Iterator[str]:
    """Served in a thread until the end of the block: its URL."""
    told: list[Address] = []
    up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(size, told, up, stop),), daemon=True)
    thread.start()
    try:
        assert up.wait(PATIENCE_SECONDS), "the crowd did not start"
        yield f"http://{told[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)
        loop.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with crowd(int(sys.argv[1]) if len(sys.argv) > 1 else 200) as url:
        print(f"{url}/ui/")
        threading.Event().wait()
