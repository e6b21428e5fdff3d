"""Anti-entropy: what a node learns from a peer's digest and delta, and the delta that it sends itself (gossip spec 4).

Which nodes a peer lacks is in `scuttlebutt.py`, how one namespace takes a delta in `state.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from coterie.gossip.anti_entropy.scuttlebutt import stale_nodes
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import CaughtUp
from coterie.gossip.failure_detection.pause_detector import RoundClock
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.membership.leave import Farewell
from coterie.gossip.membership.membership import Membership
from coterie.gossip.membership.refutation import Overtaking
from coterie.gossip.state.node_state import Outcome
from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.delta import DeltaWriter, NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import Address, NodeId
from coterie.gossip.wire.key_value import KeyValue
from coterie.gossip.wire.stripe import Stripe


class Reconciler:
    """Between a roster and what peers send."""

    def __init__(
        self,
        roster: Roster,
        membership: Membership,
        detector: PhiAccrualDetector,
        clock: RoundClock,
        events: EventQueue,
        farewell: Farewell,
        overtaking: Overtaking,
        max_keys_per_node: int,
        rng: Random,
    ) -> None:
        self._roster = roster
        self._membership = membership
        self._detector = detector
        self._clock = clock
        self._events = events
        self._farewell = farewell
        self._overtaking = overtaking
        self._max_keys = max_keys_per_node
        self._rng = rng
        self.last_digest: Digest | None = None
        """What the last peer that was heard from showed."""

    def take_digest(self, digest: Digest, source: Address, now: float) -> None:
        """Take its heartbeats as signs of life, and its unknown identities into the roster."""
        known = self._roster.known
        self.last_digest = digest
        # What waited while this node slept is read in one instant; intervals of nothing would make it impatient.
        arrival = self._detector.late_arrival if self._clock.delay(now) else self._detector.arrival
        own = self._roster.own
        for encoded, heartbeat in zip(digest.ids, digest.heartbeats, strict=True):
            state = known.get(encoded)
            if state is None:
                self._membership.discover(encoded, heartbeat)
            elif heartbeat > state.heartbeat:
                if state is own:
                    self._overtaking.heartbeat(heartbeat)
                elif state.heartbeat == 0:
                    state.heartbeat = heartbeat
                else:
                    state.heartbeat = heartbeat
                    arrival(state.liveness, now)
        self._look_at_own(digest, source)

    def _look_at_own(self, digest: Digest, source: Address) -> None:
        try:
            row = digest.ids.index(self._roster.own.encoded)
        except ValueError:
            return
        self._farewell.shown(source, digest.max_versions[row])
        self._overtaking.version(max(digest.max_versions[row], digest.last_gc_versions[row]))

    def make_delta(self, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, births: int, room: int) -> bytes:
        """What a peer that showed `seen` lacks, in `room` bytes.

        The own side of the exchange listed the nodes of `listed_stripe` that were known when `births` was read.
        """
        writer = DeltaWriter(room)
        for state, from_version in stale_nodes(self._roster, seen, seen_stripe, listed_stripe, births, self._rng):
            writer.add_node(
                state.encoded, state.last_gc_version, from_version, state.newer_than(from_version), state.max_version
            )
        return writer.finish()

    def take_delta(self, delta: Sequence[NodeDelta], source: Address, now: float) -> None:
        """Take what a peer sent of any nodes but this one."""
        own, events = self._roster.own, self._events
        reset: list[NodeId] = []
        for node_delta in delta:
            state = self._roster.known.get(node_delta.node.encoded)
            if state is None:
                events.counters["delta_unknown_node"] += 1
                continue
            if state is own:
                self._overtaking.version(max(node_delta.max_version, node_delta.last_gc_version))
                continue
            from_owner = state.id.gossip_advertise_addr == source
            outcome, fresh = state.apply(node_delta, now, self._max_keys, from_owner=from_owner)
            events.counters["delta_" + outcome.name.lower()] += 1
            if fresh and state.liveness.alive and state.left:
                self._membership.see_off(state, now)
            if outcome is Outcome.RESET:
                reset.append(state.id)
            if events.listeners:
                for kv in fresh:
                    events.key_written(state, kv)
        if reset:
            events.put(CaughtUp(tuple(reset)))

    def take_state(
        self, node: NodeId, key_values: Sequence[KeyValue], max_version: int, last_gc_version: int, now: float
    ) -> bool:
        """Take a node's full state, fetched by other means than gossip.

        False, with no effect, for the own node, a collected one, one too many, and a state that is not an update.
        """
        if node == self._roster.own.id or self._roster.remembers(node):
            return False
        state = self._roster.known.get(node.encoded)
        if state is not None and (max_version <= state.max_version or max_version < state.last_gc_version):
            return False
        if state is None:
            state = self._membership.create(node)
            if state is None:
                return False
        for kv in state.replace(key_values, max_version, last_gc_version, now):
            self._events.key_written(state, kv)
        return True
