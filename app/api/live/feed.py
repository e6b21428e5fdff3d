"""A feed: what one client gets over either transport: hello, a snapshot where one is due, then events and samples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from coterie.app.api.live.events.filters import Filter
from coterie.app.api.live.events.messages import FeedMessage, Sendable, ending
from coterie.app.api.live.events.ring import PassedError
from coterie.app.api.live.hub import Hub, Subscriber
from coterie.app.api.live.snapshot import SnapshotPages
from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client asks for."""

    wanted: Filter
    last_id: str | None = None
    """Of the last event that it had: go on from there."""
    revision: int | None = None
    """Of the metadata that it holds: tell what came since, not all keys."""


class LiveUpdates:
    """A node's live updates: the hub, and the snapshots that clients begin with."""

    def __init__(self, hub: Hub) -> None:
        self.stall_seconds = hub.settings.stall_seconds
        self._hub = hub
        self._pages = SnapshotPages(hub)

    def feed(self, asked: Subscription) -> Feed:
        """A new client's feed. Raises ApiError when there are too many clients."""
        return Feed(self._hub, self._pages, asked)


class Feed:
    """One client's messages. Close it at the end; one task reads `messages`."""

    def __init__(self, hub: Hub, pages: SnapshotPages, asked: Subscription) -> None:
        """Raises ApiError where there are too many clients."""
        self._hub = hub
        self._pages = pages
        self._asked = asked
        self._answered = False
        self._subscriber: Subscriber = hub.enter(asked.wanted)

    def close(self) -> None:
        self._hub.leave(self._subscriber)

    @property
    def settled(self) -> bool:
        """The last subscription has been answered in full."""
        return self._answered

    def subscribe(self, asked: Subscription) -> None:
        """Instead of what was asked for before."""
        self._asked = asked
        self._answered = False
        self._subscriber.news.set()

    async def messages(self) -> AsyncGenerator[Sendable, None]:
        """Until something is said that ends it; the caller may stop before."""
        resume = True
        while True:
            asked = self._asked
            async for message in self._begin(asked, resume=resume):
                yield message
                if self._hub.stopping.is_set():
                    break
            self._answered = asked is self._asked
            ring = self._hub.ring
            while asked is self._asked:
                if self._hub.stopping.is_set():
                    yield ending(unavailable("stopped"))
                    return
                if self._hub.idle:
                    yield ending(ApiError(Code.INTERNAL, "live updates have stopped; this node's log says why"))
                    return
                if ring is not self._hub.ring:
                    break
                try:
                    async for sendable in self._news():
                        yield sendable
                except PassedError:
                    self._hub.dropped += 1
                    yield ending(_too_slow())
                    return
                await self._subscriber.news.wait()
            resume = asked is not self._asked

    async def _begin(self, asked: Subscription, *, resume: bool) -> AsyncIterator[FeedMessage]:
        """Hello, and a snapshot unless the client can go on from where it was."""
        subscriber, ring = self._subscriber, self._hub.ring
        subscriber.wanted = asked.wanted
        position, why = (None, "gap") if not resume else self._position(asked)
        subscriber.samples = self._hub.sample_round
        yield FeedMessage(
            {
                "type": "hello",
                "node_id": self._hub.node.node.node_id,
                "epoch": ring.epoch,
                "resumed": position is not None,
                "reason": why,
                "kinds": sorted(asked.wanted.kinds),
                "prefix": asked.wanted.prefix.decode(),
                **_part_of(asked.wanted),
                "heartbeat_seconds": self._hub.settings.heartbeat,
                "metadata": self._hub.state is not None,
            }
        )
        if position is not None:
            subscriber.position = position
            return
        subscriber.position = self._pages.base()
        async for message in self._pages.all(asked.wanted, asked.revision):
            # A sample that was taken since `hello` is part of the snapshot, and must not follow it again.
            subscriber.samples = max(subscriber.samples, message.round)
            yield message

    def _position(self, asked: Subscription) -> tuple[int | None, str]:
        """Where to go on, or why not."""
        ring = self._hub.ring
        if asked.last_id is None:
            return None, "first"
        number = ring.read_id(asked.last_id, asked.wanted.part)
        if number is None:
            return None, "other_epoch"
        return (number, "resumed") if ring.holds_after(number) else (None, "too_old")

    async def _news(self) -> AsyncIterator[Sendable]:
        """All that has come by now."""
        subscriber, hub, ring = self._subscriber, self._hub, self._hub.ring
        subscriber.news.clear()
        while subscriber.position < ring.last:
            batch = ring.batch(subscriber.position, subscriber.wanted)
            subscriber.position = batch.last
            if batch:
                await hub.admit(len(batch.sse))
                yield batch
        if subscriber.samples != hub.sample_round:
            had, subscriber.samples = subscriber.samples, hub.sample_round
            for kind, sample in list(hub.samples.items()):
                if sample.round > had and (kind == "heartbeat" or kind in subscriber.wanted.kinds):
                    yield sample if kind != "heartbeat" else self._heartbeat(sample)

    def _heartbeat(self, shared: FeedMessage) -> FeedMessage:
        part = self._subscriber.wanted.part
        if part is None:
            return shared
        place = self._hub.ring.id_of(self._subscriber.position, part)
        return FeedMessage({**shared.content, "id": place}, place=place)


def _part_of(wanted: Filter) -> dict[str, Any]:
    """What `hello` says of the part that may be told."""
    if wanted.part is None:
        return {"withheld": [], "within": {}}
    visible = {
        kind: [start.decode() for start in starts] for kind, starts in wanted.part.starts if kind in wanted.kinds
    }
    whole = {kind: [start.decode() for start in replace(wanted, part=None).starts(kind)] for kind in visible}
    return {
        "withheld": list(wanted.part.withheld),
        "within": {kind: starts for kind, starts in visible.items() if starts != whole[kind]},
    }


def _too_slow() -> ApiError:
    return ApiError(
        Code.TOO_SLOW,
        "events came faster than this client took them, and some are gone; connect again for a snapshot",
    )
