"""What can be broken in gossip, watches, locks and leases; each is caught by the checkers, through real processes."""

from __future__ import annotations

from typing import Any

from tests.verify.consistency.sabotage.catalogue import Sabotage

# -- gossip ------------------------------------------------------------------------------------------------------------


def _deletions_dropped() -> None:
    from coterie.gossip.state.node_state import NodeState
    from coterie.gossip.wire.key_value import DELETE

    take = NodeState._take

    def without_deletions(self: Any, fresh: Any, now: float) -> None:
        take(self, [kv for kv in fresh if kv.status != DELETE], now)

    NodeState._take = without_deletions  # type: ignore[method-assign]


def _values_mixed_up() -> None:
    from coterie.gossip.state.node_state import NodeState
    from coterie.gossip.wire.key_value import KeyValue

    take = NodeState._take

    def anothers_value(self: Any, fresh: Any, now: float) -> None:
        ours = [kv for kv in fresh if kv.key.startswith("r/")]
        others = dict(zip([kv.key for kv in ours], [*ours[1:], *ours[:1]], strict=True))
        mixed = [
            KeyValue.make(kv.key, others[kv.key].value, kv.version, kv.status) if kv.key in others else kv
            for kv in fresh
        ]
        take(self, mixed, now)

    NodeState._take = anothers_value  # type: ignore[method-assign]


def _versions_skipped() -> None:
    from coterie.gossip.state.node_state import NodeState

    newer = NodeState.newer_than

    def all_but_the_first(self: Any, version: int, at_most: int | None = None) -> Any:
        found = newer(self, version, at_most)
        return found[1:] if len(found) > 2 else found

    NodeState.newer_than = all_but_the_first  # type: ignore[method-assign]


def _every_delta_resets() -> None:
    from coterie.gossip.state.node_state import NodeState

    apply = NodeState.apply

    def from_scratch(self: Any, delta: Any, now: float, max_keys: int, **options: Any) -> Any:
        if delta.max_version and delta.max_version % 7 == 0 and self.max_version:
            self.key_values.clear()
            self.dying = None
            self.max_version = delta.from_version_excluded
        return apply(self, delta, now, max_keys, **options)

    NodeState.apply = from_scratch  # type: ignore[method-assign]


def _marks_collected_unseen() -> None:
    from coterie.gossip.state.node_state import NodeState

    collect = NodeState.collect_tombstones

    def at_once_and_silently(self: Any, now: float, grace: float) -> bool:
        before = self.last_gc_version
        visible_gone = collect(self, now, 0.0)
        self.last_gc_version = before
        return visible_gone

    NodeState.collect_tombstones = at_once_and_silently  # type: ignore[method-assign]


def _hasty_deaths() -> None:
    from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector

    def hasty(self: Any, liveness: Any, now: float) -> bool:
        phi = self.phi(liveness, now)
        return phi is not None and phi <= 0.3

    PhiAccrualDetector.is_alive = hasty  # type: ignore[method-assign]


# -- watches -----------------------------------------------------------------------------------------------------------


def _resumed_from(shift: int) -> None:
    from coterie.app.api.keys import watch as watching

    resume_at = watching.resume_at

    def shifted(revision: int | None, last_event_id: str | None) -> int | None:
        found = resume_at(revision, last_event_id)
        return found if found is None or not last_event_id else max(1, found + shift)

    watching.resume_at = shifted


def _watch_jumps_to_the_present() -> None:
    from coterie.consensus.store.watch import WatchHub

    take = WatchHub.take

    def take_the_newest(self: Any, watch: Any, max_events: int = 1_000) -> Any:
        if watch.catching_up and self._fed - watch.position > 20:
            watch.position = self._fed - 5
        return take(self, watch, max_events)

    WatchHub.take = take_the_newest  # type: ignore[method-assign]


# -- locks and leases --------------------------------------------------------------------------------------------------


def _guards_off() -> None:
    from coterie.consensus.store.handlers import keys as writing
    from coterie.consensus.store.schema.operations import Guard

    holds = writing._holds
    writing._holds = lambda state, it: isinstance(it, Guard) or holds(state, it)


def _lock_for_everybody() -> None:
    from coterie.consensus.store.tables.queue_index import QueueIndex, WaitQueue

    enter = QueueIndex.enter

    def one_permit_more(self: Any, kind: Any, name: bytes, lease: int, value: bytes, permits: int) -> Any:
        queue: WaitQueue | None = self.find(kind, name)
        if queue is None:
            return enter(self, kind, name, lease, value, permits)
        queue.permits += 1
        try:
            return enter(self, kind, name, lease, value, permits)
        finally:
            queue.permits -= 1

    QueueIndex.enter = one_permit_more  # type: ignore[method-assign]


def _renewals_ignored() -> None:
    from coterie.consensus.store.tables.lease_table import LeaseTable

    LeaseTable.renew = lambda self, lease, now_ms: lease  # type: ignore[method-assign]


def _keys_outlive_leases() -> None:
    from coterie.consensus.store.handlers import leases as leasing

    end = leasing._end

    def without_the_keys(state: Any, lease: Any) -> Any:
        of_lease = state.keyspace.lease_keys
        if not all(key.startswith(b"l/") for key in of_lease.get(lease.id, ())):
            return end(state, lease)
        keys = of_lease.pop(lease.id, None)
        done = end(state, lease)
        if keys:
            of_lease[lease.id] = keys
        return done

    leasing._end = without_the_keys


LAYERS: tuple[Sabotage, ...] = (
    Sabotage(
        "gossip-drops-deletions",
        "a delta's deletions are passed over",
        _deletions_dropped,
        scenario="calm",
        layer="gossip",
        seconds=10,
    ),
    Sabotage(
        "gossip-mixes-values",
        "keys that come together get each other's values",
        _values_mixed_up,
        scenario="calm",
        layer="gossip",
        seconds=10,
    ),
    Sabotage(
        "gossip-skips-versions",
        "a delta leaves out the first of what is missing",
        _versions_skipped,
        scenario="partitions",
        layer="gossip",
    ),
    Sabotage(
        "gossip-resets-at-will",
        "some deltas begin anew, though nothing was collected",
        _every_delta_resets,
        scenario="calm",
        layer="gossip",
        seconds=10,
    ),
    Sabotage(
        "gossip-collects-unseen",
        "marks of deleted keys go at once, and peers are not told that they went",
        _marks_collected_unseen,
        scenario="partitions",
        layer="gossip",
    ),
    Sabotage(
        "gossip-hasty-deaths",
        "a third of the usual silence is taken for death",
        _hasty_deaths,
        scenario="calm",
        layer="gossip",
        seconds=40,
    ),
    Sabotage(
        "watch-skips-one",
        "a watch is resumed one revision too late",
        lambda: _resumed_from(+1),
        scenario="calm",
        seconds=15,
    ),
    Sabotage(
        "watch-repeats-one",
        "a watch is resumed with the revision that was seen last",
        lambda: _resumed_from(-1),
        scenario="calm",
        seconds=15,
    ),
    Sabotage(
        "watch-jumps-ahead",
        "a watch that is far behind goes on near the present",
        _watch_jumps_to_the_present,
        scenario="calm",
        seconds=15,
    ),
    Sabotage(
        "lock-without-fences",
        "a transaction takes any fencing token for a valid one",
        _guards_off,
        scenario="calm",
        seconds=30,
    ),
    Sabotage(
        "lock-held-by-two",
        "a lock that is held is granted once more",
        _lock_for_everybody,
        scenario="calm",
        seconds=20,
    ),
    Sabotage(
        "lease-renewals-ignored",
        "a renewal is acknowledged, and the lease ends at its old time",
        _renewals_ignored,
        scenario="calm",
        seconds=20,
    ),
    Sabotage(
        "lease-keys-stay",
        "a lease ends, and its keys stay",
        _keys_outlive_leases,
        scenario="calm",
        seconds=20,
    ),
)
