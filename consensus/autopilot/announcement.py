"""What a Raft-enabled node says of itself by gossip, in three keys under the reserved prefix (spec section 4).

Gossip is advice: whatever stands here may be old, and nothing that Raft's safety needs is taken from it. Decoding is
total: whatever a peer wrote gives an announcement, a reason why it is none, or None where the node has no part in Raft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from coterie.consensus.autopilot.founding_vote import MAX_FOUNDERS, ClusterId, MemberId, Proposal, Rank
from coterie.gossip import RESERVED_PREFIX

PROTOCOL_VERSION = 1

KEY_PREFIX = RESERVED_PREFIX + "raft/"
IDENTITY_KEY = KEY_PREFIX + "identity"
FOUNDING_KEY = KEY_PREFIX + "founding"
STATUS_KEY = KEY_PREFIX + "status"
KEYS = (IDENTITY_KEY, FOUNDING_KEY, STATUS_KEY)

MAX_VALUE_CHARS = 12_000
"""Longer values are not looked at."""

APPLIED_STEP = 4_096
"""The applied index is told in steps of so many entries: each change of it is gossip for every node."""

Role = Literal["candidate", "founder", "voter", "observer", "left", "removed"]
"""A candidate has given no vote yet; a founder has, and its cluster has no leader yet that it knows of."""

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


class Status(msgspec.Struct, frozen=True):
    """What a member knows of its cluster: the herald's part."""

    term: Count = 0
    leader: MemberId | None = None
    epoch: Count = 0
    """Counts the changes of the configuration."""
    applied: Count = 0
    """In steps of `APPLIED_STEP`."""


class _Identity(msgspec.Struct, frozen=True):
    version: Count
    member: MemberId
    incarnation: Count
    host: ShortText
    port: Port
    role: Role
    cluster_id: ClusterId | None = None
    rule: FoundingRule = FoundingRule()
    zone: ShortText = ""


class _Founding(msgspec.Struct, frozen=True):
    answer: Proposal | None = None
    floor: Rank | None = None
    joining: ClusterId | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    member: str
    incarnation: int
    host: str
    port: int
    role: Role
    cluster_id: str | None = None
    """Told once it is for ever: the cluster has had a leader, or this node has joined it."""
    rule: FoundingRule = FoundingRule()
    zone: str = ""
    answer: Proposal | None = None
    floor: Rank | None = None
    joining: str | None = None
    """The cluster that this node is about to join: it has heard of it by gossip alone so far."""
    status: Status | None = None
    version: int = PROTOCOL_VERSION

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def takes_part_in(self, cluster_id: str) -> bool:
        """Does it belong to that cluster, or wait for a link to it?"""
        return cluster_id in {self.cluster_id, self.joining}


class Undecodable(msgspec.Struct, frozen=True):
    """A node takes part in Raft, and what it says of it cannot be read."""

    reason: str


_encode = msgspec.json.Encoder().encode
_identity = msgspec.json.Decoder(_Identity)
_founding = msgspec.json.Decoder(_Founding)
_status = msgspec.json.Decoder(Status)


def coarse(applied: int) -> int:
    return applied - applied % APPLIED_STEP


def encode(it: Announcement) -> dict[str, str]:
    """Every key of `KEYS` with its value, in the order of writing: whoever sees the identity has the rest, too.

    The same announcement gives the same text, so nothing is gossiped anew.
    """
    identity = _Identity(
        it.version, it.member, it.incarnation, it.host, it.port, it.role, it.cluster_id, it.rule, it.zone
    )
    status = it.status or Status()
    status = msgspec.structs.replace(status, applied=coarse(status.applied))
    parts = {FOUNDING_KEY: _Founding(it.answer, it.floor, it.joining), STATUS_KEY: status, IDENTITY_KEY: identity}
    return {key: _encode(part).decode() for key, part in parts.items()}


def decode(key_values: Mapping[str, str]) -> Announcement | Undecodable | None:
    """What a node's namespace says. Other keys than `KEYS` are not looked at."""
    text = key_values.get(IDENTITY_KEY)
    if text is None:
        return None
    try:
        identity = _identity.decode(_bounded(text))
        founding = _founding.decode(_bounded(key_values.get(FOUNDING_KEY, "{}")))
        status = _status.decode(_bounded(key_values.get(STATUS_KEY, "{}")))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Undecodable(f"its announcement cannot be read: {error}")
    if founding.answer is not None and founding.answer.problem is not None:
        return Undecodable(f"it answers to what is no proposal: {founding.answer.problem}")
    return Announcement(
        member=identity.member,
        incarnation=identity.incarnation,
        host=identity.host,
        port=identity.port,
        role=identity.role,
        cluster_id=identity.cluster_id,
        rule=identity.rule,
        zone=identity.zone,
        answer=founding.answer,
        floor=founding.floor,
        joining=founding.joining,
        status=status if STATUS_KEY in key_values else None,
        version=identity.version,
    )


def _bounded(text: str) -> bytes:
    if len(text) > MAX_VALUE_CHARS:
        raise ValueError(f"a value has {len(text)} characters, more than {MAX_VALUE_CHARS}")
    return text.encode()
