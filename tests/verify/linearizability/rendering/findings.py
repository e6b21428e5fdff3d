"""What a checker found: each contradiction with its kind, a sentence, and the few things that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.verify.linearizability.histories.history import Commit, Delivery, Operation, Watch


class Anomaly(StrEnum):
    """The kinds of contradiction, each with its name for people."""

    # The record against itself.
    RECORD_REORDERED = "record out of order"
    RECORD_DUPLICATE = "commit recorded twice"
    RECORD_GAP = "revision missing from the record"
    REVISION_REUSED = "revision used twice"

    # Writes against the record.
    LOST_WRITE = "acknowledged write lost"
    WRONG_REVISION = "answered with the wrong revision"
    FAILED_WRITE_APPLIED = "refused write took effect"
    DUPLICATE_APPLY = "write applied twice"
    WRITE_FROM_NOWHERE = "commit that nobody asked for"
    WRONG_EFFECT = "commit differs from what was asked"
    COMPARE_UNJUSTIFIED = "transaction took the wrong branch"
    WRONG_ANSWER = "answer differs from what happened"

    # Reads against the state at their revision.
    NO_SUCH_REVISION = "answered at a revision that never was"
    VALUE_FROM_NOWHERE = "read of a value that nobody wrote"
    READ_OF_REFUSED_WRITE = "read of a refused write"
    READ_OF_VANISHED_WRITE = "read of a write that never was"
    WRONG_READ = "read differs from the state at its revision"
    PHANTOM = "range differs from the keys at its revision"
    WRONG_METADATA = "key's revisions or version are wrong"

    # Revisions against real time.
    STALE_READ = "stale read"
    WRITE_IN_THE_PAST = "write behind the present"
    SESSION_WENT_BACK = "session went back in time"
    STALER_THAN_TOLD = "staler than it claimed"

    # Watches against the record.
    WATCH_GAP = "watch gap"
    WATCH_DUPLICATE = "watch duplicate"
    WATCH_REORDERED = "watch out of order"
    WATCH_DIVERGED = "watch differs from the record"
    WATCH_UNASKED = "watch before its start"
    COMPACTED_UNJUSTIFIED = "watch refused as compacted in vain"

    # Locks.
    LOCK_GRANTED_TWICE = "lock granted while held"
    TOKEN_REGRESSION = "fencing token went back"  # noqa: S105 - a name
    GRANT_FROM_NOWHERE = "lock granted to nobody who asked"
    RELEASE_OF_UNHELD = "release of a lock that was not held"
    RELEASE_FROM_NOWHERE = "lock released by nobody"


@dataclass(frozen=True, slots=True)
class Sight:
    """A delivery, and the watch that made it."""

    watch: Watch
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction, and no more operations, commits and deliveries than it takes."""

    anomaly: Anomaly
    explanation: str
    operations: tuple[Operation, ...] = ()
    commits: tuple[Commit, ...] = ()
    sights: tuple[Sight, ...] = ()

    @property
    def size(self) -> int:
        return len(self.operations) + len(self.commits) + len(self.sights)


@dataclass(frozen=True, slots=True)
class Report:
    """What the checker by revision says of a history."""

    findings: tuple[Finding, ...]
    acknowledged: int
    refused: int
    unknown: int
    unknown_applied: int
    """How many of the operations with unknown outcome took effect, by the record."""

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def anomalies(self) -> frozenset[Anomaly]:
        return frozenset(finding.anomaly for finding in self.findings)

    @property
    def smallest(self) -> Finding:
        """The finding that is easiest to look at; the first of them. There must be one."""
        return min(self.findings, key=lambda finding: finding.size)


def unique(operations: Sequence[Operation | None]) -> tuple[Operation, ...]:
    """The operations given, each once, in the order of their invocation."""
    seen = {operation.id: operation for operation in operations if operation is not None}
    return tuple(sorted(seen.values(), key=lambda operation: operation.invoked))
