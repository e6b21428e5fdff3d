"""How often trouble with links is reported: strangers, and members that stay away, cannot flood the log.

Each kind is reported once in `least` seconds. For a member that cannot be called the pause doubles, up to `most`, until
the member is forgotten: reported at once, then ever less often, and at once again when it goes away anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Report:
    at: float
    pause: float
    hidden: int = 0
    """How often the trouble has come since."""


class Reports:
    def __init__(self, least: float, most: float) -> None:
        """In seconds."""
        self._least = least
        self._most = most
        self._latest: dict[tuple[str, str], _Report] = {}

    def due(self, kind: str, member: str, now: float) -> int | None:
        """How often it came since its latest report, where a report is due now; else None.

        `member`: the one in trouble, where the pause grows; empty where it does not. Names of members are few: `forget`
        those that are gone.
        """
        last = self._latest.get((kind, member))
        if last is None:
            self._latest[kind, member] = _Report(now, self._least)
            return 0
        if now - last.at < last.pause:
            last.hidden += 1
            return None
        self._latest[kind, member] = _Report(now, min(last.pause * 2, self._most) if member else self._least)
        return last.hidden

    def forget(self, member: str) -> None:
        """The next report about this member comes at once."""
        for key in [key for key in self._latest if key[1] == member]:
            del self._latest[key]
