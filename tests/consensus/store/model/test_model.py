"""The state against the naive model, under random operations, snapshots and watches."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coterie.consensus.store import (
    Batch,
    BatchDone,
    CompactedRevisionError,
    Event,
    FutureRevisionError,
    Guard,
    LeaseBind,
    LeaseGrant,
    Limits,
    QueueKind,
    Record,
    SingleOperation,
    State,
    Txn,
    Watcher,
    WatchHub,
    apply,
    encode,
    read_snapshot,
    state_digest,
)
from tests.consensus.store.helpers import restored, snapshot
from tests.consensus.store.model import model_rules
from tests.consensus.store.model.model import Model
from tests.consensus.store.model.strategies import ends, keys, operations, rushes

LIMITS = Limits(max_history_events=20, min_ttl_ms=1_000, request_window_ms=700, max_requests=4, max_queue_entries=100)


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.state = State(LIMITS)
        self.model = Model(LIMITS)
        self.index = 0
        self.hub = WatchHub(self.state.keyspace)
        self.watched: list[tuple[Watcher, bytes, bytes | None, int, list[Event]]] = []
        for op in (LeaseGrant(1_000), LeaseBind("n1", 1, 1_000), LeaseGrant(2_000), LeaseBind("n2", 1, 0)):
            self.apply(op)

    def apply(self, op: SingleOperation) -> None:
        self.index += 1
        expected = model_rules.apply(self.model, op)
        model_rules.prune(self.model)
        assert apply(self.state, encode(op), self.index) == expected

    @rule(op=operations)
    def one(self, op: SingleOperation) -> None:
        self.apply(op)

    @rule(many=st.lists(rushes, min_size=3, max_size=15))
    def rush(self, many: list[SingleOperation]) -> None:
        for op in many:
            self.apply(op)

    @rule(op=operations, step=st.integers(0, 600))
    def later(self, op: SingleOperation, step: int) -> None:
        self.index += 1
        self.model.time += step
        expected = model_rules.apply(self.model, op)
        model_rules.prune(self.model)
        result = apply(self.state, encode(Batch(self.model.time, (encode(op),))), self.index)
        assert result == BatchDone((expected,))

    @rule(many=st.lists(operations, max_size=20), earlier=st.integers(0, 1_000))
    def batch(self, many: list[SingleOperation], earlier: int) -> None:
        self.index += 1
        expected = tuple(model_rules.apply(self.model, op) for op in many)
        model_rules.prune(self.model)
        time_ms = max(0, self.model.time - earlier)
        result = apply(self.state, encode(Batch(time_ms, tuple(map(encode, many)))), self.index)
        assert result == BatchDone(expected)

    @rule(kind=st.sampled_from(QueueKind), pick=st.integers(0, 3), off=st.sampled_from([0, 0, 1]))
    def guarded(self, kind: QueueKind, pick: int, off: int) -> None:
        tokens = [place.token for place in self.model.places(kind, b"x") if place.token]
        if tokens:
            self.apply(Txn((Guard(kind, b"x", tokens[pick % len(tokens)] + off),)))

    @rule()
    def restart(self) -> None:
        data = snapshot(self.state)
        digest = state_digest(self.state)
        fresh = restored(data)
        assert state_digest(fresh) == digest
        assert snapshot(fresh) == data
        self.state = read_snapshot([data])
        self.hub.follow(self.state.keyspace)

    @rule(start=keys, end=ends, back=st.integers(-3, 8))
    def watch(self, start: bytes, end: bytes | None, back: int) -> None:
        first = self.model.revision - back
        if first <= self.model.compacted:
            with pytest.raises(CompactedRevisionError):
                self.hub.watch(start, end, from_revision=first)
        else:
            self.watched.append((self.hub.watch(start, end, from_revision=first), start, end, first, []))

    @rule(size=st.integers(1, 5), feed=st.booleans())
    def take(self, size: int, feed: bool) -> None:
        if feed:
            self.hub.feed()
        for item in [*self.watched]:
            watch, start, end, first, got = item
            try:
                batch = self.hub.take(watch, size)
            except CompactedRevisionError as error:
                behind = error.requested  # events from there on have not been handed out
                self.hub.close(watch)
                self.watched.remove(item)
            else:
                behind = self.model.compacted
            assert behind <= self.model.compacted
            if item not in self.watched:
                continue
            got += batch.events
            assert got == [
                event
                for event in self.model.events
                if first <= event.revision <= batch.revision and event.key >= start and (end is None or event.key < end)
            ]
            if feed and not batch.more:
                assert batch.revision >= self.model.revision

    @precondition(lambda self: self.model.revision > 0)
    @rule(data=st.data(), start=keys, end=ends, limit=st.integers(1, 5))
    def read_at(self, data: st.DataObject, start: bytes, end: bytes | None, limit: int) -> None:
        revision = data.draw(st.integers(0, self.model.revision + 1))
        if revision < self.model.compacted:
            with pytest.raises(CompactedRevisionError):
                self.state.range(start, end, revision=revision)
            with pytest.raises(CompactedRevisionError):
                self.state.get(start, revision)
        elif revision > self.model.revision:
            with pytest.raises(FutureRevisionError):
                self.state.range(start, end, revision=revision)
            with pytest.raises(FutureRevisionError):
                self.state.get(start, revision)
        else:
            assert self.state.get(start, revision) == self.model.states[revision].get(start)
            page = self.state.range(start, end, limit=limit, revision=revision)
            found: list[Record] = [*page.records]
            while page.next is not None:
                assert len(page.records) == limit
                page = self.state.next_page(page.next, limit=limit)
                found += page.records
            assert found == self.model.in_range(start, end, revision)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        state, model = self.state, self.model
        assert state.keyspace.revision == model.revision
        assert state.keyspace.history.compacted == model.compacted
        assert state.range(b"", None).records == model.in_range(b"", None)
        assert state.time_ms == model.time
        assert state.requests.horizon_ms == model.horizon
        assert state.requests.count == len(model.requests)
        assert state.sizes().history_events == sum(1 for it in model.events if it.revision > model.compacted)
        assert state.sizes().data_bytes == sum(len(it.key) + len(it.value) for it in model.now.values())
        assert sorted(state.leases.table) == sorted(model.leases)
        for lease in model.leases:
            assert state.lease_keys(lease) == sorted(it.key for it in model.now.values() if it.lease == lease)
        due = [it.id for it in model.leases.values() if it.ttl and it.deadline <= model.time]
        assert sorted(lease.id for lease in state.due_leases(model.time)) == sorted(due)
        for kind in QueueKind:
            for name in state.queue_names(kind):
                shown = [(it.key, it.lease, it.token, it.value) for it in state.queue_entries(kind, name)]
                assert shown == [(it.key, it.lease, it.token, it.value) for it in model.places(kind, name)]


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck))
TestStore.pytestmark = pytest.mark.timeout(1_200)  # type: ignore[attr-defined]  # a failure takes minutes to shrink
