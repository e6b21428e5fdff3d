"""What commands print with `--json` where the client has no type of its own for it: pages put together, bare lists."""

from __future__ import annotations

import msgspec

from coterie.app.client.answers import Decision, Departed, GossipValue, RaftMember, Token


class GossipKeyList(msgspec.Struct, frozen=True):
    """Keys of the gossip layer, by node and then by key."""

    keys: tuple[GossipValue, ...]


class RaftMembers(msgspec.Struct, frozen=True):
    """Voters, observers and candidates."""

    members: tuple[RaftMember, ...]


class Decisions(msgspec.Struct, frozen=True):
    """What leaders decided of the voters, oldest first."""

    decisions: tuple[Decision, ...]


class Transferred(msgspec.Struct, frozen=True):
    """Leadership was handed over."""

    leader: str
    """Node id of the new leader."""


class RemovedMember(msgspec.Struct, frozen=True):
    """It is barred for ever; the leader removes it."""

    removed: str
    """Member id."""
    node_id: str | None


class LeftRaft(msgspec.Struct, frozen=True):
    """It gave up its vote and its place, and goes on as a client of the others' Raft layer."""

    left: bool
    address: str
    """That of the node that was asked."""


class GivenUp(msgspec.Struct, frozen=True):
    """What became of a founding that a node waited for."""

    given_up: str | None
    """What was done; null where there was nothing to give up."""
    address: str
    """That of the node that was asked."""


class Backup(msgspec.Struct, frozen=True):
    """A backup that is whole and on the disk."""

    file: str
    revision: int
    keys: int
    size_bytes: int


class Left(Departed, frozen=True):
    """What became of the node that left."""

    address: str
    """That of the node that was asked."""


class TokenList(msgspec.Struct, frozen=True):
    """All tokens of the metadata, by id."""

    tokens: tuple[Token, ...]


class RevokedToken(msgspec.Struct, frozen=True):
    """It holds nowhere any more, as soon as each node knows."""

    revoked: str
