"""What the commands of locks, elections, semaphores and leases print with `--json`."""

from __future__ import annotations

from typing import Literal

import msgspec

from coterie.app.cli.models.meta import Encoding
from coterie.app.client.api.leases import Lease
from coterie.app.client.encoding import encoded
from coterie.consensus.store import QueueEntry


class PlaceShown(msgspec.Struct, frozen=True):
    """A holder, or a waiter."""

    token: int | None
    """The fencing token; null while waiting."""
    lease: int
    value: str
    """What it says of itself."""
    encoding: Encoding
    since_revision: int
    """At which it was asked for: who asked first comes first."""


class QueueShown(msgspec.Struct, frozen=True):
    """A lock, an election or a semaphore, with holders and then waiters in order."""

    kind: Literal["lock", "election", "semaphore"]
    name: str
    holders: tuple[PlaceShown, ...]
    waiters: tuple[PlaceShown, ...]


class QueueList(msgspec.Struct, frozen=True):
    """What is held now."""

    queues: tuple[QueueShown, ...]


class Leader(msgspec.Struct, frozen=True):
    """Of an election, at a revision."""

    name: str
    leader: PlaceShown | None
    candidates: tuple[PlaceShown, ...]


class LeaseList(msgspec.Struct, frozen=True):
    """Leases by id."""

    leases: tuple[Lease, ...]


class LeaseRevoked(msgspec.Struct, frozen=True):
    """The lease has ended, and its keys and locks with it."""

    lease: int
    revision: int
    deleted: int
    """Keys that went with it."""


def show_place(place: QueueEntry) -> PlaceShown:
    value = encoded(place.value)
    encoding: Encoding = "base64" if "encoding" in value else "utf-8"
    return PlaceShown(place.token or None, place.lease, value["value"], encoding, place.since)
