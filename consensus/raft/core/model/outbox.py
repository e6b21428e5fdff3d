"""Messages on their way out: none leaves before the term and the vote that it rests on are on the disk (paper, Figure
2; raft spec 2b, elections). Pure bookkeeping: the disk reports, and what may leave leaves in order."""

from __future__ import annotations

from collections import deque

from coterie.consensus.raft.messages import Message

MAX_HELD = 10_000
"""Messages that wait for the disk. One that hangs so long answers nobody: the links are closed."""


class Outbox:
    __slots__ = ("_begun", "_held", "_stored", "since")

    def __init__(self) -> None:
        self._begun = 0  # hard states given to the disk
        self._stored = 0  # of these, what it holds: it takes them in turn
        self._held: deque[tuple[int, str, Message]] = deque()
        self.since = 0.0
        """When the disk began with the hard state that it is at."""

    @property
    def storing(self) -> bool:
        """Is a hard state on its way to the disk?"""
        return self._begun > self._stored

    def store(self, now: float) -> None:
        """Another term or vote goes to the disk: what is sent from here on rests on it."""
        if not self.storing:
            self.since = now
        self._begun += 1

    def stored(self, now: float) -> None:
        """The disk holds one more."""
        self._stored += 1
        self.since = now

    def leaving(self, messages: list[tuple[str, Message]]) -> list[tuple[str, Message]]:
        """What may leave now of what is held and of `messages`, which come last."""
        if not self._held and not self.storing:
            return messages
        self._held.extend((self._begun, to, message) for to, message in messages)
        free = []
        while self._held and self._held[0][0] <= self._stored:
            _, to, message = self._held.popleft()
            free.append((to, message))
        return free

    def forget(self, member: str) -> None:
        """Its link broke: a later one begins with later messages."""
        if self._held:
            self._held = deque(each for each in self._held if each[1] != member)

    def overflow(self) -> list[str]:
        """Members whose links are to be closed, for more messages wait than are held: all that wait are lost."""
        if len(self._held) <= MAX_HELD:
            return []
        members = sorted({member for _, member, _ in self._held})
        self._held.clear()
        return members
