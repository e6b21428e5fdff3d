"""One node's namespace: heartbeat, versioned key-values, tombstones (gossip spec 1, gossip spec 4, gossip spec 6).

`key_values` is kept in version order: every write moves its key to the end, and deltas arrive by ascending version.
So "everything newer than version v" is the tail of a dictionary, and nothing needs sorting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from coterie.gossip.config import LEFT_KEY
from coterie.gossip.failure_detection.phi_accrual import Liveness
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.identity import NodeId
from coterie.gossip.wire.key_value import DELETE, DELETE_AFTER_TTL, SET, KeyValue


class Outcome(Enum):
    """What became of a node delta (gossip spec 4, "Applying")."""

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
        "born",
        "dying",
        "encoded",
        "heartbeat",
        "id",
        "key_values",
        "last_gc_version",
        "liveness",
        "max_version",
        "scheduled_for_deletion",
        "stripe_hash",
    )

    def __init__(self, node: NodeId, *, heartbeat: int = 0, born: int = 0) -> None:
        self.id = node
        self.encoded = node.encoded
        self.stripe_hash = node.stripe_hash
        self.heartbeat = heartbeat
        self.max_version = 0
        self.last_gc_version = 0
        self.key_values: dict[str, KeyValue] = {}
        # When this node learnt of each Delete and DeleteAfterTtl, oldest first; None while there is none.
        self.dying: dict[str, float] | None = None
        self.liveness = Liveness()
        self.scheduled_for_deletion = False
        # The place of this state in the order in which its holder came to know nodes.
        self.born = born

    def get(self, key: str) -> KeyValue | None:
        """The visible version of `key`, if there is one."""
        kv = self.key_values.get(key)
        return kv if kv is not None and kv.status != DELETE else None

    @property
    def left(self) -> bool:
        """Whether its owner said goodbye."""
        return LEFT_KEY in self.key_values and self.get(LEFT_KEY) is not None

    def visible(self) -> Iterator[KeyValue]:
        """Every key that is not a tombstone, by key."""
        return (kv for _, kv in sorted(self.key_values.items()) if kv.status != DELETE)

    def newer_than(self, version: int) -> list[KeyValue]:
        """All key-values above `version`, tombstones included, by ascending version."""
        if version == 0:
            return list(self.key_values.values())
        newer = []
        for kv in reversed(self.key_values.values()):
            if kv.version <= version:
                break
            newer.append(kv)
        newer.reverse()
        return newer

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

    def overtake(self, version: int) -> None:
        """Reclaim the own namespace from versions up to `version` that others hold (gossip spec 10).

        Tombstones go, the rest gets versions above, and the raised last_gc_version makes peers drop what is not ours.
        """
        kept = [kv for kv in self.key_values.values() if kv.status != DELETE]
        self.last_gc_version = version + 1
        renumbered = (kv.with_version(version + 2 + i) for i, kv in enumerate(kept))
        self.key_values = {kv.key: kv for kv in renumbered}
        if self.dying is not None:
            self.dying = {key: at for key, at in self.dying.items() if key in self.key_values} or None
        self.max_version = version + 1 + len(kept)

    # -- what a replica takes from others ----------------------------------------------------------------------------

    def apply(
        self, delta: NodeDelta, now: float, max_keys: int, *, from_owner: bool = False
    ) -> tuple[Outcome, list[KeyValue]]:
        """Take what a peer, or the owner itself, sent of this node: the outcome, and the key-values that were set.

        Stops, at a prefix, before the state would hold more than `max_keys` keys.
        """
        # A delta without KeyValue or SetMaxVersion shows max_version 0; so would SetMaxVersion(0), which says no more.
        if delta.max_version == 0:
            return Outcome.IGNORED, []
        if delta.from_version_excluded > self.max_version:
            return Outcome.FROM_THE_FUTURE, []
        outcome = Outcome.APPLIED
        if delta.last_gc_version > self.last_gc_version and delta.last_gc_version > self.max_version:
            if delta.from_version_excluded != 0:
                return Outcome.GAP, []
            outcome = Outcome.RESET
            self.key_values.clear()
            self.dying = None
            self.max_version = 0
            self.last_gc_version = delta.last_gc_version
        elif delta.max_version <= self.max_version:
            return Outcome.NOTHING_NEW, []
        elif not from_owner and max(delta.last_gc_version, delta.max_version) < self.last_gc_version:
            # Half rebuilt after a reset; a source that has yet to come as far may still show what was deleted. Only
            # the owner never does.
            return Outcome.STALE_SOURCE, []

        floor, gc = self.max_version, self.last_gc_version
        fresh = delta.key_values
        if floor or gc:
            fresh = [kv for kv in fresh if kv.version > floor and (kv.status == SET or kv.version > gc)]
        if len(self.key_values) + len(fresh) > max_keys:
            return self._apply_within(fresh, now, max_keys, outcome)
        self._take(fresh, now)
        self.max_version = delta.max_version
        return outcome, fresh

    def _take(self, fresh: list[KeyValue], now: float) -> None:
        if not self.key_values:
            # A newcomer's first sight of a node, all at once; a key that comes twice needs its place in the order.
            taken = {kv.key: kv for kv in fresh}
            if len(taken) == len(fresh):
                self.key_values = taken
                self.dying = {kv.key: now for kv in fresh if kv.status != SET} or None
                return
        for kv in fresh:
            self.put(kv, now)

    def _apply_within(
        self, fresh: list[KeyValue], now: float, max_keys: int, outcome: Outcome
    ) -> tuple[Outcome, list[KeyValue]]:
        for i, kv in enumerate(fresh):
            if len(self.key_values) >= max_keys and kv.key not in self.key_values:
                return outcome, fresh[:i]
            self.put(kv, now)
            self.max_version = kv.version
        return outcome, fresh

    def put(self, kv: KeyValue, now: float) -> None:
        """Store a version above all others, and keep the book of what is to be collected."""
        key = kv.key
        if key in self.key_values:
            del self.key_values[key]
            if self.dying is not None:
                self.dying.pop(key, None)
        self.key_values[key] = kv
        if kv.status != SET:
            if self.dying is None:
                self.dying = {}
            self.dying[key] = now

    def replace(
        self, key_values: Iterable[KeyValue], max_version: int, last_gc_version: int, now: float
    ) -> list[KeyValue]:
        """Take a full state fetched by other means: keys not given vanish, older ones stay. Returns what was set."""
        held, dying = self.key_values, self.dying or {}
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
            key: dying.get(key, now) if held.get(key) is kv else now
            for key, kv in self.key_values.items()
            if kv.status != SET
        }
        self.dying = dict(sorted(learnt.items(), key=lambda item: item[1])) or None
        self.max_version = max_version
        self.last_gc_version = max(self.last_gc_version, last_gc_version)
        return set_now

    # -- collection --------------------------------------------------------------------------------------------------

    def collect(self, now: float, grace: float) -> bool:
        """Remove what was deleted or expired `grace` seconds ago or more. True where a visible key went."""
        visible_gone = False
        while self.dying:
            key, learnt = next(iter(self.dying.items()))
            if now - learnt < grace:
                break
            del self.dying[key]
            kv = self.key_values.pop(key)
            visible_gone |= kv.status != DELETE
            self.last_gc_version = max(self.last_gc_version, kv.version)
        if not self.dying:
            self.dying = None
        return visible_gone
