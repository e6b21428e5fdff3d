"""Watches against the record: every event once, in order, none left out, none made up, across reconnections."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.verify.linearizability.histories.history import Commit, Delivery, History, KeyEvent, Watch
from tests.verify.linearizability.rendering.findings import Anomaly, Finding, Sight
from tests.verify.linearizability.rendering.wording import events_line, record_line


def check_record(history: History) -> Iterator[Finding]:
    """The record itself is a watch of everything: in order, nothing twice, and no gap where it is dense."""
    before: Commit | None = None
    for commit in history.commits:
        first = history.by_revision[commit.revision]
        if first is not commit:
            if (first.events, first.request) == (commit.events, commit.request):
                why = f"the record shows revision {commit.revision} twice"
                yield Finding(Anomaly.RECORD_DUPLICATE, why, commits=(commit,))
            else:
                why = f"revision {commit.revision} stands for two commits: {record_line(first)}; {record_line(commit)}"
                yield Finding(Anomaly.REVISION_REUSED, why, commits=(first, commit))
        elif before is not None and commit.revision < before.revision:
            why = f"the record shows revision {commit.revision} after {before.revision}"
            yield Finding(Anomaly.RECORD_REORDERED, why, commits=(before, commit))
        before = commit
    if history.dense:
        yield from _gaps(history)


def _gaps(history: History) -> Iterator[Finding]:
    present = sorted(revision for revision in history.by_revision if revision <= history.last_revision)
    for low, high in zip([0, *present], [*present, history.last_revision + 1], strict=True):
        if high - low > 1:
            missing = str(low + 1) if high - low == 2 else f"{low + 1} to {high - 1}"
            around = [history.by_revision[r] for r in (low, high) if r in history.by_revision]
            why = f"the record does not show revision {missing}"
            yield Finding(Anomaly.RECORD_GAP, why, commits=tuple(around))


class WatchRules:
    """Judges watches. `check` gives the findings of all of them."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._expected: dict[str, tuple[list[int], dict[int, tuple[KeyEvent, ...]]]] = {}

    def check(self) -> Iterator[Finding]:
        connections: defaultdict[str, list[Watch]] = defaultdict(list)
        for watch in sorted(self._history.watches, key=lambda watch: watch.opened):
            connections[watch.watcher].append(watch)
        for watches in connections.values():
            before: Watch | None = None
            for watch in watches:
                if before is not None:
                    yield from self._resumption(before, watch)
                yield from self._connection(watch)
                before = watch

    # -- one connection ----------------------------------------------------------------------------------------------

    def _connection(self, watch: Watch) -> Iterator[Finding]:
        if watch.compacted is not None and watch.compacted <= watch.start:
            why = f"watch {watch.id} asked for {watch.start} on, and history begins at {watch.compacted}"
            yield Finding(Anomaly.COMPACTED_UNJUSTIFIED, why)
        delivered = {delivery.revision for delivery in watch.deliveries if delivery.events}
        at: dict[int, Delivery] = {}
        high, ahead = watch.start - 1, None
        for delivery in watch.deliveries:
            revision = delivery.revision
            if delivery.events:
                yield from self._events(watch, delivery)
                if revision < watch.start:
                    why = f"watch {watch.id} asked for {watch.start} on, and was sent revision {revision}"
                    yield self._finding(Anomaly.WATCH_UNASKED, why, watch, (delivery,))
                elif revision in at:
                    why = f"watch {watch.id} was sent revision {revision} twice"
                    yield self._finding(Anomaly.WATCH_DUPLICATE, why, watch, (at[revision], delivery))
                elif ahead is not None and revision <= high:
                    why = f"watch {watch.id} was sent revision {revision} after {high}"
                    yield self._finding(Anomaly.WATCH_REORDERED, why, watch, (ahead, delivery))
                at[revision] = delivery
            if revision > high:
                # What comes later in this connection is out of order, not missing.
                missing = [r for r in self._between(watch.prefix, high, revision + 1) if r not in delivered]
                if missing:
                    yield self._gap(watch, delivery, missing)
                high, ahead = revision, delivery

    def _events(self, watch: Watch, delivery: Delivery) -> Iterator[Finding]:
        """What a delivery shows is what the record shows."""
        there = self._revisions(watch.prefix)[1].get(delivery.revision, ())
        if delivery.events != there and _bare(delivery.events) != _bare(there):
            shown, recorded = events_line(delivery.events), events_line(there)
            why = f"watch {watch.id} shows {shown} at revision {delivery.revision}, the record shows {recorded}"
            commit = self._history.by_revision.get(delivery.revision)
            yield self._finding(Anomaly.WATCH_DIVERGED, why, watch, (delivery,), () if commit is None else (commit,))

    def _gap(self, watch: Watch, delivery: Delivery, missing: Sequence[int]) -> Finding:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        why = f"watch {watch.id} came to revision {delivery.revision} without revision {missing[0]}{more}"
        return self._finding(Anomaly.WATCH_GAP, why, watch, (delivery,), (self._history.by_revision[missing[0]],))

    # -- reconnections -----------------------------------------------------------------------------------------------

    def _resumption(self, before: Watch, after: Watch) -> Iterator[Finding]:
        """A connection goes on behind the one before it, unless that one was refused as compacted."""
        if before.compacted is not None:
            return
        last = max((delivery.revision for delivery in before.deliveries), default=before.start - 1)
        skipped = self._between(after.prefix, last, after.start)
        if skipped:
            why = f"{after.watcher} was at revision {last} and went on from {after.start}: it missed {skipped[0]}"
            commits = (self._history.by_revision[skipped[0]],)
            yield Finding(Anomaly.WATCH_GAP, why, commits=commits, sights=self._ends(before, after))
        repeated = self._between(after.prefix, after.start - 1, last + 1)
        if repeated:
            why = f"{after.watcher} was at revision {last} and went on from {after.start}: {repeated[0]} came twice"
            yield Finding(Anomaly.WATCH_DUPLICATE, why, sights=self._ends(before, after))

    @staticmethod
    def _ends(before: Watch, after: Watch) -> tuple[Sight, ...]:
        last = tuple(Sight(before, delivery) for delivery in before.deliveries[-1:])
        return (*last, *(Sight(after, delivery) for delivery in after.deliveries[:1]))

    # -- the record under a prefix -----------------------------------------------------------------------------------

    def _revisions(self, prefix: str) -> tuple[list[int], dict[int, tuple[KeyEvent, ...]]]:
        if prefix not in self._expected:
            events = {
                revision: under
                for revision, commit in sorted(self._history.by_revision.items())
                if (under := tuple(e for e in commit.events if isinstance(e, KeyEvent) and e.key.startswith(prefix)))
            }
            self._expected[prefix] = (list(events), events)
        return self._expected[prefix]

    def _between(self, prefix: str, low: int, high: int) -> list[int]:
        """The revisions above `low` and below `high` that a watch of the prefix shows."""
        revisions = self._revisions(prefix)[0]
        return revisions[bisect_right(revisions, low) : bisect_left(revisions, high)]

    @staticmethod
    def _finding(
        anomaly: Anomaly, why: str, watch: Watch, deliveries: Sequence[Delivery], commits: tuple[Commit, ...] = ()
    ) -> Finding:
        return Finding(anomaly, why, commits=commits, sights=tuple(Sight(watch, delivery) for delivery in deliveries))


def _bare(events: Sequence[KeyEvent]) -> list[tuple[str, str, str]]:
    """Events by what they change; the order between keys does not matter."""
    bare = [(e.key, e.kind, getattr(e, "value", "")) for e in events]
    return sorted(bare, key=lambda change: change[0])
