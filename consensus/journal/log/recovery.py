"""From segments and a snapshot back to the log. Pure (raft spec 2b: what is dropped at open, and gaps)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from coterie.consensus.journal.errors import CorruptFileError, LogGapError
from coterie.consensus.journal.log.segment import Segment, check_succession
from coterie.consensus.raft.ports import Entry, SnapshotInfo

FIRST_INDEX = 1


def newest_run(segments: Sequence[Segment]) -> int:
    """Where in `segments`, sorted by number, the unbroken run begins that ends with the last one.

    What stands before a hole is left from removing old segments: a power loss may keep any of several removals.
    `reconcile` finds out should anything be missing that is needed.
    """
    start = len(segments) - 1
    while start > 0 and segments[start - 1].head.number == segments[start].head.number - 1:
        start -= 1
    return start


def replay(segments: Sequence[Segment]) -> list[Entry]:
    """The log that the segments of an unbroken run spell. Raises CorruptFileError and LogGapError."""
    for earlier, later in pairwise(segments):
        check_succession(earlier, later)
    log: list[Entry] = []
    next_index: int | None = None
    for segment in segments:
        for frame in segment.frames:
            for record in frame.records:
                if record is None:
                    log.clear()
                    next_index = None
                elif isinstance(record, int):
                    if log and record <= log[-1][1]:
                        del log[max(0, record - log[0][1]) :]
                    next_index = record
                elif next_index is not None and record[1] != next_index:
                    raise LogGapError(
                        segment.path, f"frame {frame.sequence} holds entry {record[1]} where {next_index} must follow"
                    )
                else:
                    log.append(record)
                    next_index = record[1] + 1
    return log


def reconcile(log: list[Entry], snapshot: SnapshotInfo | None, last: Segment) -> tuple[list[Entry], bool]:
    """(the log as the engine must see it, whether the one on disk has to be replaced by it).

    With a snapshot the log begins with the snapshot's last entry but one. What the log says beyond the snapshot stays
    where it holds the snapshot's last entry; a log that ends before it, or contradicts it, is covered by the snapshot.
    Raises LogGapError, and CorruptFileError where log and snapshot hold different entries under one index and term.
    """
    if snapshot is None:
        if log and log[0][1] != FIRST_INDEX:
            raise LogGapError(
                last.path, f"the log begins with entry {log[0][1]}, and there is no snapshot of those before"
            )
        return log, False
    head = [snapshot.prev, snapshot.last]
    if not log or log[-1][1] < snapshot.index:
        return head, True
    if log[0][1] > snapshot.index:
        raise LogGapError(
            last.path, f"the log begins with entry {log[0][1]}, and the snapshot ends with entry {snapshot.index}"
        )
    at = snapshot.index - log[0][1]
    if log[at][2] != snapshot.term:
        return head, True
    if log[max(0, at - 1) : at + 1] != head[-1 - min(at, 1) :]:
        raise CorruptFileError(last.path, f"entry {snapshot.index} or the one before differs from the snapshot's")
    return head + log[at + 1 :], False
