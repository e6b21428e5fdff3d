"""Who holds which lock: locks are held by one, semaphores by as many as their capacity says."""

from __future__ import annotations

from collections.abc import Mapping


class LockBook:
    """The holders of every lock, and the highest fencing token each has given."""

    def __init__(self, capacities: Mapping[str, int]) -> None:
        self._capacities = capacities
        self._holders: dict[str, dict[int, str]] = {}
        self._highest: dict[str, int] = {}

    def holders(self, lock: str) -> Mapping[int, str]:
        """The owners that hold a lock, by token."""
        return self._holders.get(lock, {})

    def held(self, lock: str, token: object) -> bool:
        return token in self.holders(lock)

    def full(self, lock: str) -> bool:
        return len(self.holders(lock)) >= self._capacities.get(lock, 1)

    def highest(self, lock: str) -> int:
        """The highest token of a lock so far; 0 before the first grant."""
        return self._highest.get(lock, 0)

    def grant(self, lock: str, owner: str, token: int) -> None:
        self._holders.setdefault(lock, {})[token] = owner
        self._highest[lock] = max(token, self.highest(lock))

    def release(self, lock: str, token: int) -> None:
        self._holders.get(lock, {}).pop(token, None)
