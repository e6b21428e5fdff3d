"""Revisions against real time: what finished before something else began has the lower revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tests.verify.linearizability.by_revision.sightings import Sighting, Sightings
from tests.verify.linearizability.histories.history import Commit, History, Operation
from tests.verify.linearizability.histories.requests import Consistency, Found, Get, Range
from tests.verify.linearizability.rendering.findings import Anomaly, Finding, Sight
from tests.verify.linearizability.rendering.wording import name


def check_real_time(
    history: History, applied: Mapping[str, Commit], everything: Iterable[Sighting], sightings: Sightings
) -> Iterator[Finding]:
    """Compare each operation's revision with what had been seen when it began.

    `applied` gives the commit of each operation that took effect; `sightings` are `everything`, indexed.
    """
    sessions = _Sessions(everything)
    for operation in history.operations:
        commit, revision = applied.get(operation.id), operation.revision
        if commit is not None and (operation.wrote or operation.unknown):
            seen = sightings.before(operation.invoked)
            if seen is not None and seen.revision >= commit.revision:
                why = f"{name(operation)} took revision {commit.revision}, but {_told(seen)} before it began"
                yield _finding(Anomaly.WRITE_IN_THE_PAST, why, operation, seen)
        elif revision is not None and not operation.wrote and history.knows(revision):
            yield from _read(operation, revision, sightings, sessions)


def _read(operation: Operation, revision: int, sightings: Sightings, sessions: _Sessions) -> Iterator[Finding]:
    """An answer that changed nothing: as old as its request allows, and no older than it says itself."""
    request, result = operation.request, operation.result
    consistency = Consistency.LINEARIZABLE
    if isinstance(request, Get | Range):
        if request.revision is not None:
            return
        consistency = request.consistency
    seen: Sighting | None = None
    anomaly = Anomaly.STALE_READ
    match consistency:
        case Consistency.LINEARIZABLE:
            seen = sightings.before(operation.invoked)
        case Consistency.SESSION:
            anomaly, seen = Anomaly.SESSION_WENT_BACK, sessions.of(operation.client).before(operation.invoked)
    when = "before it began"
    if (seen is None or seen.revision <= revision) and isinstance(result, Found) and result.staleness is not None:
        anomaly, when = Anomaly.STALER_THAN_TOLD, f"more than {result.staleness:g} before it began"
        seen = sightings.before(operation.invoked - result.staleness)
    if seen is not None and seen.revision > revision:
        why = f"{name(operation)} answered from revision {revision}, but {_told(seen)} {when}"
        yield _finding(anomaly, why, operation, seen)


class _Sessions:
    """Sightings, client by client."""

    def __init__(self, everything: Iterable[Sighting]) -> None:
        self._everything = everything
        self._sessions: dict[str, Sightings] | None = None

    def of(self, client: str) -> Sightings:
        if self._sessions is None:
            by_client: defaultdict[str, list[Sighting]] = defaultdict(list)
            for sighting in self._everything:
                if isinstance(sighting.source, Operation):
                    by_client[sighting.source.client].append(sighting)
            self._sessions = {name: Sightings(seen) for name, seen in by_client.items()}
        return self._sessions.get(client) or Sightings(())


def _told(sighting: Sighting) -> str:
    source = sighting.source
    teller = f"watch {source.watch.id}" if isinstance(source, Sight) else name(source)
    return f"{teller} had been told of revision {sighting.revision}"


def _finding(anomaly: Anomaly, why: str, operation: Operation, seen: Sighting) -> Finding:
    if isinstance(seen.source, Sight):
        return Finding(anomaly, why, (operation,), sights=(seen.source,))
    return Finding(anomaly, why, (seen.source, operation))
