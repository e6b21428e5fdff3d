"""What commands of the cluster print with `--json`: answers of the API, with the node that was asked."""

from __future__ import annotations

import msgspec

from coterie.app.wire.cluster import Departed, FoundingGivenUp, RaftLeft, Removed


class RemovedMember(Removed, frozen=True):
    """It is barred for ever; the leader removes it."""

    node_id: str | None


class LeftRaft(RaftLeft, frozen=True):
    """It gave up its vote and its place, and goes on as a client of the others' Raft layer."""

    address: str
    """That of the node that was asked."""


class GivenUp(FoundingGivenUp, frozen=True):
    """What became of a founding that a node waited for."""

    address: str
    """That of the node that was asked."""


class Left(Departed, frozen=True):
    """What became of the node that left."""

    address: str
    """That of the node that was asked."""


class Backup(msgspec.Struct, frozen=True):
    """A backup that is whole and on the disk."""

    file: str
    revision: int
    keys: int
    size_bytes: int
