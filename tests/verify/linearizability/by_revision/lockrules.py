"""Locks in the record: never more holders than the lock has room for, tokens that rise, and a request behind each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.verify.linearizability.by_revision.sightings import Sightings
from tests.verify.linearizability.histories.history import Commit, History, LockGranted, LockReleased, Operation
from tests.verify.linearizability.histories.locks import LockBook
from tests.verify.linearizability.histories.requests import Acquire, Busy, Granted, Release, Released
from tests.verify.linearizability.rendering.findings import Anomaly, Finding
from tests.verify.linearizability.rendering.wording import name


class LockRules:
    """Follows the lock events of the record. Grants and releases of others' requests may share a commit."""

    def __init__(self, history: History, book: LockBook, sightings: Sightings) -> None:
        self._history = history
        self._book = book
        self._sightings = sightings
        self._granted_at: dict[tuple[str, int], Commit] = {}
        self._told: dict[tuple[str, str, int], Operation] = {}
        self._asking: dict[tuple[str, str], Operation] = {}
        self._releasing: defaultdict[tuple[str, int], list[Operation]] = defaultdict(list)
        self.applied: dict[str, Commit] = {}
        """The commit in which each acquisition and release took effect, by operation id."""
        for operation in history.operations:
            match operation.request, operation.result:
                case Acquire(lock=lock, owner=owner), Granted(token=token):
                    self._told[lock, owner, token] = operation
                case Acquire(lock=lock, owner=owner), None:
                    self._asking[lock, owner] = operation
                case Release(lock=lock, token=token), Released(released=True) | None:
                    self._releasing[lock, token].append(operation)

    # -- the record --------------------------------------------------------------------------------------------------

    def follow(self, commit: Commit) -> Iterator[Finding]:
        """Judge the lock events of a commit, and take them into the book."""
        for event in commit.events:
            match event:
                case LockReleased():
                    yield from self._release(commit, event)
                    self._book.release(event.lock, event.token)
                case LockGranted():
                    yield from self._grant(commit, event)
                    self._book.grant(event.lock, event.owner, event.token)

    def _grant(self, commit: Commit, event: LockGranted) -> Iterator[Finding]:
        lock, token = event.lock, event.token
        asked = self._asker(event)
        if self._book.full(lock):
            holding = [self._granted_at[lock, held] for held in self._book.holders(lock)]
            holders = ", ".join(f"{owner} (token {held})" for held, owner in self._book.holders(lock).items())
            yield Finding(
                Anomaly.LOCK_GRANTED_TWICE,
                f"{lock} was granted to {event.owner} (token {token}) while {holders} held it",
                commits=(*holding, commit),
            )
        if token <= self._book.highest(lock):
            before = self._granted_at[lock, self._book.highest(lock)]
            yield Finding(
                Anomaly.TOKEN_REGRESSION,
                f"{lock} was granted under token {token}, after token {self._book.highest(lock)}",
                commits=(before, commit),
            )
        self._granted_at[lock, token] = commit
        if asked is None:
            yield Finding(
                Anomaly.GRANT_FROM_NOWHERE,
                f"{lock} was granted to {event.owner} (token {token}), for which no acquisition asks",
                commits=(commit,),
            )
        elif asked.failed:
            why = f"{name(asked)} was refused, and holds {lock} from revision {commit.revision}"
            yield Finding(Anomaly.FAILED_WRITE_APPLIED, why, (asked,), (commit,))
        elif asked.id in self.applied:
            why = f"{name(asked)} was granted at two revisions"
            yield Finding(Anomaly.DUPLICATE_APPLY, why, (asked,), (self.applied[asked.id], commit))
        else:
            self.applied[asked.id] = commit

    def _asker(self, event: LockGranted) -> Operation | None:
        told = self._told.get((event.lock, event.owner, event.token))
        return told or self._asking.get((event.lock, event.owner))

    def _release(self, commit: Commit, event: LockReleased) -> Iterator[Finding]:
        lock, token = event.lock, event.token
        releasing = [o for o in self._releasing[lock, token] if o.id not in self.applied]
        if self._history.leases_expire:
            releasing = [o for o in releasing if o.revision == commit.revision or self._may_be(o, commit)]
        # An answer that names this revision is the cause; then what may have taken effect; a refusal last.
        releasing.sort(key=lambda o: (o.revision != commit.revision, o.failed, not self._may_be(o, commit)))
        if not self._book.held(lock, token):
            yield Finding(
                Anomaly.RELEASE_OF_UNHELD,
                f"revision {commit.revision} releases {lock} of token {token}, which did not hold it",
                tuple(releasing[:1]),
                (commit,),
            )
        if not releasing:
            if not self._history.leases_expire:
                why = f"revision {commit.revision} releases {lock} of token {token}, for which no release asks"
                yield Finding(Anomaly.RELEASE_FROM_NOWHERE, why, commits=(commit,))
        elif releasing[0].failed:
            why = f"{name(releasing[0])} was refused, and took effect at revision {commit.revision}"
            yield Finding(Anomaly.FAILED_WRITE_APPLIED, why, (releasing[0],), (commit,))
        else:
            self.applied[releasing[0].id] = commit

    def _may_be(self, operation: Operation, commit: Commit) -> bool:
        """Whether an operation of unknown outcome had begun when the commit was first seen."""
        return operation.unknown and operation.invoked <= self._sightings.first_of(commit.revision)

    # -- the answers -------------------------------------------------------------------------------------------------

    def answer(self, operation: Operation) -> Iterator[Finding]:
        """Judge an answer that says that nothing changed, by the book as of its revision."""
        match operation.request, operation.result:
            case Acquire(lock=lock), Busy(revision=revision) if not self._book.full(lock):
                why = f"{name(operation)}: at revision {revision} there was room in {lock}"
                yield Finding(Anomaly.WRONG_ANSWER, why, (operation,))
            case Release(lock=lock, token=token), Released(revision=revision) if self._book.held(lock, token):
                why = f"{name(operation)}: at revision {revision} the token held {lock}"
                yield Finding(Anomaly.WRONG_ANSWER, why, (operation,), (self._granted_at[lock, token],))

    def settle(self) -> Iterator[Finding]:
        """At the end: every grant and release that was acknowledged is in the record, at the revision it was told."""
        for operation in self._history.operations:
            if not operation.wrote or not isinstance(operation.request, Acquire | Release):
                continue
            commit = self.applied.get(operation.id)
            if commit is None:
                yield Finding(Anomaly.LOST_WRITE, f"{name(operation)} is not in the record", (operation,))
            elif commit.revision != operation.revision:
                why = f"{name(operation)} took effect at revision {commit.revision}"
                yield Finding(Anomaly.WRONG_REVISION, why, (operation,), (commit,))
