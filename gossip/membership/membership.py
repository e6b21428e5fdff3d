"""Who is there: nodes become known, live, die, and are forgotten (gossip spec 5).

The detector judges one node; here is what its verdicts do to the roster, and what of it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import LiveSetChanged, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.identity import NodeId, decode_node_id

MAX_GENERATIONS = 16
"""Identities known of one node_id at a time. All share a stripe at every number of stripes, so that a process that
crashes and restarts all day would else outgrow a datagram by itself."""


class Membership:
    """Of the nodes of a roster."""

    def __init__(
        self,
        roster: Roster,
        detector: PhiAccrualDetector,
        events: EventQueue,
        dead_node_grace_period: float,
        live_filter: Callable[[NodeState], bool] | None,
    ) -> None:
        """`live_filter`: the extra predicate on what `LiveSetChanged` tells."""
        self._roster = roster
        self._detector = detector
        self._events = events
        self._grace = dead_node_grace_period
        self._live_filter = live_filter
        self._live_versions: dict[NodeId, int] = {}

    # -- coming ------------------------------------------------------------------------------------------------------

    def discover(self, encoded: bytes, heartbeat: int) -> None:
        """A peer spoke of an unknown identity."""
        node = decode_node_id(encoded)
        if self._roster.remembers(node, heartbeat):
            self._events.counters["identities_collected_before"] += 1
            return
        state = self.create(node)
        if state is not None:
            state.heartbeat = heartbeat

    def create(self, node: NodeId) -> NodeState | None:
        """Make an unknown node known. None where that would be one too many."""
        state = self._roster.create(node) if self._make_way(node) else None
        if state is None:
            self._events.counters["identities_over_limit"] += 1
        else:
            self._events.membership(NodeJoined(node))
        return state

    def _make_way(self, node: NodeId) -> bool:
        """Whether there is room for one more generation of a node_id, if need be in its oldest dead one's place."""
        siblings = self._roster.generations(node.node_id)
        if len(siblings) < MAX_GENERATIONS:
            return True
        dead = [s for s in siblings if s is not self._roster.own and not s.liveness.alive]
        oldest = min(dead, key=lambda s: s.id.generation, default=None)
        if oldest is None or oldest.id.generation > node.generation:
            return False
        self._remove(oldest)
        return True

    # -- going -------------------------------------------------------------------------------------------------------

    def see_off(self, state: NodeState, now: float) -> None:
        """A node said goodbye: it is not waited for until the next evaluation."""
        state.liveness.alive = False
        state.liveness.dead_since = now
        self._events.membership(NodeDead(state.id, left=True))

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Drop the identities of a node up to a generation, as if their grace period were over; who that was.

        Those that are alive stay, and so does the own one. Peers that still speak of them bring none of them back.
        """
        gone = [
            state
            for state in self._roster.generations(node_id)
            if state is not self._roster.own and not state.liveness.alive and state.id.generation <= generation
        ]
        for state in gone:
            self._remove(state)
        return [state.id for state in gone]

    def _remove(self, state: NodeState) -> None:
        self._roster.collect(state)
        self._events.membership(NodeRemoved(state.id))

    # -- living and dying --------------------------------------------------------------------------------------------

    def evaluate(self, now: float, *, keys_collected: bool = False) -> None:
        """Judge everybody, and tell what changed. `keys_collected`: so did somebody's visible keys."""
        is_alive = self._detector.is_alive
        own = self._roster.own
        alive = [state for state in self._roster.others() if is_alive(state.liveness, now) and not state.left]
        living = self._without_outlived(alive)
        live_versions: dict[NodeId, int] = {own.id: own.max_version}
        grace = self._grace
        gone: list[NodeState] = []
        for state in self._roster.others():
            liveness = state.liveness
            if state.encoded in living:
                live_versions[state.id] = state.max_version
                if not liveness.alive:
                    liveness.alive = liveness.ever_alive = True
                    liveness.dead_since = None
                    self._roster.schedule(state, False)
                    self._events.membership(NodeAlive(state.id))
                continue
            if liveness.alive:
                liveness.alive = False
                self._events.membership(NodeDead(state.id, state.left))
            self._detector.forget_intervals(liveness)
            if liveness.dead_since is None:
                liveness.dead_since = now
            dead_for = now - liveness.dead_since
            if dead_for >= grace:
                gone.append(state)
            elif dead_for >= grace / 2:
                self._roster.schedule(state, True)
        for state in gone:
            self._remove(state)
        if keys_collected or live_versions != self._live_versions:
            self._tell_live_set(live_versions)

    def _without_outlived(self, alive: Sequence[NodeState]) -> Mapping[bytes, NodeState]:
        """The identities that are alive: not those of whose node_id a higher generation is."""
        living = {state.encoded: state for state in alive}
        for incarnations in self._roster.incarnations():
            present = [s for s in incarnations if s is self._roster.own or s.encoded in living]
            newest = max((s.id.generation for s in present), default=0)
            for state in present:
                if state.id.generation < newest:
                    living.pop(state.encoded, None)
        return living

    def _tell_live_set(self, live_versions: dict[NodeId, int]) -> None:
        self._live_versions = live_versions
        states = {node: self._roster.known[node.encoded] for node in live_versions}
        wanted = self._live_filter
        self._events.put(LiveSetChanged({n: s for n, s in states.items() if wanted is None or wanted(s)}))
