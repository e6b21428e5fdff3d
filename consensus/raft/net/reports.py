"""How often trouble with links is told: strangers, and members that stay away, cannot flood the log.

Of one kind it is told once in `least` seconds. Of a member that cannot be called the pause doubles, up to `most`, until
it is forgotten: told at once, then ever less often, and at once again when it goes away anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Told:
    at: float
    pause: float
    hidden: int = 0
    """How often it has come since, untold."""


class Reports:
    def __init__(self, least: float, most: float) -> None:
        """In seconds."""
        self._least = least
        self._most = most
        self._told: dict[tuple[str, str], _Told] = {}

    def due(self, kind: str, member: str, now: float) -> int | None:
        """How often it came untold since it was told last, if it is to be told now; else None.

        `member`: whose trouble it is, where the pause is to grow; empty where it is not. Names of members are few:
        `forget` those that are gone.
        """
        last = self._told.get((kind, member))
        if last is None:
            self._told[kind, member] = _Told(now, self._least)
            return 0
        if now - last.at < last.pause:
            last.hidden += 1
            return None
        self._told[kind, member] = _Told(now, min(last.pause * 2, self._most) if member else self._least)
        return last.hidden

    def forget(self, member: str) -> None:
        """What is told of this member next is news."""
        for key in [key for key in self._told if key[1] == member]:
            del self._told[key]
