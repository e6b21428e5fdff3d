"""The snapshot that a client begins with, page by page.

Other tasks run between pages, and clients that come within a second share pages: each page is rendered at or after the
position from which their events begin. So the pages show no single moment; the events that follow make them agree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from coterie.app.api.cluster.overview import show_decision
from coterie.app.api.live.diff import gossip as gossip_diff
from coterie.app.api.live.diff import metadata as metadata_diff
from coterie.app.api.live.diff.raft import RaftDiff, show_picture
from coterie.app.api.live.events.filters import Filter
from coterie.app.api.live.events.messages import FeedMessage
from coterie.app.api.live.events.ring import EventRing
from coterie.app.api.live.hub import Hub
from coterie.consensus.store import RESERVED_PREFIX, State, prefix_end

PAGE = 500
"""Items on a page, at most; fewer where they are large."""

PAGE_BYTES = 64 * 1024

SHARED_SECONDS = 1.0
"""Who comes within this time shares pages."""

SHARED_BYTES = 8 * 1024 * 1024

_KIND_OF = {"metadata_changes": "metadata"}
"""Of parts that are not named as the kind that they show."""


class SnapshotPages:
    """Makes pages, and keeps those of the last second."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._ring: EventRing | None = None
        self._base = 0
        self._until = 0.0
        self._kept: dict[tuple[Any, ...], tuple[FeedMessage, Any]] = {}
        self._bytes = 0

    def base(self) -> int:
        """The number behind which events follow a snapshot that begins now."""
        ring, now = self._hub.ring, time.monotonic()
        if ring is not self._ring or now >= self._until or not ring.holds_after(self._base):
            self._ring, self._base, self._until = ring, ring.last, now + SHARED_SECONDS
            self._kept.clear()
            self._bytes = 0
        return self._base

    async def all(self, wanted: Filter, since_revision: int | None) -> AsyncIterator[FeedMessage]:
        """What the filter lets through, up to `live.snapshot_bytes`, and `ready` last, which says what is left out."""
        ring, kinds = self._hub.ring, wanted.kinds
        base = self.base()
        state = self._hub.state
        revision = self._hub.revision
        size = 0
        left_out: list[str] = []
        parts = ["members"] if "members" in kinds else []
        parts += ["raft"] if kinds & {"raft", "decisions"} else []
        parts += [part for part in ("gossip", "metadata", "queues") if part in kinds]
        for part in parts:
            if part == "metadata" and self._reaches_back(state, since_revision):
                part = "metadata_changes"  # noqa: PLW2901 - the same part in another shape
            at: Any = since_revision if part == "metadata_changes" else None
            while True:
                page, at = self._page(part, wanted.starts(_KIND_OF.get(part, part)), at)
                size += len(page.body)
                yield page
                await asyncio.sleep(0)
                if at is None or self._hub.ring is not ring:
                    break
                if size > self._hub.settings.snapshot_bytes:
                    left_out.append(part)
                    break
        # Both of one round: the caller goes on behind it.
        samples = [self._hub.samples[kind] for kind in ("phi", "leases") if kind in kinds & self._hub.samples.keys()]
        for sample in samples:
            yield sample
        place = ring.id_of(base, wanted.part)
        extent = {"revision": revision if state is not None and wanted.shows_revision else None, "left_out": left_out}
        yield FeedMessage({"type": "ready", "id": place, **extent}, place=place)

    @staticmethod
    def _reaches_back(state: State | None, since: int | None) -> bool:
        if state is None or since is None:
            return False
        return state.keyspace.history.compacted <= since <= state.keyspace.revision

    def _page(self, part: str, starts: tuple[bytes, ...], at: Any) -> tuple[FeedMessage, Any]:
        key = (part, starts, at)
        kept = self._kept.get(key)
        if kept is None:
            content, following = self._render(part, starts, at)
            kept = FeedMessage({"type": "snapshot", "part": part, **content}), following
            self._bytes += len(kept[0].body)
            if self._bytes <= SHARED_BYTES:
                self._kept[key] = kept
        return kept

    def _render(self, part: str, starts: tuple[bytes, ...], at: Any) -> tuple[dict[str, Any], Any]:
        """`starts`: keys or names must start with one of these."""
        match part:
            case "members":
                return self._members(), None
            case "raft":
                return self._raft(), None
            case "gossip":
                return self._gossip(starts, at)
            case "queues":
                return self._queues(starts, at)
            case "metadata_changes":
                return self._changes(starts, at)
        return self._metadata(starts, at)

    def _members(self) -> dict[str, Any]:
        engine, look = self._hub.node.engine, self._hub.gossip
        assert look is not None, "a hub with clients looks"  # noqa: S101
        return {
            "cluster_id": engine.config.cluster_id,
            "node_id": self._hub.node.node.node_id,
            "members": [look.show_member(state) for state in engine.states],
        }

    def _raft(self) -> dict[str, Any]:
        part = self._hub.part
        return {
            "raft": show_picture(part, part.picture()),
            "members": list(RaftDiff(part).members.values()),
            "decisions": [show_decision(each) for each in part.decisions()],
        }

    def _gossip(self, starts: tuple[bytes, ...], at: tuple[bytes, str] | None) -> tuple[dict[str, Any], Any]:
        """By encoded identity, then by key: `at` is the last one shown."""
        begins, most = tuple(start.decode() for start in starts), self._hub.settings.max_value_bytes
        found: list[dict[str, Any]] = []
        size = 0
        for encoded, state in sorted(self._hub.node.engine.by_identity.items()):
            if at is not None and encoded < at[0]:
                continue
            after = at[1] if at is not None and encoded == at[0] else None
            for kv in state.visible():
                if not kv.key.startswith(begins) or (after is not None and kv.key <= after):
                    continue
                if len(found) == PAGE or size > PAGE_BYTES:
                    return {"keys": found}, at
                found.append(gossip_diff.show_key(state.id, kv, most))
                size += min(len(kv.op), most)
                at = (encoded, kv.key)
        return {"keys": found}, None

    def _metadata(self, starts: tuple[bytes, ...], at: tuple[int, bytes | None] | None) -> tuple[dict[str, Any], Any]:
        """`at`: which of `starts`, and the last key shown of it."""
        state, most = self._hub.state, self._hub.settings.max_value_bytes
        if state is None:
            return {"available": False, "revision": None, "keys": []}, None
        shown: list[dict[str, Any]] = []
        number, last = at or (0, None)
        size, room = 0, PAGE
        while number < len(starts) and room > 0 and size <= PAGE_BYTES:
            start = starts[number]
            page = state.range(start if last is None else last + b"\0", prefix_end(start), limit=room)
            room -= len(page.records)
            for record in page.records:
                if size > PAGE_BYTES:
                    break
                last = record.key
                if not last.startswith(RESERVED_PREFIX):
                    shown.append(metadata_diff.show_key(record, most))
                    size += min(len(record.value), most)
            else:
                if page.next is None:
                    number, last = number + 1, None
        content = {"available": True, "revision": state.keyspace.revision, "keys": shown}
        return content, (number, last) if number < len(starts) else None

    def _changes(self, starts: tuple[bytes, ...], after: int) -> tuple[dict[str, Any], Any]:
        """Whole revisions from behind `after` on, out of history."""
        state, most = self._hub.state, self._hub.settings.max_value_bytes
        if state is None or after < state.keyspace.history.compacted:
            return {"changes": [], "revision": after}, None  # a new epoch begins at once
        shown: list[dict[str, Any]] = []
        size, shown_revision = 0, after
        for event in state.keyspace.history.after(after):
            if event.revision > shown_revision and (len(shown) >= PAGE or size > PAGE_BYTES):
                return {"changes": shown, "revision": shown_revision}, shown_revision
            shown_revision = event.revision
            if event.key.startswith(starts) and not event.key.startswith(RESERVED_PREFIX):
                shown.append(metadata_diff.show_change(event, most))
                size += 0 if event.record is None else min(len(event.record.value), most)
        return {"changes": shown, "revision": state.keyspace.revision}, None

    def _queues(self, starts: tuple[bytes, ...], at: tuple[int, bytes] | None) -> tuple[dict[str, Any], Any]:
        state = self._hub.state
        if state is None:
            return {"available": False, "queues": []}, None
        fitting = (each for each in _all_queues(state) if each[1].startswith(starts) and (at is None or each > at))
        found = list(islice(fitting, PAGE + 1))
        kinds = list(metadata_diff.QUEUE_WORDS)
        shown = [metadata_diff.show_queue(state, kinds[number], name) for number, name in found[:PAGE]]
        return {"available": True, "queues": shown}, found[PAGE - 1] if len(found) > PAGE else None


def _all_queues(state: State) -> Iterator[tuple[int, bytes]]:
    for number, kind in enumerate(metadata_diff.QUEUE_WORDS):
        for name in state.queue_names(kind):
            yield number, name
