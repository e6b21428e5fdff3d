"""The record replayed, revision by revision, beside what was asked and answered.

One sweep: at each commit its cause is found and its effect compared with what the sequential model would have done;
then every answer given at that revision is compared with the state. The state follows the record, so that one
contradiction does not draw others after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.verify.linearizability.by_revision.lockrules import LockRules
from tests.verify.linearizability.by_revision.matching import Producers
from tests.verify.linearizability.by_revision.orphans import Orphans
from tests.verify.linearizability.by_revision.reading import Reading
from tests.verify.linearizability.by_revision.sightings import Sightings
from tests.verify.linearizability.histories.history import Commit, History, KeyDeleted, KeyEvent, KeyPut, Operation
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Decided,
    Delete,
    Found,
    Get,
    Range,
    Release,
    Request,
    Response,
    Txn,
    Written,
)
from tests.verify.linearizability.histories.store import Effect, Store
from tests.verify.linearizability.rendering.findings import Anomaly, Finding
from tests.verify.linearizability.rendering.wording import events_line, name


class Replay:
    """Call `run` once; then `findings` and `applied` hold what came of it."""

    def __init__(self, history: History, sightings: Sightings) -> None:
        self.findings: list[Finding] = []
        self.applied: dict[str, Commit] = {}
        """The commit in which each operation took effect, by operation id."""
        self._history = history
        self._store = Store(history.capacities)
        self._locks = LockRules(history, self._store.locks, sightings)
        self._producers = Producers(history.operations)
        self._last_change: dict[str, Commit] = {}
        self._reading = Reading(self._producers, history.commits, self._last_change.get)
        self._orphans = Orphans(history, sightings)
        self._writes: defaultdict[int, list[Operation]] = defaultdict(list)
        self._answers: defaultdict[int, list[Operation]] = defaultdict(list)
        for operation in history.operations:
            if operation.revision is not None:
                book = self._writes if operation.wrote else self._answers
                book[operation.revision].append(operation)

    def run(self) -> None:
        commits = self._history.by_revision
        for revision in sorted({*commits, *self._answers}):
            if revision in commits:
                self._commit(commits[revision])
            for operation in self._answers.get(revision, ()):
                self._answer(operation, revision)
        self.findings += self._orphans.settle(self.applied)
        self.findings += self._locks.settle()
        self.applied.update(self._locks.applied)
        self._lost()

    # -- commits -----------------------------------------------------------------------------------------------------

    def _commit(self, commit: Commit) -> None:
        changes = [event for event in commit.events if isinstance(event, KeyEvent)]
        if len(changes) < len(commit.events):
            self.findings += self._locks.follow(commit)
        if changes:
            cause = self._cause(commit, changes)
            if cause is None:
                self._orphan(commit, changes)
            else:
                self._caused(commit, changes, cause)
        self._store.apply(commit.revision, changes)
        for event in changes:
            self._last_change[event.key] = commit
            if isinstance(event, KeyPut):
                self._check_metadata(commit, event)

    def _cause(self, commit: Commit, changes: Sequence[KeyEvent]) -> Operation | None:
        """The operation that the record names; else the one that was told this revision and explains the commit."""
        if commit.request is not None:
            return self._history.by_id.get(commit.request)
        for operation in self._writes.get(commit.revision, ()):
            if self._fits(operation, commit, changes):
                return operation
        return None

    def _caused(self, commit: Commit, changes: Sequence[KeyEvent], cause: Operation) -> None:
        before = self.applied.get(cause.id)
        if before is not None:
            why = f"{name(cause)} took effect at revisions {before.revision} and {commit.revision}"
            self._find(Anomaly.DUPLICATE_APPLY, why, (cause,), (before, commit))
            return
        self.applied[cause.id] = commit
        if cause.failed:
            why = f"{name(cause)} was refused, and took effect at revision {commit.revision}"
            self._find(Anomaly.FAILED_WRITE_APPLIED, why, (cause,), (commit,))
            return
        misfit = self._misfit(cause, commit, changes)
        if misfit is not None:
            self.findings.append(misfit)
        elif cause.ok and not cause.wrote:
            why = f"{name(cause)} is said to have changed nothing, and took effect at revision {commit.revision}"
            self._find(Anomaly.WRONG_ANSWER, why, (cause,), (commit,))
        elif cause.ok and cause.revision != commit.revision:
            why = f"{name(cause)} took effect at revision {commit.revision}"
            self._find(Anomaly.WRONG_REVISION, why, (cause,), (commit,))
        elif cause.ok and not _on_locks(cause):
            assert not isinstance(cause.request, Acquire | Release)
            self._compare(cause, self._store.evaluate(cause.request, commit.revision))

    def _fits(self, operation: Operation, commit: Commit, changes: Sequence[KeyEvent]) -> bool:
        """Whether an operation would have made just these changes, on the state before the commit."""
        request = operation.request
        if isinstance(request, Acquire | Release):
            return False
        return _same(self._store.evaluate(request, commit.revision).events, changes)

    def _misfit(self, operation: Operation, commit: Commit, changes: Sequence[KeyEvent]) -> Finding | None:
        """What is wrong if `operation` caused `commit`, by the state before it."""
        request, revision = operation.request, commit.revision
        if isinstance(request, Acquire | Release):
            why = f"{name(operation)} changed keys: {events_line(changes)}"
            return Finding(Anomaly.WRONG_EFFECT, why, (operation,), (commit,))
        effect = self._store.evaluate(request, revision)
        if _same(effect.events, changes):
            return None
        if isinstance(request, Txn):
            other = self._store.effect(request.orelse if effect.succeeded else request.then, revision)
            if _same(other.events, changes):
                return self._wrong_branch(operation, request, effect.succeeded, commit)
        should = events_line(effect.events)
        why = f"{name(operation)} should do this at revision {revision}: {should}; it did: {events_line(changes)}"
        return Finding(Anomaly.WRONG_EFFECT, why, (operation,), (commit,))

    def _check_metadata(self, commit: Commit, event: KeyPut) -> None:
        item = self._store.get(event.key)
        # A later put of the same commit hides this one.
        if item is None or item.value != event.value:
            return
        for field in ("create_revision", "version"):
            told, actual = getattr(event, field), getattr(item, field)
            if told is not None and told != actual:
                why = f"revision {commit.revision} tells the {field} of {event.key} as {told}: it is {actual}"
                self._find(Anomaly.WRONG_METADATA, why, (), (commit,))

    def _orphan(self, commit: Commit, changes: Sequence[KeyEvent]) -> None:
        """Put a commit without a known cause aside, with every operation that might have caused it."""
        possible: dict[str, Finding | None] = {}
        if commit.request is None:
            candidates = self._producers.candidates(changes)
            possible = {o.id: None for o in candidates if self._fits(o, commit, changes)}
            # Of what does not fit, only a value names its author.
            if not possible and any(isinstance(event, KeyPut) for event in changes):
                possible = {o.id: self._misfit(o, commit, changes) for o in candidates}
        expiry = self._history.leases_expire and all(self._leased(event) for event in changes)
        self._orphans.add(commit, possible, expiry)

    def _leased(self, event: KeyEvent) -> bool:
        item = self._store.get(event.key)
        return isinstance(event, KeyDeleted) and item is not None and bool(item.lease)

    def _lost(self) -> None:
        """Every acknowledged write is in the record."""
        for revision, operations in self._writes.items():
            at_keys = [operation for operation in operations if not _on_locks(operation)]
            owners = [o for o in at_keys if o.id in self.applied and self.applied[o.id].revision == revision]
            for operation in at_keys:
                if operation.id in self.applied:
                    continue
                shown = self._history.by_revision.get(revision)
                if owners:
                    why = f"{name(owners[0])} and {name(operation)} both took revision {revision}"
                    self._find(Anomaly.REVISION_REUSED, why, (owners[0], operation))
                elif shown is None:
                    self._find(Anomaly.LOST_WRITE, f"{name(operation)} is not in the record", (operation,))
                else:
                    why = f"{name(operation)} is not in the record; revision {revision} is something else"
                    self._find(Anomaly.LOST_WRITE, why, (operation,), (shown,))

    # -- answers -----------------------------------------------------------------------------------------------------

    def _answer(self, operation: Operation, revision: int) -> None:
        """Judge an answer that is about the state at `revision`, and changed nothing."""
        request = operation.request
        if isinstance(request, Get | Range) and request.revision not in {None, revision}:
            why = f"{name(operation)} was asked for revision {request.revision}"
            self._find(Anomaly.WRONG_REVISION, why, (operation,))
        elif not self._history.knows(revision):
            last = f"the record ends at {self._history.last_revision}"
            self._find(Anomaly.NO_SUCH_REVISION, f"{name(operation)}: {last}", (operation,))
        elif isinstance(request, Acquire | Release):
            self.findings += self._locks.answer(operation)
        elif operation.id not in self.applied:
            self._compare(operation, self._store.evaluate(request, revision))

    def _compare(self, operation: Operation, effect: Effect) -> None:
        """Compare an answer with what the model answers."""
        request, result = operation.request, operation.result
        parts: Sequence[Request] = (request,)
        told: Sequence[Response]
        if isinstance(request, Txn):
            assert isinstance(result, Decided)
            if result.succeeded != effect.succeeded:
                self.findings.append(self._wrong_branch(operation, request, effect.succeeded))
                return
            parts, told = (request.then if result.succeeded else request.orelse), result.responses
        else:
            assert isinstance(result, Found | Written)
            told = (result,)
        for part, got, there in zip(parts, told, effect.responses, strict=True):
            if isinstance(part, Get | Range) and isinstance(got, Found) and isinstance(there, Found):
                finding = self._reading.judge(operation, part, got, there)
                if finding is not None:
                    self.findings.append(finding)
                    return
            elif isinstance(got, Written) and isinstance(there, Written) and got.deleted != there.deleted:
                change = self._last_change.get(part.key) if isinstance(part, Delete) else None
                why = f"{name(operation)}: it says {got.deleted} deleted where {there.deleted} were there to delete"
                self._find(Anomaly.WRONG_ANSWER, why, (operation,), () if change is None else (change,))
                return

    def _wrong_branch(self, operation: Operation, request: Txn, held: bool, *commits: Commit) -> Finding:
        changes = dict.fromkeys(filter(None, (self._last_change.get(compare.key) for compare in request.compares)))
        said = "held" if held else "did not hold"
        why = f"{name(operation)}: its comparison {said}, and it took the other branch"
        return Finding(Anomaly.COMPARE_UNJUSTIFIED, why, (operation,), (*changes, *commits))

    def _find(
        self, anomaly: Anomaly, why: str, operations: tuple[Operation, ...], commits: tuple[Commit, ...] = ()
    ) -> None:
        self.findings.append(Finding(anomaly, why, operations, commits))


def _on_locks(operation: Operation) -> bool:
    return isinstance(operation.request, Acquire | Release)


def _same(one: Sequence[KeyEvent], other: Sequence[KeyEvent]) -> bool:
    """Whether two lists of changes are the same for every key; the order between keys does not matter."""
    if len(one) != len(other):
        return False
    return _changes(one) == _changes(other)


def _changes(events: Sequence[KeyEvent]) -> Sequence[tuple[str, str, str, str]]:
    bare = [(e.key, "put", e.value, e.lease) if isinstance(e, KeyPut) else (e.key, "delete", "", "") for e in events]
    return bare if len(bare) == 1 else sorted(bare, key=lambda change: change[0])
