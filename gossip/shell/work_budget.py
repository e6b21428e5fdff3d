"""Who may use how much of the event loop's time for datagrams (gossip spec 3, 10)."""

from __future__ import annotations

from collections.abc import Callable

from coterie.gossip.anti_entropy.token_bucket import TokenBucket
from coterie.gossip.wire.identity import Address

SOURCE_SHARE = 0.1
"""The datagrams of one address get this share of the event loop's time; all strangers together count as one."""

MAX_SOURCES = 20_000
"""Addresses whose time is counted; then all start anew."""


class WorkBudget:
    """Counts the time that each source's datagrams take. A source that used up its share is not read."""

    def __init__(self, is_stranger: Callable[[Address], bool]) -> None:
        self._is_stranger = is_stranger
        self._sources: dict[Address | None, TokenBucket] = {}

    def admits(self, source: Address, now: float) -> bool:
        return not self._bucket(source, now).is_empty(now)

    def spend(self, source: Address, seconds: float, now: float) -> None:
        self._bucket(source, now).spend(seconds, now)

    def _bucket(self, source: Address, now: float) -> TokenBucket:
        key = None if self._is_stranger(source) else source
        bucket = self._sources.get(key)
        if bucket is None:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.clear()
            bucket = self._sources[key] = TokenBucket(SOURCE_SHARE, now)
        return bucket
