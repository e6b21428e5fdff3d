"""Locks in the record: the places in their queues are keys, which the checkers know as grants and releases.

The raw record tells of every key, the cluster's own included. What clients may write stays as it is, a lock's places
become grants and releases, and of the cluster's other keys only the revision stays.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import replace

import orjson

from tests.verify.linearizability import Commit, Delivery, History, KeyDeleted, KeyPut, LockGranted, LockReleased
from tests.verify.linearizability.histories.history import Event

RESERVED = "coterie/"
LOCKS = "coterie/locks/"


def with_locks(raw: History) -> History:
    """The history as the main checker takes it, from one whose record and watches show keys alone."""
    return replace(
        raw,
        commits=tuple(_commits(raw.commits)),
        watches=tuple([replace(watch, deliveries=_own(watch.deliveries)) for watch in raw.watches]),
    )


def _own(deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """Deliveries without the cluster's own keys."""
    return tuple(
        [
            replace(each, events=tuple([event for event in each.events if not event.key.startswith(RESERVED)]))
            for each in deliveries
        ]
    )


def _commits(commits: Iterable[Commit]) -> Iterator[Commit]:
    tokens: dict[str, int] = {}
    for commit in commits:
        kept: list[Event] = []
        releases: list[Event] = []
        grants: list[Event] = []
        for event in commit.events:
            if isinstance(event, LockGranted | LockReleased) or not event.key.startswith(RESERVED):
                kept.append(event)
            elif event.key.startswith(LOCKS):
                lock = event.key[len(LOCKS) :].rpartition("@")[0]
                if isinstance(event, KeyDeleted):
                    if token := tokens.pop(event.key, 0):
                        releases.append(LockReleased(lock, token))
                elif event.key not in tokens:
                    granted = _grant(lock, event)
                    if granted is not None:
                        tokens[event.key] = granted.token
                        grants.append(granted)
        yield replace(commit, events=(*kept, *releases, *grants))


def _grant(lock: str, place: KeyPut) -> LockGranted | None:
    """The grant that a place tells of; None for one that waits."""
    told = orjson.loads(place.value)
    owner = b64decode(told["value"]).decode()
    return LockGranted(lock, owner, told["token"]) if told["token"] else None
