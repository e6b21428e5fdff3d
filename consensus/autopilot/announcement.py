"""What a Raft-enabled node says of itself by gossip, in three keys under the reserved prefix (raft spec 4).

Gossip is advice: an announcement may be old, and nothing that Raft's safety needs is taken from it. Decoding is total:
a peer's keys give an announcement, a reason why they are none, or None where the node has no part in Raft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from coterie.consensus.autopilot.founding_vote import MAX_FOUNDERS, ClusterId, FoundingProposal, MemberId, ProposalRank
from coterie.gossip import RESERVED_PREFIX

PROTOCOL_VERSION = 1

KEY_PREFIX = RESERVED_PREFIX + "raft/"
IDENTITY_KEY = KEY_PREFIX + "identity"
FOUNDING_KEY = KEY_PREFIX + "founding"
STATUS_KEY = KEY_PREFIX + "status"
KEYS = (IDENTITY_KEY, FOUNDING_KEY, STATUS_KEY)

MAX_VALUE_CHARS = 12_000
"""Longer values are not decoded."""

APPLIED_STEP = 4_096
"""The applied index is gossiped in steps of so many entries: each change of it is news for every node."""

AnnouncedRole = Literal["candidate", "founder", "voter", "observer", "left", "removed"]
"""A candidate waits for a cluster, and has given no vote (it is no candidate of an election). A founder has voted, and
knows of no leader of its cluster yet."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
ShortText = Annotated[str, Meta(max_length=256)]


class FoundingRule(msgspec.Struct, frozen=True):
    """`bootstrap_expect`: how many found the cluster, or which nodes do. Neither: this node waits for a cluster."""

    expect: Annotated[int, Meta(ge=0, le=MAX_FOUNDERS)] = 0
    names: Annotated[tuple[str, ...], Meta(max_length=MAX_FOUNDERS)] = ()
    """In any order."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "names", tuple(sorted(self.names)))

    @property
    def count(self) -> int:
        return len(self.names) or self.expect

    def problem(self) -> str | None:
        """Why it cannot be used, for an operator; None where it can."""
        if self.names:
            return None if len(set(self.names)) == len(self.names) else "the list of founders names a node twice"
        if self.expect not in {0, 1, 3, 5}:
            return f"bootstrap_expect must be 1, 3 or 5 (or a list of names), not {self.expect}"
        return None


class ClusterStatus(msgspec.Struct, frozen=True):
    """What a member knows of its cluster."""

    term: Count = 0
    leader: MemberId | None = None
    epoch: Count = 0
    """Counts the changes of the configuration."""
    applied: Count = 0
    """In steps of `APPLIED_STEP`."""


MAX_REPLACED = 16
"""Clusters that a recovered one names as those that it replaces, the latest first."""


class _Identity(msgspec.Struct, frozen=True):
    version: Count
    member: MemberId
    incarnation: Count
    host: ShortText
    port: Port
    role: AnnouncedRole
    cluster_id: ClusterId | None = None
    rule: FoundingRule = FoundingRule()
    zone: ShortText = ""
    replaces: Annotated[tuple[ClusterId, ...], Meta(max_length=MAX_REPLACED)] = ()


class _Founding(msgspec.Struct, frozen=True, rename={"agrees_to": "answer", "highest_rank": "floor"}):
    """The names in gossip are those of wire version 1."""

    agrees_to: FoundingProposal | None = None
    highest_rank: ProposalRank | None = None
    joining: ClusterId | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    member: str
    incarnation: int
    host: str
    port: int
    role: AnnouncedRole
    cluster_id: str | None = None
    """Announced once it is final: the cluster has had a leader, or this node has joined it."""
    rule: FoundingRule = FoundingRule()
    zone: str = ""
    agrees_to: FoundingProposal | None = None
    highest_rank: ProposalRank | None = None
    joining: str | None = None
    """The cluster that this node is about to join: it knows it by gossip alone so far."""
    status: ClusterStatus | None = None
    replaces: tuple[str, ...] = ()
    """The clusters that this one goes on from: it was recovered from their state."""
    version: int = PROTOCOL_VERSION

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def takes_part_in(self, cluster_id: str) -> bool:
        """Whether it belongs to that cluster, or waits for a link to it."""
        return cluster_id in {self.cluster_id, self.joining}


class Undecodable(msgspec.Struct, frozen=True):
    """A node takes part in Raft, and its announcement cannot be read."""

    reason: str


_encode = msgspec.json.Encoder().encode
_identity = msgspec.json.Decoder(_Identity)
_founding = msgspec.json.Decoder(_Founding)
_status = msgspec.json.Decoder(ClusterStatus)


def coarse(applied: int) -> int:
    return applied - applied % APPLIED_STEP


def encode(it: Announcement) -> dict[str, str]:
    """Every key of `KEYS` with its value, in the order of writing: a node that has the identity has the rest, too.

    The same announcement gives the same text, so gossip has nothing new to spread.
    """
    identity = _Identity(
        it.version, it.member, it.incarnation, it.host, it.port, it.role, it.cluster_id, it.rule, it.zone, it.replaces
    )
    status = it.status or ClusterStatus()
    status = msgspec.structs.replace(status, applied=coarse(status.applied))
    parts = {
        FOUNDING_KEY: _Founding(it.agrees_to, it.highest_rank, it.joining),
        STATUS_KEY: status,
        IDENTITY_KEY: identity,
    }
    return {key: _encode(part).decode() for key, part in parts.items()}


def decode(key_values: Mapping[str, str]) -> Announcement | Undecodable | None:
    """A node's announcement, read from its namespace. Other keys than `KEYS` do not matter."""
    text = key_values.get(IDENTITY_KEY)
    if text is None:
        return None
    try:
        identity = _identity.decode(_bounded(text))
        founding = _founding.decode(_bounded(key_values.get(FOUNDING_KEY, "{}")))
        status = _status.decode(_bounded(key_values.get(STATUS_KEY, "{}")))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Undecodable(f"its announcement cannot be read: {error}")
    if founding.agrees_to is not None and founding.agrees_to.problem is not None:
        return Undecodable(f"it answers to what is no proposal: {founding.agrees_to.problem}")
    return Announcement(
        member=identity.member,
        incarnation=identity.incarnation,
        host=identity.host,
        port=identity.port,
        role=identity.role,
        cluster_id=identity.cluster_id,
        rule=identity.rule,
        zone=identity.zone,
        agrees_to=founding.agrees_to,
        highest_rank=founding.highest_rank,
        joining=founding.joining,
        status=status if STATUS_KEY in key_values else None,
        replaces=identity.replaces,
        version=identity.version,
    )


def _bounded(text: str) -> bytes:
    if len(text) > MAX_VALUE_CHARS:
        raise ValueError(f"a value has {len(text)} characters, more than {MAX_VALUE_CHARS}")
    return text.encode()
