"""Bodies and answers of `/v1/raft/...`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from coterie.app.wire.cluster import DecisionModel, RaftMemberModel
from coterie.app.wire.keys import Revision
from coterie.app.wire.models import Answer, Body


class PeerModel(Answer):
    """Another member, as this one knows it."""

    member_id: str
    voter: bool
    connected: bool
    match_index: Annotated[int, Field(ge=0)]
    """Up to where it is known to hold the leader's log; 0 where this node does not lead."""
    silent_seconds: float | None
    """Since it last answered this leader; null where it never did, or this node does not lead."""
    receives_snapshot: bool


class LinkEventModel(Answer):
    """Something that an operator should know: a wrong secret, another cluster, a copied directory."""

    time: float
    """Unix seconds."""
    kind: Annotated[str, Field(examples=["bad_secret"])]
    detail: str


class RaftStatusAnswer(Answer):
    """This node's own part."""

    enabled: bool
    """Whether this node takes part; if not, everything else is null or empty."""
    member_id: str | None
    cluster_id: str | None
    role: Annotated[str | None, Field(examples=["leader"])]
    leader: Annotated[str | None, Field(examples=["node1"])]
    """Node id."""
    term: int | None
    voters: list[str]
    """Member ids."""
    last_index: int | None
    commit_index: int | None
    applied_index: int | None
    snapshot_index: int | None
    log_entries: int | None
    revision: Revision | None
    founding: bool | None
    """The cluster is being founded: every founder's vote is needed."""
    change_pending: bool | None
    """The latest change of voters is not committed yet."""
    quorum: bool | None
    """A majority is known to be there."""
    failure: str | None
    """Why this node has stopped its part."""
    reason: str | None
    """Why this node is in no cluster, or what it waits for; null where all is well."""
    link_events: list[LinkEventModel]
    """What links to other members were refused or broken for, oldest first."""
    peers: list[PeerModel]


class RaftMembersAnswer(Answer):
    """Everybody in the Raft layer, as this node sees it."""

    members: list[RaftMemberModel]


class DecisionsAnswer(Answer):
    """What the leaders decided of the voters, oldest first."""

    decisions: list[DecisionModel]


class TransferBody(Body):
    """To whom."""

    node: Annotated[str | None, Field(examples=["node2"])] = None
    """A voter's node id; left out: whoever holds most of the log."""


class TransferAnswer(Answer):
    """Leadership was handed over: the new leader is heard of."""

    leader: Annotated[str, Field(examples=["node2"])]
    """Node id of the new leader."""


class RemovedAnswer(Answer):
    """It is barred for ever; the leader removes it."""

    removed: str
    """Member id."""


class LeftAnswer(Answer):
    """This node has left the Raft layer; it goes on without."""

    left: Literal[True]


class GivenUpAnswer(Answer):
    """The founding that this node waited for is given up."""

    given_up: str | None
    """What was done; null where there was nothing to give up."""
