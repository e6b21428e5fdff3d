"""The voters: a pure function of (the snapshot's configuration, the log), and the commands that change it.

A MEMBERSHIP entry carries the full new voter list, takes effect when appended, is undone when truncated and does
nothing when it commits (raft spec 2b; faults 3, 20, 26). A snapshot stores the list as of its last entry (fault 21).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from coterie.consensus.raft.core.model.entries import MEMBERSHIP
from coterie.consensus.raft.errors import CorruptStateError, RaftRefusedError
from coterie.consensus.raft.ports import Entry

MAX_VOTERS = 255


class _Change(msgspec.Struct, frozen=True, array_like=True, tag="change"):
    """What is queued: add or remove one voter."""

    member: str
    add: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_voters = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_decode_change = msgspec.msgpack.Decoder(_Change).decode


def is_membership(command: bytes) -> bool:
    return command[:1] == MEMBERSHIP


def encode_voters(voters: Iterable[str]) -> bytes:
    """The command of a MEMBERSHIP entry."""
    return MEMBERSHIP + _encode(sorted(set(voters)))


def decode_voters(command: bytes) -> tuple[str, ...]:
    """The voters that a MEMBERSHIP entry names, sorted. Raises CorruptStateError."""
    try:
        voters = _decode_voters(command[1:])
    except msgspec.MsgspecError as error:
        raise CorruptStateError(f"a membership entry cannot be read: {error}") from None
    if list(voters) != sorted(set(voters)) or len(voters) > MAX_VOTERS:
        raise CorruptStateError("a membership entry's voters are not a sorted set")
    return voters


def encode_change(member: str, *, add: bool) -> bytes:
    """A queued request to change the configuration (without the command's type byte)."""
    return _encode(_Change(member, add))


def decode_change(body: bytes) -> tuple[str, bool]:
    change = _decode_change(body)
    return change.member, change.add


def changed(voters: Sequence[str], member: str, *, add: bool) -> tuple[str, ...]:
    """The list after a change by one voter. Raises RefusedError where it changes nothing or leaves nobody."""
    if add == (member in voters):
        raise RaftRefusedError("no_change", f"{member} is {'already' if add else 'not'} a voter")
    after = tuple(sorted({*voters, member} if add else set(voters) - {member}))
    if not after:
        raise RaftRefusedError("no_voters", "the last voter cannot be removed")
    if len(after) > MAX_VOTERS:
        raise RaftRefusedError("too_many_voters", f"at most {MAX_VOTERS}")
    return after


class Configurations:
    """The function above, kept up with the log entry by entry instead of computed anew."""

    __slots__ = ("_base", "_changes", "_from_snapshot")

    def __init__(self, base: tuple[str, ...], entries: Iterable[Entry], *, from_snapshot: bool = False) -> None:
        self._from_snapshot = from_snapshot
        self._base = tuple(sorted(base))
        self._changes: list[tuple[int, tuple[str, ...]]] = []  # (index, voters), rising
        for entry in entries:
            self.appended(entry)

    @property
    def latest(self) -> tuple[str, ...]:
        return self._changes[-1][1] if self._changes else self._base

    @property
    def latest_index(self) -> int:
        """The index of the entry that made the latest configuration; 0 where that was before the log."""
        return self._changes[-1][0] if self._changes else 0

    @property
    def founding(self) -> bool:
        """Does the configuration come from the founders' list alone, and from no entry or snapshot?"""
        return not self._changes and not self._from_snapshot

    def as_of(self, index: int) -> tuple[str, ...]:
        """The configuration after the entry at `index` (fault 21)."""
        voters = self._base
        for at, then in self._changes:
            if at > index:
                break
            voters = then
        return voters

    def may_hold(self, member: str, commit: int) -> bool:
        """Is `member` a voter of any configuration that may be the cluster's, with entries up to `commit` committed?

        One that is to go is needed until that is committed: it may be the only one that knows (thesis 4.2.2).
        """
        return member in self.as_of(commit) or any(member in voters for at, voters in self._changes if at > commit)

    def uncommitted(self, commit: int) -> int:
        """How many changes are in the log beyond `commit`."""
        return sum(1 for at, _ in self._changes if at > commit)

    def appended(self, entry: Entry) -> None:
        if is_membership(entry[0]):
            self._changes.append((entry[1], decode_voters(entry[0])))

    def truncated(self, first_gone: int) -> None:
        while self._changes and self._changes[-1][0] >= first_gone:
            self._changes.pop()

    def compacted(self, index: int, voters: tuple[str, ...]) -> None:
        """A snapshot whose last entry is at `index`, with `voters` as of then, now covers everything up to it."""
        self._base = voters
        self._from_snapshot = True
        self._changes = [change for change in self._changes if change[0] > index]
