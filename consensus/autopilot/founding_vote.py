"""Proposals to found a cluster, and the founding vote: what a member remembers of its agreements (raft spec 4).

Proposals have an order: a newer attempt ranks above an older one, and at the same attempt a lower proposer ranks above
a higher one. A member's agreement only moves up in that order, so one mark, the highest rank that it ever agreed to,
says which proposals it refuses for ever. A member agrees to at most one proposal, and stores that before it tells
anybody. A founding vote is no vote of Raft's: Raft's own elections begin once all founders agree.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

FOUNDING_VOTE_VERSION = 1

MAX_FOUNDERS = 9
MAX_NODE_NAME = 60
"""Characters of a node's name that are kept beside its member id: they are for messages alone."""

# What peers may write into a proposal is bounded, so that every founding vote fits its file.
MemberId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{1,64}\Z")]
ClusterId = Annotated[str, Meta(min_length=1, max_length=128)]
MAX_ATTEMPT = 2**53
Attempt = Annotated[int, Meta(ge=0, le=MAX_ATTEMPT)]
NodeName = Annotated[str, Meta(max_length=MAX_NODE_NAME)]


class FoundingVoteError(ValueError):
    """Bytes that hold no founding vote which this version knows."""


class ProposalRank(msgspec.Struct, frozen=True, array_like=True):
    """A proposal's place in the order."""

    attempt: Attempt
    proposer: MemberId

    def above(self, other: ProposalRank | None) -> bool:
        if other is None:
            return True
        return self.attempt > other.attempt or (self.attempt == other.attempt and self.proposer < other.proposer)


class Founder(msgspec.Struct, frozen=True, array_like=True):
    member: MemberId
    node: NodeName
    """The name of its node, cut to `MAX_NODE_NAME`."""


class FoundingProposal(msgspec.Struct, frozen=True, array_like=True):
    """One cluster id and one list of founders, the proposer among them; `attempt` counts over all proposers."""

    cluster_id: ClusterId
    attempt: Attempt
    proposer: MemberId
    founders: Annotated[tuple[Founder, ...], Meta(max_length=MAX_FOUNDERS)]

    @property
    def rank(self) -> ProposalRank:
        return ProposalRank(self.attempt, self.proposer)

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


class FoundingVote(msgspec.Struct, frozen=True, array_like=True):
    agrees_to: FoundingProposal | None = None
    highest_rank: ProposalRank | None = None
    """The highest that this member ever agreed to: it accepts no proposal at or below it (again)."""
    joining: ClusterId | None = None
    """Instead of an agreement: the cluster that this member is about to join, so far by gossip's word alone."""

    def accepts(self, proposal: FoundingProposal) -> bool:
        return proposal.rank.above(self.highest_rank)

    def agreeing(self, proposal: FoundingProposal) -> FoundingVote:
        """The vote with this agreement in place of the former. Raises ValueError for a proposal that it refuses."""
        if not self.accepts(proposal):
            raise ValueError(f"attempt {proposal.attempt} of {proposal.proposer} is at or below the highest agreed to")
        return FoundingVote(proposal, proposal.rank)

    def dropping(self) -> FoundingVote:
        """The vote without its agreement, which is never given again, and without a cluster to join."""
        return FoundingVote(None, self.highest_rank)

    def joining_cluster(self, cluster_id: str) -> FoundingVote:
        return FoundingVote(None, self.highest_rank, cluster_id)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, FoundingVote]).decode
_decode_version = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode


def encode_founding_vote(vote: FoundingVote) -> bytes:
    return _encode((FOUNDING_VOTE_VERSION, vote))


def decode_founding_vote(data: bytes) -> FoundingVote:
    """Raises FoundingVoteError."""
    try:
        version, _ = _decode_version(data)
        if version != FOUNDING_VOTE_VERSION:
            raise FoundingVoteError(
                f"the founding vote has format {version}; this program knows {FOUNDING_VOTE_VERSION}"
            )
        vote = _decode(data)[1]
    except msgspec.MsgspecError as error:
        raise FoundingVoteError(f"no founding vote: {error}") from None
    agreed = vote.agrees_to
    if agreed is not None and (agreed.problem is not None or agreed.rank != vote.highest_rank or vote.joining):
        raise FoundingVoteError(f"the founding vote contradicts itself: {agreed.problem or 'its parts do not fit'}")
    return vote


def short_name(node: str) -> str:
    return node[:MAX_NODE_NAME]
