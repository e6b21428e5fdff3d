"""Bodies and answers of `/v1/locks`, `/v1/semaphores`, `/v1/elections` and `/v1/leases`."""

from __future__ import annotations

from typing import Annotated, Literal

from coterie.app.wire.base import MAX_INT, Answer, Body, Count, Doc, Encoding, Revision

DeadlineMs = Annotated[int | None, Doc(ge=0)]
QueueWord = Literal["lock", "election", "semaphore"]

# -- leases ------------------------------------------------------------------------------------------------------------


class LeaseBody(Body, frozen=True):
    """A time to live, or a node whose process it shall live with."""

    ttl: Annotated[float | None, Doc(gt=0, le=10**9, examples=[10.0])] = None
    """Seconds from its last renewal."""
    node: Annotated[str | None, Doc(min_length=1)] = None
    """Instead: the name of a live node. The lease ends when gossip has held its process dead for `hold` seconds, or
    sees it restarted; nobody needs to renew it."""
    hold: Annotated[float, Doc(gt=0, le=10**9)] = 5.0
    """Seconds."""
    generation: Annotated[int | None, Doc(ge=0, lt=2**64)] = None
    """Of the node's process, to be sure which; the live one where it is left out."""

    def __post_init__(self) -> None:
        if (self.ttl is None) == (self.node is None):
            raise ValueError("give either ttl or node")


class Lease(Answer, frozen=True):
    """A lease."""

    lease: Annotated[int, Doc(ge=1, examples=[3])]
    kind: Annotated[str, Doc(Literal["ttl", "node"])]
    ttl_seconds: float | None
    remaining_seconds: float | None
    """Until it ends unless it is renewed, in cluster time: never more than this. Null for a node-bound one."""
    node: str | None
    generation: int | None
    """The incarnation of the node that it lives with."""
    hold_seconds: float | None
    renewals: Count


class LeaseAnswer(Lease, frozen=True):
    """A lease."""

    deadline_ms: DeadlineMs
    """When it ends unless it is renewed, in cluster time. Null for a node-bound one."""


class LeaseDetails(Lease, frozen=True):
    """A lease, and what lives with it."""

    revision: Revision
    """The state's as it was read."""
    keys: tuple[str, ...]
    """In order; places in queues of locks and elections are among them."""


class LeaseDetailsAnswer(LeaseDetails, frozen=True):
    """A lease, and what lives with it."""

    deadline_ms: DeadlineMs
    """When it ends unless it is renewed, in cluster time. Null for a node-bound one."""


class LeaseList(Answer, frozen=True):
    """Leases by id."""

    leases: tuple[Lease, ...]


class LeasePage(LeaseList, frozen=True):
    """A page of them."""

    next_page: str | None


class LeasesAnswer(LeasePage, frozen=True):
    """Leases by id."""

    leases: tuple[LeaseAnswer, ...]


class LeaseRevoked(Answer, frozen=True):
    """The lease has ended, and its keys and locks with it."""

    lease: int
    revision: Revision
    deleted: Count
    """Keys that went with it."""


# -- locks, semaphores, elections --------------------------------------------------------------------------------------


class AcquireBody(Body, frozen=True):
    """In whose name, and for how long to wait."""

    lease: Annotated[int | None, Doc(ge=1, le=MAX_INT, examples=[3])] = None
    """The lease to hold it with: it is lost with the lease."""
    ttl: Annotated[float | None, Doc(gt=0, le=10**9)] = None
    """Instead: make a lease of so many seconds for it; the answer names it, and it is to be kept alive."""
    value: Annotated[str, Doc(examples=["worker-1"])] = ""
    """What others see beside the holder."""
    encoding: Encoding = "utf-8"
    wait: Annotated[float, Doc(ge=0)] = 0.0
    """Seconds to wait in the queue for it, up to `raft.max_request_timeout`; 0: answer at once."""
    stay: bool = False
    """Answer at once, and keep the place in the queue where others hold it: watch its `key` for the grant."""

    def __post_init__(self) -> None:
        if (self.lease is None) == (self.ttl is None):
            raise ValueError("give either lease or ttl")
        if self.stay and self.wait:
            raise ValueError("give either wait or stay")


class SemaphoreBody(AcquireBody, frozen=True, kw_only=True):
    """In whose name, for how long to wait, and how many may hold it."""

    permits: Annotated[int, Doc(ge=1, le=MAX_INT, examples=[3])]
    """How many hold it at a time; the same number for all while it is in use."""


class ProclaimBody(Body, frozen=True):
    """A new value of the leader."""

    token: Annotated[int, Doc(ge=1, le=MAX_INT, examples=[17])]
    """The leader's own."""
    value: Annotated[str, Doc(examples=["10.0.0.7:8080"])]
    encoding: Encoding = "utf-8"


class HeldAnswer(Answer, frozen=True):
    """It is held now; or, where that was asked for, there is a place in the queue for it."""

    name: str
    lease: int
    token: Annotated[int | None, Doc(ge=1, examples=[17])]
    """The fencing token: higher for every later holder. Whatever is changed under it should refuse a lower one. Null
    while waiting, with `stay` only."""
    key: Annotated[str, Doc(examples=["coterie/locks/jobs@00000000000000000017"])]
    """The place in the queue, as a key of the metadata: it is rewritten when it is granted, and deleted when lost."""
    revision: Revision
    """Of the place as it is told here."""
    ahead: Count
    """How many wait before this one."""


class QueuePlace(Answer, frozen=True):
    """A holder, or one that waits."""

    token: Annotated[int | None, Doc(ge=1)]
    """The fencing token; null while waiting."""
    lease: int
    value: str
    """What it says of itself."""
    encoding: Encoding
    since_revision: Revision
    """When it was asked for: who asked first comes first."""


class Queue(Answer, frozen=True):
    """Who holds it, and who waits, in order."""

    name: str
    holders: tuple[QueuePlace, ...]
    waiters: tuple[QueuePlace, ...]


class QueueAnswer(Queue, frozen=True):
    """Who holds it, and who waits, in order."""

    revision: Revision


class Election(Answer, frozen=True):
    """Who leads, and who would, in order."""

    name: str
    leader: QueuePlace | None
    candidates: tuple[QueuePlace, ...]


class ElectionAnswer(Election, frozen=True):
    """Who leads, and who would, in order."""

    revision: Revision


class NamesAnswer(Answer, frozen=True):
    """Those that anybody holds, in order."""

    revision: Revision
    names: tuple[str, ...]


class ReleasedAnswer(Answer, frozen=True):
    """Given back, or no longer waited for."""

    name: str
    revision: Revision
    released: Annotated[bool, Doc(Literal[True])]


class ProclaimedAnswer(Answer, frozen=True):
    """Others see the new value."""

    name: str
    revision: Revision
    token: int
