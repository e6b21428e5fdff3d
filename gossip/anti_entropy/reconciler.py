"""Reconciliation: applies a peer's digest and delta, and computes the delta that the peer lacks (gossip spec 4).

`scuttlebutt.py` decides which nodes a peer lacks, `node_state.py` how one namespace applies a delta.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from coterie.gossip.anti_entropy.scuttlebutt import stale_nodes
from coterie.gossip.config import GossipConfig
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import CaughtUp
from coterie.gossip.failure_detection.pause_detector import PauseDetector
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.membership.leave import LeaveBroadcast
from coterie.gossip.membership.membership import Membership
from coterie.gossip.membership.refutation import Refutation
from coterie.gossip.state.memory_budget import MemoryBudget
from coterie.gossip.state.node_state import ApplyOutcome
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.delta import DeltaWriter, NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import FORGED_COUNTER, Address, NodeId, encode_address
from coterie.gossip.wire.key_value import KeyValue
from coterie.gossip.wire.stripe import Stripe

MAX_NEWCOMERS = 64
"""Identities that one datagram of a stranger makes known: each costs some 15 us of the event loop."""

_COUNTER = {outcome: "delta_" + outcome.name.lower() for outcome in ApplyOutcome}


class Reconciler:
    """Reconciles the node table with what peers send."""

    def __init__(
        self,
        nodes: NodeTable,
        membership: Membership,
        detector: PhiAccrualDetector,
        pauses: PauseDetector,
        events: EventQueue,
        leave: LeaveBroadcast,
        refutation: Refutation,
        config: GossipConfig,
        rng: Random,
    ) -> None:
        self._nodes = nodes
        self._membership = membership
        self._detector = detector
        self._pauses = pauses
        self._events = events
        self._leave = leave
        self._refutation = refutation
        self._config = config
        self._rng = rng
        self.memory = MemoryBudget(nodes, config)
        self.last_digest: Digest | None = None
        """The last digest that any peer sent."""

    def receive_digest(self, digest: Digest, source: Address, now: float, *, stranger: bool = False) -> None:
        """Report its heartbeats to the failure detector, and create its unknown identities, of a stranger's a few."""
        known = self._nodes.known
        self.last_digest = digest
        # Datagrams that waited while this node paused arrive at once; intervals of 0 would make the detector impatient.
        arrival = self._detector.record_late_arrival if self._pauses.pause(now) else self._detector.record_arrival
        own = self._nodes.own
        unknown: list[tuple[bytes, int]] = []
        for encoded, heartbeat in zip(digest.ids, digest.heartbeats, strict=True):
            state = known.get(encoded)
            if state is None:
                unknown.append((encoded, heartbeat))
            elif heartbeat > state.heartbeat:
                if heartbeat >= FORGED_COUNTER:
                    self._events.counters["forged_counters"] += 1
                elif state is own:
                    self._refutation.refute_heartbeat(heartbeat)
                elif state.heartbeat == 0:
                    state.heartbeat = heartbeat
                else:
                    state.heartbeat = heartbeat
                    arrival(state.liveness, now)
        if stranger and len(unknown) > MAX_NEWCOMERS:
            self._events.counters["newcomers_over_limit"] += len(unknown) - MAX_NEWCOMERS
            speaker = encode_address(source)  # of whom it knows best
            unknown.sort(key=lambda row: not row[0].endswith(speaker))
            del unknown[MAX_NEWCOMERS:]
        for encoded, heartbeat in unknown:
            self._membership.discover(encoded, heartbeat)
        for state in self._nodes.at(source):
            if state is own or state.encoded not in digest.ids:
                continue
            state.direct_sequence = self._nodes.next_join_sequence
            heartbeat = digest.heartbeats[digest.ids.index(state.encoded)]
            if 0 < heartbeat < state.heartbeat:
                # Its own word: the higher heartbeat was hearsay, perhaps forged.
                state.heartbeat = heartbeat
                arrival(state.liveness, now)
        self._check_own_entry(digest, source)

    def _check_own_entry(self, digest: Digest, source: Address) -> None:
        try:
            row = digest.ids.index(self._nodes.own.encoded)
        except ValueError:
            return
        self._leave.receive_digest(source, digest.max_versions[row])
        self._refutation.refute_version(max(digest.max_versions[row], digest.last_gc_versions[row]))

    def compute_delta(
        self, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, next_join_sequence: int, room: int
    ) -> bytes:
        """The encoded delta of what a peer with the digest `seen` lacks, in at most `room` bytes.

        This side of the handshake listed the nodes of `listed_stripe` that joined before `next_join_sequence`.
        """
        max_ops = self._config.max_delta_ops
        writer = DeltaWriter(room, self._config.max_delta_bytes, max_ops)
        for state, from_version in stale_nodes(
            self._nodes, seen, seen_stripe, listed_stripe, next_join_sequence, self._rng
        ):
            if writer.full:
                break
            newer = state.newer_than(from_version, max_ops)
            writer.add_node(state.encoded, state.last_gc_version, from_version, newer, state.max_version)
        return writer.finish()

    def apply_delta(self, delta: Sequence[NodeDelta], source: Address, now: float) -> None:
        """Apply a peer's delta to every node but the own one."""
        own, events, known = self._nodes.own, self._events, self._nodes.known
        max_keys, memory = self._config.max_keys_per_node, self.memory
        max_bytes, ample = self._config.max_node_bytes, memory.ample
        reset: list[NodeId] = []
        for node_delta in delta:
            state = known.get(node_delta.node.encoded)
            if state is None:
                events.counters["delta_unknown_node"] += 1
                continue
            if state is own:
                self._refutation.refute_version(max(node_delta.max_version, node_delta.last_gc_version))
                continue
            if node_delta.max_version >= FORGED_COUNTER or node_delta.last_gc_version >= FORGED_COUNTER:
                events.counters["forged_counters"] += 1
                continue
            from_owner = state.id.gossip_advertise_addr == source
            if not ample:
                max_bytes = memory.limit(state)
            held = state.held_bytes
            outcome, fresh = state.apply(node_delta, now, max_keys, max_bytes=max_bytes, from_owner=from_owner)
            if state.held_bytes != held:
                memory.record(state, state.held_bytes - held)
            events.counters[_COUNTER[outcome]] += 1
            if fresh and state.liveness.alive and state.left:
                self._membership.mark_left(state, now)
            if outcome is ApplyOutcome.RESET:
                reset.append(state.id)
            if events.listeners:
                for kv in fresh:
                    events.key_written(state, kv)
        if reset:
            events.put(CaughtUp(tuple(reset)))

    def import_state(
        self, node: NodeId, key_values: Sequence[KeyValue], max_version: int, last_gc_version: int, now: float
    ) -> bool:
        """Import a node's full state, fetched by other means than gossip.

        False, with no effect, for the own node, a removed one, one too many, and a state that is not newer.
        """
        if node == self._nodes.own.id or self._nodes.was_removed(node):
            return False
        state = self._nodes.known.get(node.encoded)
        if state is not None and (max_version <= state.max_version or max_version < state.last_gc_version):
            return False
        if state is None:
            state = self._membership.create(node)
            if state is None:
                return False
        for kv in state.replace(key_values, max_version, last_gc_version, now):
            self._events.key_written(state, kv)
        return True
