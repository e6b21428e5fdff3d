"""The metadata's diff: keys, and the queues of locks, elections and semaphores.

Keys under the system's prefix are no keys to clients: queues and decisions have events of their own, and other system
keys have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from msgspec.structs import replace

from coterie.app.api.encoding import show_record
from coterie.app.api.live.diff.gossip import Change
from coterie.app.api.locks.acquire import show_queue_entry
from coterie.app.api.locks.leases import show_lease
from coterie.app.wire.encoding import to_text
from coterie.consensus.autopilot.decision_log import DECISIONS_PREFIX
from coterie.consensus.store import RESERVED_PREFIX, Event, QueueKind, Record, State, queue_of

QUEUE_WORDS = {QueueKind.LOCK: "lock", QueueKind.ELECTION: "election", QueueKind.SEMAPHORE: "semaphore"}

MAX_PLACES = 100
"""Holders and waiters shown of one queue."""


def show_key(record: Record, max_value_bytes: int) -> dict[str, Any]:
    """A key as snapshots and events show it; of a long value only that there is one."""
    if len(record.value) <= max_value_bytes:
        return show_record(record)
    return {**show_record(replace(record, value=b"")), "value": None, "encoding": None}


def show_change(event: Event, max_value_bytes: int) -> dict[str, Any]:
    if event.record is not None:
        return {"change": "put", "revision": event.revision, **show_key(event.record, max_value_bytes)}
    key, key_encoding = to_text(event.key)
    content = {"change": "delete", "revision": event.revision, "key": key}
    return content if key_encoding == "utf-8" else {**content, "key_encoding": key_encoding}


def show_queue(state: State, kind: QueueKind, name: bytes) -> dict[str, Any]:
    """Who holds it and who waits, in order; both are empty once nobody wants it."""
    places = [(place, show_queue_entry(place)) for place in state.queue_entries(kind, name, MAX_PLACES)]
    return {
        "queue": QUEUE_WORDS[kind],
        "name": to_text(name)[0],
        "revision": state.keyspace.revision,
        "holders": [it for place, it in places if place.token],
        "waiters": [it for place, it in places if not place.token],
    }


def show_leases(state: State, time_ms: int, most: int) -> dict[str, Any]:
    """`time_ms`: cluster time now, where more is known of it than the state's own."""
    shown = []
    for lease in islice(state.leases.table.values(), most):
        content = show_lease(lease, state)
        if not lease.node:
            content["remaining_seconds"] = max(0, lease.deadline_ms - time_ms) / 1000
        shown.append(content)
    return {"total": len(state.leases.table), "leases": shown}


def diff(events: Iterable[Event], state: State, max_value_bytes: int) -> tuple[Iterator[Change], bool]:
    """The events that tell of these changes, and whether a decision is among them."""
    changes: list[Change] = []
    queues: dict[tuple[QueueKind, bytes], None] = {}
    decided = False
    for event in events:
        if not event.key.startswith(RESERVED_PREFIX):
            changes.append(("metadata", event.key, show_change(event, max_value_bytes)))
        elif (queue := queue_of(event.key)) is not None:
            queues[queue] = None
        else:
            decided |= event.key.startswith(DECISIONS_PREFIX)
    # The present state, not each step to it.
    changes += [("queues", name, show_queue(state, kind, name)) for kind, name in queues]
    return iter(changes), decided
