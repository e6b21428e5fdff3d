"""The hub: takes diffs of both layers a few times a second while anybody subscribes, and makes events of them.

It starts with the first subscriber and stops some time after the last one. Each start begins a new epoch, and so does a
gap. Ids of another epoch mean nothing: a client that resumes with one gets a snapshot.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import orjson
import structlog

from coterie.app.api.live.diff import metadata as metadata_diff
from coterie.app.api.live.diff.gossip import Change, GossipDiff
from coterie.app.api.live.diff.raft import RaftDiff
from coterie.app.api.live.events.filters import Filter
from coterie.app.api.live.events.messages import FeedMessage
from coterie.app.api.live.events.ring import EventRing
from coterie.app.api.live.samples.details import Details
from coterie.app.api.live.samples.figures import NodeFigures
from coterie.app.api.live.samples.layers import sample_leases, sample_phi
from coterie.app.http.errors import ApiError
from coterie.app.raft.view import RaftView
from coterie.app.settings.live import LiveSettings
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import DETAILS
from coterie.consensus.store import Event as StoreEvent
from coterie.consensus.store import State
from coterie.gossip import Event, GossipNode, NodeAlive, NodeDead, NodeJoined, NodeRemoved

RAFT_DIFF_SECONDS = 0.2
"""What gossip tells of the Raft layer is read as often."""

MAX_CHANGES_PER_DIFF = 2_000
"""Of the metadata; the rest is told by the looks that follow."""

WOKEN_AT_ONCE = 50
"""Clients that are sent something in one turn of the event loop."""

FAULT_PAUSE_SECONDS = 1.0
"""Before it begins anew after a fault."""

log = structlog.stdlib.get_logger("live")


class Subscriber:
    """A client: what it wants, and what it has had. `news` wakes it."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.position = 0
        self.news = asyncio.Event()
        self.samples = 0
        """Number of the newest round of samples that it has had."""


class Hub:
    def __init__(
        self,
        node: GossipNode,
        part: RaftView,
        settings: LiveSettings,
        stopping: asyncio.Event,
        figures: NodeFigures,
    ) -> None:
        self.node = node
        self.part = part
        self.settings = settings
        self.stopping = stopping
        self.subscribers: set[Subscriber] = set()
        self.ring = self._new_ring()
        self.gossip: GossipDiff | None = None
        self.revision = 0
        """Of the metadata: told up to here."""
        self.state: State | None = None
        self.sample_round = 0
        self.samples: dict[str, FeedMessage] = {}
        """The newest of each kind; "heartbeat" among them."""
        self.dropped = 0
        """Clients that were too slow."""
        self._raft: RaftDiff | None = None
        self._next_raft_diff = 0.0
        self._details = Details(node, figures)
        self._next_sample = 0.0
        self._next_details = 0.0
        self._next_heartbeat = 0.0
        self._time = 0, 0.0
        """Cluster time in ms as it was last told, and when that was."""
        self._task: asyncio.Task[None] | None = None
        self._waking: asyncio.Task[None] | None = None
        self._wakes_due = False
        self._empty_since = 0.0
        self._room = float(settings.max_bytes_per_second)
        self._room_at = 0.0
        self._has_room = asyncio.Event()

    def _new_ring(self) -> EventRing:
        return EventRing(secrets.token_hex(4), self.settings.buffer_events, self.settings.buffer_bytes)

    # -- clients -----------------------------------------------------------------------------------------------------

    def enter(self, wanted: Filter) -> Subscriber:
        """Raises ApiError where too many are there."""
        limit = self.settings.max_clients
        if len(self.subscribers) >= limit:
            raise ApiError(Code.TOO_MANY_STREAMS, f"this node serves live.max_clients = {limit} already")
        if self.idle:
            self._begin()
            self._task = asyncio.create_task(self._run(), name="live updates")
        subscriber = Subscriber(wanted)
        self.subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)
        self._empty_since = time.monotonic()

    @property
    def idle(self) -> bool:
        """Nobody listens, nor did lately."""
        return self._task is None or self._task.done()

    async def admit(self, size: int) -> None:
        """Wait until so many bytes may be sent: all clients together have a rate, so that the node has time to live."""
        while self._room <= 0:
            await self._has_room.wait()
        self._room -= size

    # -- life --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """A new epoch, of what is there now."""
        self.ring = self._new_ring()
        self.gossip = GossipDiff(self.node, self.settings.max_value_bytes)
        self._raft = RaftDiff(self.part)
        self.state = self.part.state
        self.revision = 0 if self.state is None else self.state.keyspace.revision
        self._take_samples()
        self._beat()

    async def _run(self) -> None:
        unobserve = self.node.observe(self._on_gossip_event)
        try:
            while not self.stopping.is_set():
                try:
                    self._turn(time.monotonic())
                except Exception:
                    log.exception("internal error: please report it")
                    await self._sleep(FAULT_PAUSE_SECONDS)
                    self._begin()
                    self._wake()
                if not self.subscribers and time.monotonic() - self._empty_since > self.settings.keep_seconds:
                    return
                await self._sleep(self.settings.interval)
        finally:
            unobserve()
            self._details.end()
            self._wake()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    def _on_gossip_event(self, event: Event) -> None:
        """Who comes and goes is told at once, each step of it; keys wait for the next look."""
        if isinstance(event, NodeJoined | NodeAlive | NodeDead | NodeRemoved) and self.gossip is not None:
            self._publish(self.gossip.changes())
            self._wake()

    def _turn(self, now: float) -> None:
        before, round_before = self.ring.last, self.sample_round
        self._refill(now)
        if self.gossip is not None:
            self._publish(self.gossip.changes())
        if now >= self._next_raft_diff and self._raft is not None:
            self._next_raft_diff = now + RAFT_DIFF_SECONDS
            self._publish(self._raft.changes())
        self._diff_metadata()
        if now >= self._next_sample:
            self._take_samples()
        if now >= self._next_details:
            self._take_details()
        if now >= self._next_heartbeat:
            self._beat()
        if self.ring.last != before or self.sample_round != round_before:
            self._wake()

    def _refill(self, now: float) -> None:
        rate = self.settings.max_bytes_per_second
        self._room = min(float(rate), self._room + rate * min(1.0, now - self._room_at))
        self._room_at = now
        if self._room > 0:
            self._has_room.set()
            self._has_room = asyncio.Event()

    def _wake(self) -> None:
        """Some at a time: between them the event loop looks at what else there is, such as Raft's links."""
        self._wakes_due = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake_all(), name="live clients")

    async def _wake_all(self) -> None:
        while self._wakes_due:
            self._wakes_due = False
            for number, subscriber in enumerate(list(self.subscribers), 1):
                subscriber.news.set()
                if number % WOKEN_AT_ONCE == 0:
                    await asyncio.sleep(0)

    # -- looks -------------------------------------------------------------------------------------------------------

    def _publish(self, changes: Iterable[Change]) -> None:
        at = round(time.time(), 3)
        for kind, key, content in changes:
            self.ring.add(kind, key, orjson.dumps({"kind": kind, "time": at, **content}))

    def _diff_metadata(self) -> None:
        state = self.part.state
        if state is not self.state or (state is not None and self.revision < state.keyspace.history.compacted):
            self._begin()  # this node came to hold the metadata, holds it no longer, or took a snapshot of it
            self._wake()
            return
        if state is None or state.keyspace.revision == self.revision:
            return
        events: list[StoreEvent] = []
        shown, room = state.keyspace.revision, self.settings.buffer_bytes // 8
        for event in state.keyspace.history.after(self.revision):
            if (len(events) >= MAX_CHANGES_PER_DIFF or room <= 0) and event.revision != events[-1].revision:
                shown = events[-1].revision
                break
            events.append(event)
            room -= len(event.key) + (0 if event.record is None else len(event.record.value))
        self.revision = shown
        changes, decided = metadata_diff.diff(events, state, self.settings.max_value_bytes)
        self._publish(changes)
        if decided and self._raft is not None:
            self._publish(self._raft.new_decisions())

    # -- samples -----------------------------------------------------------------------------------------------------

    def _take_samples(self) -> None:
        self._next_sample = time.monotonic() + self.settings.sample_interval
        most = self.settings.max_sampled
        self.sample_round += 1
        self._sample("phi", {"type": "sample", "kind": "phi", **sample_phi(self.node, most)})
        if self.state is not None:
            leases = sample_leases(self.state, self._cluster_time(self.state), most)
            self._sample("leases", {"type": "sample", "kind": "leases", **leases})
        else:
            self.samples.pop("leases", None)

    def _take_details(self) -> None:
        self._next_details = time.monotonic() + self.settings.figures_interval
        wanted = (
            frozenset[str]().union(*(subscriber.wanted.kinds for subscriber in self.subscribers)).intersection(DETAILS)
        )
        for stale in DETAILS:
            self.samples.pop(stale, None)
        if not wanted:
            self._details.end()
            return
        self.sample_round += 1
        for kind, content in self._details.take(wanted, self.settings.max_sampled, len(self.subscribers)):
            self._sample(kind, {"type": "sample", "kind": kind, **content})

    def _cluster_time(self, state: State) -> int:
        """In ms, as far as this node can tell: it is told with entries, and goes on between them."""
        if state.time_ms != self._time[0]:
            self._time = state.time_ms, time.monotonic()
        time_ms, at = self._time
        return time_ms + int((time.monotonic() - at) * 1000)

    def _sample(self, kind: str, content: dict[str, Any], place: str | None = None) -> None:
        self.samples[kind] = message = FeedMessage({**content, "time": round(time.time(), 3)}, place=place)
        message.round = self.sample_round

    def _beat(self) -> None:
        self._next_heartbeat = time.monotonic() + self.settings.heartbeat
        place = self.ring.id_of(self.ring.last)
        self.sample_round += 1
        self._sample("heartbeat", {"type": "heartbeat", "id": place}, place)
