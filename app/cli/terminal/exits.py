"""How a command can end: the exit codes, which scripts may rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    about: str

    def __new__(cls, value: int, about: str) -> Exit:
        member = int.__new__(cls, value)
        member._value_ = value
        member.about = about
        return member

    DONE = 0, "It is done."
    FAILED = (
        1,
        "Refused, or failed: the same command would fail again. Nothing was changed, unless the message says so.",
    )
    WRONG_USAGE = 2, "The command line or the settings are wrong; no node was asked."
    NOT_FOUND = 3, "The key, node, token or lease is not there."
    PRECONDITION = 4, "A precondition does not hold, or the lock is somebody else's; nothing was changed."
    UNAVAILABLE = 5, "No node could be reached, or the cluster cannot now (no leader, overload); nothing was changed."
    UNKNOWN = 6, "The outcome is unknown: it may have happened. Look before you do it again."
    LOST = 7, "The lock or leadership was lost while the command ran."
    INTERRUPTED = 130, "Interrupted (Ctrl-C)."
