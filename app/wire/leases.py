"""Bodies and answers of `/v1/leases`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from coterie.app.wire.keys import Revision
from coterie.app.wire.models import Answer, Body


class LeaseBody(Body):
    """A time to live, or a node whose process it shall live with."""

    ttl: Annotated[float | None, Field(gt=0, le=10**9, examples=[10.0])] = None
    """Seconds from its last renewal."""
    node: Annotated[str | None, Field(min_length=1)] = None
    """Instead: the name of a live node. The lease ends when gossip has held its process dead for `hold` seconds, or
    sees it restarted; nobody needs to renew it."""
    hold: Annotated[float, Field(gt=0, le=10**9)] = 5.0
    """Seconds."""
    generation: Annotated[int | None, Field(ge=0, lt=2**64)] = None
    """Of the node's process, to be sure which; the live one where it is left out."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ttl is None) == (self.node is None):
            raise ValueError("give either ttl or node")
        return self


class LeaseAnswer(Answer):
    """A lease."""

    lease: Annotated[int, Field(ge=1, examples=[3])]
    kind: Literal["ttl", "node"]
    ttl_seconds: float | None
    remaining_seconds: float | None
    """Until it ends unless it is renewed, in cluster time: never more than this. Null for a node-bound one."""
    deadline_ms: Annotated[int | None, Field(ge=0)]
    """When that is, in cluster time. Null for a node-bound one."""
    node: str | None
    generation: int | None
    """The incarnation of the node that it lives with."""
    hold_seconds: float | None
    renewals: Annotated[int, Field(ge=0)]


class LeaseDetailsAnswer(LeaseAnswer):
    """A lease, and what lives with it."""

    revision: Revision
    """The state's as it was read."""

    keys: list[str]
    """In order; places in queues of locks and elections are among them."""


class LeasesAnswer(Answer):
    """Leases by id."""

    leases: list[LeaseAnswer]
    next_page: str | None


class LeaseEndedAnswer(Answer):
    """The lease has ended, and its keys and locks with it."""

    lease: int
    revision: Revision
    deleted: Annotated[int, Field(ge=0)]
    """Keys that went with it."""
