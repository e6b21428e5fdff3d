"""What was done to the gossip layer and what was seen of it: plain data, as the checkers take it.

An identity is a node's process: its name and its generation. Only an identity writes its namespace, and each of its
writes takes the next version. Times are of one clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Identity = tuple[str, int]

SET = "Set"
DELETE = "Delete"
EXPIRING = "DeleteAfterTtl"

WRITES = {"put": SET, "put_ttl": EXPIRING, "delete": DELETE, "expire": EXPIRING}
"""The status that each write leaves its key with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as a node holds it; a deleted one has the value ""."""

    value: str
    version: int
    status: str = SET

    @property
    def visible(self) -> bool:
        return self.status != DELETE


@dataclass(frozen=True, slots=True)
class GossipOperation:
    """One try of one client, at one node."""

    client: str
    node: str
    op: str
    """put, put_ttl, delete, expire or get."""
    owner: str
    """Whose key it is; of writes the node itself."""
    key: str
    invoked: float
    returned: float | None
    outcome: str
    """ok, failed (certainly without effect), unknown."""
    value: str | None = None
    """Written, or read; of a read None where the key was not there."""
    version: int | None = None
    generation: int | None = None
    """Of the process that answered."""
    of_generation: int | None = None
    """Of a read: of the process whose key it was."""
    error: str = ""

    @property
    def wrote(self) -> bool:
        """An acknowledged write that took a version. A deletion of nothing takes none."""
        return self.op != "get" and self.outcome == "ok" and self.version is not None

    @property
    def identity(self) -> Identity | None:
        return None if self.generation is None else (self.node, self.generation)


@dataclass(frozen=True, slots=True)
class StateChange:
    """What an observer's view of an identity differs in from the view before."""

    identity: Identity
    max_version: int
    last_gc_version: int
    set: Mapping[str, Entry] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    """Keys that were there in the view before."""


@dataclass(frozen=True, slots=True)
class View:
    """All that a node said it knew at some moment between `asked` and `answered`."""

    observer: str
    generation: int
    """Of the observer's own process. The first view of each is whole."""
    asked: float
    answered: float
    live: frozenset[Identity]
    changes: tuple[StateChange, ...] = ()
    forgotten: frozenset[Identity] = frozenset()
    dead: frozenset[Identity] = frozenset()

    @property
    def by(self) -> Identity:
        return self.observer, self.generation


@dataclass(frozen=True, slots=True)
class Silence:
    """An observer was asked, and did not answer."""

    observer: str
    asked: float
    until: float


@dataclass(frozen=True, slots=True)
class Life:
    """One run of a node's process; `ended` is infinity while it lasts. `pauses`: when it was stopped by a signal."""

    node: str
    started: float
    ended: float
    pauses: tuple[tuple[float, float], ...] = ()

    def asleep(self, start: float, end: float) -> bool:
        """Whether it was stopped by a signal for all of that time."""
        return any(began <= start and ended >= end for began, ended in self.pauses)

    def awake(self, start: float, end: float) -> bool:
        """Whether it ran for all of that time."""
        return self.started <= start and self.ended >= end and all(e < start or b > end for b, e in self.pauses)


@dataclass(frozen=True)
class GossipHistory:
    operations: Sequence[GossipOperation]
    views: Sequence[View]
    """In the order they were asked for."""
    silences: Sequence[Silence] = ()
    lives: Sequence[Life] = ()
    dead_node_grace: float = float("inf")
    """Seconds after which a dead identity may be forgotten."""

    def writes(self) -> Iterator[GossipOperation]:
        return (operation for operation in self.operations if operation.wrote)


@dataclass(frozen=True, slots=True)
class GossipState:
    """An identity's namespace as an observer holds it."""

    max_version: int = 0
    last_gc_version: int = 0
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def after(self, change: StateChange) -> GossipState:
        entries = {key: entry for key, entry in self.entries.items() if key not in change.lost}
        return GossipState(change.max_version, change.last_gc_version, {**entries, **change.set})


def show_identity(identity: Identity) -> str:
    return f"{identity[0]} (generation {identity[1]})"
