"""Leaving, removal, and what a member does once it learns of its own removal (raft spec 4).

Every removal begins with a ban of the member id in the log. The ban is the request (by the member itself, by an
operator, or by the leader that found it dead); it outlives a change of leaders, and holds for ever. It takes effect
once the member is no voter: until then the member goes on voting, and a dead voter that came back stays one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum


class RemovalCause(Enum):
    LEAVE = "leave"
    """It asked to go."""
    FORCED = "forced"
    """An operator sent it away."""
    DEAD = "dead"
    """The leader replaced it."""


@dataclass(frozen=True, slots=True)
class BanReason:
    """Why a member is banned, as the log has it."""

    cause: RemovalCause
    words: str

    @property
    def requested(self) -> bool:
        return self.cause is not RemovalCause.DEAD


def ban_text(cause: RemovalCause, words: str = "") -> str:
    """The reason of a ban as the log has it; at most 1,024 characters."""
    return f"{cause.value}: {words}"[:1_024]


def parse_ban_reason(reason: str) -> BanReason:
    """Total: a text that `ban_text` did not make counts as an operator's."""
    head, colon, words = reason.partition(":")
    try:
        cause = RemovalCause(head)
    except ValueError:
        return BanReason(RemovalCause.FORCED, reason)
    return BanReason(cause, words.strip() if colon else "")


class RemovalOutcome(Enum):
    STAY = "stay"
    REJOIN = "rejoin"
    """Archive the directory, and join again as a new member with an empty one."""
    GONE = "gone"
    """This member is no more; the node goes on without Raft."""


@dataclass(frozen=True, slots=True)
class RejoinPolicy:
    """After which removals a node comes back by itself."""

    after_death: bool = True
    after_force: bool = False


def removal_outcome(
    member: str, voters: Collection[str], bans: Mapping[str, str], rejoining: RejoinPolicy, *, leaving: bool
) -> tuple[RemovalOutcome, str]:
    """What a member is to do, and why, by the voters and bans that it has itself applied from the log.

    `leaving`: this very process asked to go. A process that was started again after its leave is to come back.
    """
    if member not in bans or member in voters:
        return RemovalOutcome.STAY, ""
    ban = parse_ban_reason(bans[member])
    match ban.cause:
        case RemovalCause.LEAVE if leaving:
            return RemovalOutcome.GONE, "this member has left"
        case RemovalCause.LEAVE:
            return RemovalOutcome.REJOIN, "this member left before"
        case RemovalCause.DEAD:
            why = f"this member was replaced: {ban.words}"
            return (RemovalOutcome.REJOIN if rejoining.after_death else RemovalOutcome.GONE), why
        case RemovalCause.FORCED:
            why = f"this member was removed by an operator: {ban.words}"
            return (RemovalOutcome.REJOIN if rejoining.after_force else RemovalOutcome.GONE), why
