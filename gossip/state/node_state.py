"""One node's namespace: heartbeat, versioned key-values, tombstones (gossip spec 1, 4, 6).

`key_values` is kept in version order: every write moves its key to the end, and deltas arrive by ascending version.
So the key-values newer than a version are the tail of the dictionary, and nothing needs sorting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import islice

from coterie.gossip.config import LEFT_KEY
from coterie.gossip.failure_detection.phi_accrual import Liveness
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.identity import U64_MAX, NodeId
from coterie.gossip.wire.key_value import DELETE, DELETE_AFTER_TTL, KEY_COST, SET, KeyValue


class ApplyOutcome(Enum):
    """What applying a node delta did (gossip spec 4, "Applying")."""

    IGNORED = auto()
    FROM_THE_FUTURE = auto()
    GAP = auto()
    STALE_SOURCE = auto()
    NOTHING_NEW = auto()
    APPLIED = auto()
    RESET = auto()


class NodeState:
    """A replica of one node's namespace; for the own node, the original."""

    __slots__ = (
        "direct_sequence",
        "encoded",
        "expiring",
        "heartbeat",
        "held_bytes",
        "id",
        "is_own",
        "join_sequence",
        "key_values",
        "last_gc_version",
        "liveness",
        "max_version",
        "scheduled_for_deletion",
        "stripe_hash",
    )

    def __init__(self, node: NodeId, *, heartbeat: int = 0, join_sequence: int = 0) -> None:
        self.id = node
        self.encoded = node.encoded
        self.stripe_hash = node.stripe_hash
        self.heartbeat = heartbeat
        self.is_own = False
        self.max_version = 0
        self.last_gc_version = 0
        self.key_values: dict[str, KeyValue] = {}
        self.held_bytes = 0  # what the key-values take in memory, roughly
        # When this node learnt of each Delete and DeleteAfterTtl, oldest first; None where there is none.
        self.expiring: dict[str, float] | None = None
        self.liveness = Liveness()
        self.scheduled_for_deletion = False
        # The place of this node in the order in which its holder learnt of nodes.
        self.join_sequence = join_sequence
        # The next join sequence when its own address last listed it; 0 where all that is known of it is hearsay.
        self.direct_sequence = 0

    def get(self, key: str) -> KeyValue | None:
        """The visible version of `key`, if there is one."""
        kv = self.key_values.get(key)
        return kv if kv is not None and kv.status != DELETE else None

    @property
    def left(self) -> bool:
        """Whether its owner left on purpose."""
        return LEFT_KEY in self.key_values and self.get(LEFT_KEY) is not None

    def visible(self) -> Iterator[KeyValue]:
        """Every key that is not a tombstone, by key."""
        return (kv for _, kv in sorted(self.key_values.items()) if kv.status != DELETE)

    def newer_than(self, version: int, at_most: int | None = None) -> list[KeyValue]:
        """All key-values above `version`, or the first `at_most`, tombstones included, by ascending version."""
        if version == 0:
            if at_most is None or len(self.key_values) <= at_most:
                return list(self.key_values.values())
            return list(islice(self.key_values.values(), at_most))
        newer = []
        for kv in reversed(self.key_values.values()):
            if kv.version <= version:
                break
            newer.append(kv)
        newer.reverse()
        return newer[:at_most]

    # -- the owner's writes ------------------------------------------------------------------------------------------

    def set(self, key: str, value: str, now: float, *, status: int = SET) -> KeyValue | None:
        """Write a key, as Set or DeleteAfterTtl. None where nothing changes."""
        old = self.key_values.get(key)
        if old is not None and old.status == status and old.value == value:
            return None
        return self._write(KeyValue.make(key, value, self.max_version + 1, status), now)

    def delete(self, key: str, now: float) -> KeyValue | None:
        """Turn a key, or its tombstone, into a new tombstone. None where the key is absent."""
        if key not in self.key_values:
            return None
        return self._write(KeyValue.make(key, "", self.max_version + 1, DELETE), now)

    def delete_after_ttl(self, key: str, now: float) -> KeyValue | None:
        """Let a visible key expire after the grace period, which starts again. None where it is not visible."""
        old = self.get(key)
        if old is None:
            return None
        return self._write(KeyValue.make(key, old.value, self.max_version + 1, DELETE_AFTER_TTL), now)

    def _write(self, kv: KeyValue, now: float) -> KeyValue:
        self.put(kv, now)
        self.max_version = kv.version
        return kv

    def refute(self, version: int) -> None:
        """Move the own namespace above `version`, which others hold of it (gossip spec 10).

        Drops tombstones and gives the rest higher versions. The raised last_gc_version makes peers drop foreign keys.
        """
        kept = [kv for kv in self.key_values.values() if kv.status != DELETE]
        self.last_gc_version = version + 1
        renumbered = (kv.with_version(version + 2 + i) for i, kv in enumerate(kept))
        self.key_values = {kv.key: kv for kv in renumbered}
        if self.expiring is not None:
            self.expiring = {key: at for key, at in self.expiring.items() if key in self.key_values} or None
        self.max_version = version + 1 + len(kept)
        self._measure()

    def _measure(self) -> None:
        self.held_bytes = sum(kv.held_bytes for kv in self.key_values.values())

    # -- what a replica applies --------------------------------------------------------------------------------------

    def floor_of(self, last_gc_version: int, from_version_excluded: int) -> int:
        """The version up to which no key-value of a delta with these versions is taken here."""
        if from_version_excluded > self.max_version or self.is_own:
            return U64_MAX
        if last_gc_version > max(self.last_gc_version, self.max_version):
            return 0 if from_version_excluded == 0 else U64_MAX
        return self.max_version

    def apply(
        self, delta: NodeDelta, now: float, max_keys: int, *, max_bytes: int = U64_MAX, from_owner: bool = False
    ) -> tuple[ApplyOutcome, list[KeyValue]]:
        """Apply a node delta from a peer, or from the owner: the outcome, and the key-values that were set.

        Applies a prefix where the state would otherwise hold more than `max_keys` keys or `max_bytes`.
        """
        # A delta without KeyValue or SetMaxVersion has max_version 0; SetMaxVersion(0) says no more.
        if delta.max_version == 0:
            return ApplyOutcome.IGNORED, []
        if delta.from_version_excluded > self.max_version:
            return ApplyOutcome.FROM_THE_FUTURE, []
        outcome = ApplyOutcome.APPLIED
        if delta.last_gc_version > self.last_gc_version and delta.last_gc_version > self.max_version:
            if delta.from_version_excluded != 0:
                return ApplyOutcome.GAP, []
            outcome = ApplyOutcome.RESET
            self.key_values.clear()
            self.held_bytes = 0
            self.expiring = None
            self.max_version = 0
            self.last_gc_version = delta.last_gc_version
        elif delta.max_version <= self.max_version:
            return ApplyOutcome.NOTHING_NEW, []
        elif not from_owner and max(delta.last_gc_version, delta.max_version) < self.last_gc_version:
            # This state is half rebuilt after a reset: a source that lags behind may still hold deleted keys. The owner
            # never does.
            return ApplyOutcome.STALE_SOURCE, []

        floor, gc = self.max_version, self.last_gc_version
        fresh = delta.key_values
        if floor or gc:
            fresh = [kv for kv in fresh if kv.version > floor and (kv.status == SET or kv.version > gc)]
        counted = delta.op_bytes >= 0 and len(fresh) == len(delta.key_values)
        added = (delta.op_bytes if counted else sum([len(kv.op) for kv in fresh])) + KEY_COST * len(fresh)
        if len(self.key_values) + len(fresh) > max_keys or self.held_bytes + added > max_bytes:
            return self._apply_within(fresh, now, max_keys, max_bytes, outcome)
        self._take(fresh, now)
        if not self.held_bytes:  # `put` counts; the first delta is taken at once
            self.held_bytes = added
        self.max_version = delta.max_version
        return outcome, fresh

    def _take(self, fresh: list[KeyValue], now: float) -> None:
        if not self.key_values:
            # The first delta of a node, taken at once. A key that comes twice must keep its place in the order.
            taken = {kv.key: kv for kv in fresh}
            if len(taken) == len(fresh):
                self.key_values = taken
                self.expiring = {kv.key: now for kv in fresh if kv.status != SET} or None
                return
        for kv in fresh:
            self.put(kv, now)

    def _apply_within(
        self, fresh: list[KeyValue], now: float, max_keys: int, max_bytes: int, outcome: ApplyOutcome
    ) -> tuple[ApplyOutcome, list[KeyValue]]:
        for i, kv in enumerate(fresh):
            old = self.key_values.get(kv.key)
            held = self.held_bytes - (old.held_bytes if old is not None else 0)
            if (len(self.key_values) >= max_keys and old is None) or held + kv.held_bytes > max_bytes:
                return outcome, fresh[:i]
            self.put(kv, now)
            self.max_version = kv.version
        return outcome, fresh

    def put(self, kv: KeyValue, now: float) -> None:
        """Store a version above all others, and note where it expires."""
        key = kv.key
        if key in self.key_values:
            self.held_bytes -= self.key_values.pop(key).held_bytes
            if self.expiring is not None:
                self.expiring.pop(key, None)
        self.key_values[key] = kv
        self.held_bytes += kv.held_bytes
        if kv.status != SET:
            if self.expiring is None:
                self.expiring = {}
            self.expiring[key] = now

    def replace(
        self, key_values: Iterable[KeyValue], max_version: int, last_gc_version: int, now: float
    ) -> list[KeyValue]:
        """Import a full state: drops keys that are not given, keeps newer versions. Returns what was set."""
        held, expiring = self.key_values, self.expiring or {}
        set_now = []
        merged: dict[str, KeyValue] = {}
        for kv in key_values:
            old = held.get(kv.key)
            if old is not None and old.version >= kv.version:
                merged[kv.key] = old
            else:
                merged[kv.key] = kv
                set_now.append(kv)
        self.key_values = {kv.key: kv for kv in sorted(merged.values(), key=lambda kv: kv.version)}
        learnt = {
            key: expiring.get(key, now) if held.get(key) is kv else now
            for key, kv in self.key_values.items()
            if kv.status != SET
        }
        self.expiring = dict(sorted(learnt.items(), key=lambda item: item[1])) or None
        self.max_version = max_version
        self.last_gc_version = max(self.last_gc_version, last_gc_version)
        self._measure()
        return set_now

    # -- tombstone collection ----------------------------------------------------------------------------------------

    def collect_tombstones(self, now: float, grace: float) -> bool:
        """Remove keys deleted or expired for `grace` seconds. True where one of them was visible (gossip spec 6)."""
        visible_gone = False
        while self.expiring:
            key, learnt = next(iter(self.expiring.items()))
            if now - learnt < grace:
                break
            del self.expiring[key]
            kv = self.key_values.pop(key)
            self.held_bytes -= kv.held_bytes
            visible_gone |= kv.status != DELETE
            self.last_gc_version = max(self.last_gc_version, kv.version)
        if not self.expiring:
            self.expiring = None
        return visible_gone
