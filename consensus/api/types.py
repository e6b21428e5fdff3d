"""What calls of the metadata's face take and give beside the store's own types: freshness, answers, request ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class RequestId:
    """Names a write, so that trying it again does it at most once. Retries must repeat both fields."""

    id: bytes
    time_ms: int
    """Cluster time of the first try; after `request_window_ms` of it nobody remembers the outcome."""
