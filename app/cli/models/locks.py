"""What commands of locks, elections and semaphores print with `--json`."""

from __future__ import annotations

import msgspec

from coterie.app.wire.encoding import to_text
from coterie.app.wire.locks import QueuePlace, QueueWord
from coterie.consensus.store import QueueEntry


class QueueShown(msgspec.Struct, frozen=True):
    """A lock, an election or a semaphore, with holders and then waiters in order."""

    kind: QueueWord
    name: str
    holders: tuple[QueuePlace, ...]
    waiters: tuple[QueuePlace, ...]


class QueueList(msgspec.Struct, frozen=True):
    """What is held now."""

    queues: tuple[QueueShown, ...]


def show_place(place: QueueEntry) -> QueuePlace:
    value, encoding = to_text(place.value)
    return QueuePlace(place.token or None, place.lease, value, encoding, place.since)
