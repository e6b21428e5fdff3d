"""Snapshots that are on their way to this node's disk: an own one, and one that arrives."""

from __future__ import annotations

from collections.abc import Iterator

from coterie.consensus.raft.messages import SnapshotChunk
from coterie.consensus.raft.ports import SnapshotInfo, SnapshotWriter, StateLoader


class Saving:
    """An own snapshot in the making."""

    __slots__ = ("busy", "chunks", "covers", "info", "writer")

    def __init__(self, info: SnapshotInfo, covers: int, chunks: Iterator[bytes], writer: SnapshotWriter) -> None:
        """`covers`: bytes of the commands between the installed snapshot and this one."""
        self.info = info
        self.covers = covers
        self.chunks = chunks
        self.writer = writer
        self.busy = False  # a disk job is under way


class Loading:
    """A sealed snapshot on its way into the state."""

    __slots__ = ("chunks", "info", "loader")

    def __init__(self, info: SnapshotInfo, writer: SnapshotWriter, loader: StateLoader) -> None:
        self.info = info
        self.chunks = _chunks(writer)
        self.loader = loader


def _chunks(writer: SnapshotWriter) -> Iterator[bytes]:
    yield from writer.state()  # opened and read where it is iterated: in a disk job


class Incoming:
    """A snapshot that arrives. `leader`, `term` and `number` say which transfer brings it."""

    __slots__ = ("last_index", "last_term", "leader", "loading", "number", "offset", "term", "writer")

    def __init__(self, leader: str, chunk: SnapshotChunk, writer: SnapshotWriter) -> None:
        self.leader = leader
        self.term = chunk.term
        self.number = chunk.transfer
        self.last_index = chunk.last_index
        self.last_term = chunk.last_term
        self.writer = writer
        self.offset = 0  # bytes taken so far
        self.loading: Loading | None = None  # once all bytes are here and verified

    def continues(self, leader: str, chunk: SnapshotChunk) -> bool:
        """Does a chunk belong to this snapshot, as this leader has it in this term? Then its bytes are the same."""
        theirs = (leader, chunk.term, chunk.last_index, chunk.last_term)
        return theirs == (self.leader, self.term, self.last_index, self.last_term)
