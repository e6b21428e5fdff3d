"""Bodies and answers of `/v1/locks`, `/v1/semaphores` and `/v1/elections`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from coterie.app.wire.keys import Encoding, Revision
from coterie.app.wire.models import Answer, Body
from coterie.consensus.store.schema.limits import MAX_INT


class AcquireBody(Body):
    """In whose name, and for how long to wait."""

    lease: Annotated[int | None, Field(ge=1, le=MAX_INT, examples=[3])] = None
    """The lease to hold it with: it is lost with the lease."""
    ttl: Annotated[float | None, Field(gt=0, le=10**9)] = None
    """Instead: make a lease of so many seconds for it; the answer names it, and it is to be kept alive."""
    value: Annotated[str, Field(examples=["worker-1"])] = ""
    """What others see beside the holder."""
    encoding: Encoding = "utf-8"
    wait: Annotated[float, Field(ge=0)] = 0.0
    """Seconds to wait in the queue for it, up to `raft.max_request_timeout`; 0: answer at once."""
    stay: bool = False
    """Answer at once, and keep the place in the queue where others hold it: watch its `key` for the grant."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.lease is None) == (self.ttl is None):
            raise ValueError("give either lease or ttl")
        if self.stay and self.wait:
            raise ValueError("give either wait or stay")
        return self


class SemaphoreBody(AcquireBody):
    """In whose name, for how long to wait, and how many may hold it."""

    permits: Annotated[int, Field(ge=1, le=MAX_INT, examples=[3])]
    """How many hold it at a time; the same number for all while it is in use."""


class ProclaimBody(Body):
    """A new value of the leader."""

    token: Annotated[int, Field(ge=1, le=MAX_INT, examples=[17])]
    """The leader's own."""
    value: Annotated[str, Field(examples=["10.0.0.7:8080"])]
    encoding: Encoding = "utf-8"


class HeldAnswer(Answer):
    """It is held now; or, where that was asked for, there is a place in the queue for it."""

    name: str
    lease: int
    token: Annotated[int | None, Field(ge=1, examples=[17])]
    """The fencing token: higher for every later holder. Whatever is changed under it should refuse a lower one. Null
    while waiting, with `stay` only."""
    key: Annotated[str, Field(examples=["coterie/locks/jobs@00000000000000000017"])]
    """The place in the queue, as a key of the metadata: it is rewritten when it is granted, and deleted when lost."""
    revision: Revision
    """Of the place as it is told here."""
    ahead: Annotated[int, Field(ge=0)]
    """How many wait before this one."""


class PlaceModel(Answer):
    """A holder, or one that waits."""

    lease: int
    token: Annotated[int | None, Field(ge=1)]
    """Null while waiting."""
    value: str
    encoding: Encoding
    since_revision: Revision
    """When it was asked for."""


class QueueAnswer(Answer):
    """Who holds it, and who waits, in order."""

    name: str
    revision: Revision
    holders: list[PlaceModel]
    waiters: list[PlaceModel]


class ElectionAnswer(Answer):
    """Who leads, and who would, in order."""

    name: str
    revision: Revision
    leader: PlaceModel | None
    candidates: list[PlaceModel]


class NamesAnswer(Answer):
    """Those that anybody holds, in order."""

    revision: Revision

    names: list[str]


class ReleasedAnswer(Answer):
    """Given back, or no longer waited for."""

    name: str
    revision: Revision
    released: Literal[True]


class ProclaimedAnswer(Answer):
    """Others see the new value."""

    name: str
    revision: Revision
    token: int
