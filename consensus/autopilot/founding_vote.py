"""Proposals to found a cluster, and what a member must remember of its answers (spec section 4, bootstrap).

Proposals have an order: a newer try stands above an older one, and at the same try a lower proposer above a higher one.
An answer only ever moves up in that order, so one mark, the highest proposal ever answered, says which ones are dropped
for ever. A member holds at most one answer, and stores it before it tells anybody.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

BALLOT_VERSION = 1

MAX_FOUNDERS = 9
MAX_NODE_NAME = 60
"""Characters of a node's name that are kept beside its member id: they are for messages alone."""

# What peers may write into a proposal is bounded, so that every ballot fits its file.
MemberId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{1,64}\Z")]
ClusterId = Annotated[str, Meta(min_length=1, max_length=128)]
MAX_ATTEMPT = 2**53
Attempt = Annotated[int, Meta(ge=0, le=MAX_ATTEMPT)]
NodeName = Annotated[str, Meta(max_length=MAX_NODE_NAME)]


class BallotError(ValueError):
    """Bytes that hold no ballot which this version knows."""


class Rank(msgspec.Struct, frozen=True, array_like=True):
    """A proposal's place in the order."""

    attempt: Attempt
    proposer: MemberId

    def above(self, other: Rank | None) -> bool:
        if other is None:
            return True
        return self.attempt > other.attempt or (self.attempt == other.attempt and self.proposer < other.proposer)


class Founder(msgspec.Struct, frozen=True, array_like=True):
    member: MemberId
    node: NodeName
    """The name of its node, cut to `MAX_NODE_NAME`."""


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """One cluster id and one list of founders, the proposer among them; `attempt` counts tries, over all proposers."""

    cluster_id: ClusterId
    attempt: Attempt
    proposer: MemberId
    founders: Annotated[tuple[Founder, ...], Meta(max_length=MAX_FOUNDERS)]

    @property
    def rank(self) -> Rank:
        return Rank(self.attempt, self.proposer)

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(founder.member for founder in self.founders)

    @property
    def problem(self) -> str | None:
        """Why it is no proposal at all; None where it is one."""
        members = self.members
        if self.attempt < 1:
            return "its attempt is below 1"
        if list(members) != sorted(set(members)):
            return "its founders are not a sorted set"
        if self.proposer not in members:
            return "its proposer is no founder"
        return None

    def node_of(self, member: str) -> str:
        return next((founder.node for founder in self.founders if founder.member == member), "")


class Ballot(msgspec.Struct, frozen=True, array_like=True):
    """`answer`: the proposal that this member agrees to. `floor`: nothing at or below it is accepted (again).

    `joining`: instead, the cluster that it is about to join, on gossip's word alone so far.
    """

    answer: Proposal | None = None
    floor: Rank | None = None
    joining: ClusterId | None = None

    def accepts(self, proposal: Proposal) -> bool:
        return proposal.rank.above(self.floor)

    def answering(self, proposal: Proposal) -> Ballot:
        """The ballot with this answer in place of the former. Raises ValueError for one that was dropped for ever."""
        if not self.accepts(proposal):
            raise ValueError(f"attempt {proposal.attempt} of {proposal.proposer} is at or below what was answered")
        return Ballot(proposal, proposal.rank)

    def dropping(self) -> Ballot:
        """The ballot without its answer, which is never accepted again, and without a cluster to join."""
        return Ballot(None, self.floor)

    def joining_cluster(self, cluster_id: str) -> Ballot:
        return Ballot(None, self.floor, cluster_id)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, Ballot]).decode
_decode_version = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode


def encode_ballot(ballot: Ballot) -> bytes:
    return _encode((BALLOT_VERSION, ballot))


def decode_ballot(data: bytes) -> Ballot:
    """Raises BallotError."""
    try:
        version, _ = _decode_version(data)
        if version != BALLOT_VERSION:
            raise BallotError(f"the ballot has format {version}; this program knows {BALLOT_VERSION}")
        ballot = _decode(data)[1]
    except msgspec.MsgspecError as error:
        raise BallotError(f"no ballot: {error}") from None
    answer = ballot.answer
    if answer is not None and (answer.problem is not None or answer.rank != ballot.floor or ballot.joining):
        raise BallotError(f"the ballot contradicts itself: {answer.problem or 'its parts do not fit'}")
    return ballot


def short_name(node: str) -> str:
    return node[:MAX_NODE_NAME]
