"""Leaving, removal, and what a member does that learns of its own (spec section 4).

Every removal begins with a ban of the member id in the log: it is the request (by the member itself, by an operator, or
by the leader that found it dead), it outlives a change of leaders, and it bars the id for ever. A ban takes effect once
the member is no voter: until then it goes on voting, and a voter that was found dead and came back stays one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    LEAVE = "leave"
    """It asked to go."""
    FORCED = "forced"
    """An operator sent it away."""
    DEAD = "dead"
    """The leader replaced it."""


@dataclass(frozen=True, slots=True)
class Barred:
    """A ban, as the log has it."""

    cause: Cause
    words: str

    @property
    def asked_for(self) -> bool:
        return self.cause is not Cause.DEAD


def ban_reason(cause: Cause, words: str = "") -> str:
    """The text of a ban; at most 1,024 characters."""
    return f"{cause.value}: {words}"[:1_024]


def read_ban(reason: str) -> Barred:
    """What a ban's text says. Words of somebody else's making count as an operator's."""
    head, colon, words = reason.partition(":")
    try:
        cause = Cause(head)
    except ValueError:
        return Barred(Cause.FORCED, reason)
    return Barred(cause, words.strip() if colon else "")


class Fate(Enum):
    STAY = "stay"
    REJOIN = "rejoin"
    """Set the directory aside, and join again as a new member with an empty one."""
    GONE = "gone"
    """This member's part is over; the node goes on without Raft."""


@dataclass(frozen=True, slots=True)
class Rejoining:
    """Which removals a node comes back from by itself."""

    after_death: bool = True
    after_force: bool = False


def fate(
    member: str, voters: Collection[str], bans: Mapping[str, str], rejoining: Rejoining, *, leaving: bool
) -> tuple[Fate, str]:
    """What a member is to do, by the voters and bans that it has itself applied from the log, and why.

    `leaving`: this very process asked to go. One that was started again after its leave means to come back.
    """
    if member not in bans or member in voters:
        return Fate.STAY, ""
    barred = read_ban(bans[member])
    match barred.cause:
        case Cause.LEAVE if leaving:
            return Fate.GONE, "this member has left"
        case Cause.LEAVE:
            return Fate.REJOIN, "this member left before"
        case Cause.DEAD:
            told = f"this member was replaced: {barred.words}"
            return (Fate.REJOIN if rejoining.after_death else Fate.GONE), told
        case Cause.FORCED:
            told = f"this member was removed by an operator: {barred.words}"
            return (Fate.REJOIN if rejoining.after_force else Fate.GONE), told
