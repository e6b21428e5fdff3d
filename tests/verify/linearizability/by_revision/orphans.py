"""Commits whose cause the record does not name.

An operation of unknown outcome may be the cause, at any time after it began; so may the expiry of a lease. Anything
else is wrong, and the candidates tell in which way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.verify.linearizability.by_revision.matching import assign
from tests.verify.linearizability.by_revision.sightings import Sightings
from tests.verify.linearizability.histories.history import Commit, History, Operation
from tests.verify.linearizability.rendering.findings import Anomaly, Finding
from tests.verify.linearizability.rendering.wording import events_line, name

Possible = Mapping[str, Finding | None]
"""The operations that may have caused a commit, by id, each with what then is wrong about the commit, if anything."""


class Orphans:
    """Collects them during the replay, and finds their causes afterwards, all at once."""

    def __init__(self, history: History, sightings: Sightings) -> None:
        self._history = history
        self._sightings = sightings
        self._orphans: list[tuple[Commit, Possible]] = []
        self._expiries: set[int] = set()

    def add(self, commit: Commit, possible: Possible, expiry: bool) -> None:
        """`expiry` says that the end of a lease explains the commit as well."""
        self._orphans.append((commit, possible))
        if expiry:
            self._expiries.add(commit.revision)

    def settle(self, applied: dict[str, Commit]) -> Iterator[Finding]:
        """Complete `applied`, the commit of each operation that took effect, and say what remains wrong."""
        by_id = self._history.by_id
        # What expiry explains comes last, so that it takes no cause from a commit that needs one.
        orphans = sorted(self._orphans, key=lambda orphan: orphan[0].revision in self._expiries)
        causes = assign(
            [
                (commit, [by_id[id_] for id_ in possible if self._may_cause(by_id[id_], commit, applied)])
                for commit, possible in orphans
            ]
        )
        for revision, cause in causes.items():
            applied[cause.id] = self._history.by_revision[revision]
        for commit, possible in orphans:
            if commit.revision in causes:
                misfit = possible[causes[commit.revision].id]
                if misfit is not None:
                    yield misfit
            elif commit.revision not in self._expiries:
                yield from self._unexplained(commit, [by_id[id_] for id_ in possible], applied)

    def _may_cause(self, operation: Operation, commit: Commit, applied: Mapping[str, Commit]) -> bool:
        return (
            operation.unknown
            and operation.id not in applied
            and operation.invoked <= self._sightings.first_of(commit.revision)
        )

    def _unexplained(
        self, commit: Commit, possible: Sequence[Operation], applied: dict[str, Commit]
    ) -> Iterator[Finding]:
        at = f"revision {commit.revision} ({events_line(commit.events)})"
        if not possible:
            yield Finding(Anomaly.WRITE_FROM_NOWHERE, f"no operation explains {at}", (), (commit,))
            return
        # An operation that took no effect elsewhere is the likelier cause.
        cause = min(possible, key=lambda operation: operation.id in applied)
        before = applied.setdefault(cause.id, commit)
        if before is not commit:
            why = f"{name(cause)} took effect at revision {before.revision}, and again at {at}"
            yield Finding(Anomaly.DUPLICATE_APPLY, why, (cause,), (before, commit))
        elif cause.failed:
            why = f"{name(cause)} was refused, and took effect at {at}"
            yield Finding(Anomaly.FAILED_WRITE_APPLIED, why, (cause,), (commit,))
        elif cause.ok:
            yield Finding(Anomaly.WRONG_REVISION, f"{name(cause)} took effect at {at}", (cause,), (commit,))
        # What remains had not begun when the commit was seen: that is for the check of real time to say.
