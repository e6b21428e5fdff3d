"""The real replicated state as the state machine of a simulation, and the record of all that it ever committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from coterie.consensus.member.metadata.state_machine import MetadataStateMachine
from coterie.consensus.store import Limits, Result, State, state_digest
from coterie.consensus.store.schema.levels import BOUNDED_RESULTS_SINCE
from coterie.consensus.store.schema.records import Event
from tests.verify.linearizability import Commit, KeyDeleted, KeyPut
from tests.verify.linearizability.histories.history import KeyEvent

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host

LIMITS = Limits(max_history_events=150, request_window_ms=2_000)
"""A short memory: watchers fall behind it, and retries come too late for it."""


def key_event(event: Event) -> KeyEvent:
    """An event in the words of the checkers."""
    key = event.key.decode()
    record = event.record
    if record is None:
        return KeyDeleted(key)
    lease = str(record.lease or "")
    return KeyPut(key, record.value.decode(), lease, record.create_revision, record.version)


def by_revision(events: Iterable[Event]) -> list[tuple[int, tuple[KeyEvent, ...]]]:
    grouped = groupby(events, key=attrgetter("revision"))
    return [(revision, tuple(key_event(event) for event in some)) for revision, some in grouped]


class Record:
    """Everything committed, in order, with the operation that caused it: taken where it was applied first."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.causes: dict[bytes, str] = {}
        """Encoded operation -> the id of the client's request; "" where the checkers are to find it."""

        self.bounded_since_ms: int | None = None
        """Cluster time since which no id is forgotten young."""

    @property
    def top(self) -> int:
        return self.commits[-1].revision if self.commits else 0

    def applied(self, op: bytes, state: State) -> None:
        if self.bounded_since_ms is None and state.feature_level >= BOUNDED_RESULTS_SINCE:
            self.bounded_since_ms = state.time_ms
        if state.keyspace.revision > self.top:
            cause = self.causes.get(op) or None
            for revision, events in by_revision(state.keyspace.history.after(self.top)):
                self.commits.append(Commit(revision, events, cause))


class Metadata(MetadataStateMachine):
    """One host's replica. `revision` and `digest` are what the invariants compare between hosts."""

    def __init__(self, host: Host, record: Record, on_change: Callable[[], None] = lambda: None) -> None:
        releases = host.world.releases
        state = State(LIMITS) if releases is None else releases.state(host)
        super().__init__(state, host.clock.monotonic, on_change)
        self._host = host
        self._record = record
        self._led = 0

    @property
    def revision(self) -> int:
        return self.state.keyspace.revision

    @property
    def digest(self) -> int:
        """Cheap; every now and then the whole state's."""
        state = self.state
        whole = state_digest(state) if state.applied_index % 64 == 0 else ""
        requests = (state.requests.count, state.requests.size, state.requests.horizon_ms)
        history = (state.keyspace.history.compacted, state.keyspace.history.count)
        return hash((state.time_ms, state.applied_index, state.keyspace.size, requests, history, whole))

    def stamp(self) -> bytes:
        self.keep_time()
        return super().stamp()

    def keep_time(self) -> None:
        """At a leader: its time goes on from the state's as it was when its term began."""
        node = self._host.node
        assert node is not None
        if node.term != self._led:
            self._led = node.term
            self.lead()

    def apply(self, op: bytes, index: int) -> Result:
        result = super().apply(op, index)
        self._record.applied(op, self.state)
        return result
