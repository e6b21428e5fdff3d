"""Settings of the rules that choose voters, with units and defaults (raft spec 4)."""

from __future__ import annotations

from dataclasses import dataclass


class PolicyError(ValueError):
    """A setting that cannot work; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    min_voters: int = 3
    """No removal takes the voters below this, except a requested one; and by one, where a replacement is ready."""
    max_voters: int = 5
    stabilization_time: float = 10.0
    """Seconds for which an observer must be alive and caught up before it votes."""
    dead_voter_grace: float = 30.0
    """Seconds without an answer, while gossip holds it dead, until a voter may be replaced.

    Above the time of a restart or a reboot of a virtual machine, because a removed member starts anew with an empty
    directory; short enough that a second failure within it is unlikely.
    """
    max_lag_entries: int = 128
    """An observer counts as caught up while it lacks at most so many entries: under load it always lacks some."""
    prefer_odd: bool = True
    """An even number of voters costs an answer more and survives no failure more."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_voters <= self.max_voters:
            raise PolicyError("min_voters", "must be at least 1 and at most max_voters")
        if self.max_voters > 15:
            raise PolicyError("max_voters", "must be at most 15: each write waits for a majority of them")
        for name in ("stabilization_time", "dead_voter_grace", "max_lag_entries"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise PolicyError(name, "must be a number, 0 or above")
