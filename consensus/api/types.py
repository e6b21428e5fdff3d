"""What calls of the metadata API take and give beside the store's own types: freshness, results, request ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from coterie.consensus.store import WatchBatch

T = TypeVar("T")


class Consistency(StrEnum):
    LINEARIZABLE = "linearizable"
    """As fresh as anything acknowledged before the call began."""
    STALE = "stale"
    """What this member has applied, at once; `ReadResult.staleness` says how old it may be."""


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[T]):
    value: T
    revision: int
    """The state's revision as it was read."""
    staleness: float | None
    """None for a linearizable answer; else the seconds since this member last knew of a majority, inf for never."""


class RequestId(msgspec.Struct, frozen=True):
    """Names a write, so that trying it again does it at most once. Retries must repeat all of it."""

    id: bytes
    time_ms: int
    """Cluster time of the first try; the outcome is remembered for `request_window_ms` of cluster time."""
    principal: str = ""
    """Whose request it is. The same id with another operation, or for another caller, is refused (request_reused)."""
    owner: str = ""
    """Whose the leases are that it makes: nobody else may use them. Empty: everybody may."""
    any_lease: bool = True
    """Whether it may use leases of other owners, and make any number."""


class Watch(Protocol):
    """What `Metadata.watch` gives: `async with` it, then `async for` batches. For one task."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> WatchBatch: ...

    @property
    def revision(self) -> int:
        """All events up to this revision have been handed out."""
