"""Membership: nodes join, become alive, die or leave, and are removed (gossip spec 5).

The failure detector judges one node. This module applies its verdicts to the node table and reports the events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import LiveSetChanged, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.identity import FORGED_COUNTER, NodeId, decode_node_id

MAX_GENERATIONS = 16
"""Identities known of one node_id at a time. All of them share a stripe, however many stripes there are: without this
bound, a process that restarts all day would outgrow a datagram by itself."""


HEARSAY_GRACE_SECONDS = 600.0
"""At most so long an identity stays known that is a name and no more: never alive, by hearsay alone, without a key."""


def _supersedes(newer: NodeState, older: NodeState) -> bool:
    """Whether a live identity is the restart of another. A restart known by hearsay alone is none while the older one
    goes on speaking from its own address."""
    hearsay = not newer.direct_sequence and older.direct_sequence > newer.join_sequence
    return newer.id.generation > older.id.generation and not hearsay


class Membership:
    """Joins, judges and removes the nodes of one table."""

    def __init__(
        self,
        nodes: NodeTable,
        detector: PhiAccrualDetector,
        events: EventQueue,
        dead_node_grace_period: float,
        live_filter: Callable[[NodeState], bool] | None,
    ) -> None:
        """`live_filter`: the extra predicate on the nodes in `LiveSetChanged`."""
        self._nodes = nodes
        self._detector = detector
        self._events = events
        self._grace = dead_node_grace_period
        self._live_filter = live_filter
        self._live_versions: dict[NodeId, int] = {}

    # -- joining -----------------------------------------------------------------------------------------------------

    def discover(self, encoded: bytes, heartbeat: int) -> None:
        """Create an unknown identity that a peer's digest lists, unless it was removed here."""
        node = decode_node_id(encoded)
        if heartbeat >= FORGED_COUNTER or self._far_ahead(node):
            self._events.counters["forged_counters"] += 1
            return
        if self._nodes.was_removed(node, heartbeat):
            self._events.counters["identities_collected_before"] += 1
            return
        state = self.create(node)
        if state is not None:
            state.heartbeat = heartbeat

    def create(self, node: NodeId) -> NodeState | None:
        """Make an unknown node known. None where too many are known."""
        state = self._nodes.create(node) if self._make_room(node) else None
        if state is None:
            self._events.counters["identities_over_limit"] += 1
        else:
            self._events.put_membership(NodeJoined(node))
        return state

    def _far_ahead(self, node: NodeId) -> bool:
        """Whether no restart takes such a generation: from FORGED_COUNTER on, or far above one that is alive."""
        living = (s.id.generation for s in self._nodes.generations(node.node_id) if s.liveness.alive)
        return node.generation >= min(FORGED_COUNTER, 2 * max(living, default=FORGED_COUNTER) + 2**32)

    def _make_room(self, node: NodeId) -> bool:
        """Whether an identity has room, if need be in place of one that never lived, or of its own oldest dead one."""
        if self._nodes.full:
            least = self._nodes.least_proven()
            if least is None:
                return False
            self._events.counters["identities_over_limit"] += 1
            self._remove(least)
        siblings = self._nodes.generations(node.node_id)
        if len(siblings) < MAX_GENERATIONS:
            return True
        hearsay = [s for s in siblings if s is not self._nodes.own and not (s.liveness.ever_alive or s.direct_sequence)]
        if hearsay:
            self._remove(min(hearsay, key=lambda s: s.join_sequence))
            return True
        dead = [s for s in siblings if s is not self._nodes.own and not s.liveness.alive]
        oldest = min(dead, key=lambda s: s.id.generation, default=None)
        if oldest is None or oldest.id.generation > node.generation:
            return False
        self._remove(oldest)
        return True

    # -- leaving -----------------------------------------------------------------------------------------------------

    def mark_left(self, state: NodeState, now: float) -> None:
        """Count a node that left as dead at once, before the next evaluation."""
        state.liveness.alive = False
        state.liveness.dead_since = now
        self._events.put_membership(NodeDead(state.id, left=True))

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Remove the dead identities of a node up to a generation, as after their grace period; returns them.

        Live identities and the own one stay. Peers that still list a removed identity do not bring it back.
        """
        removed = [
            state
            for state in self._nodes.generations(node_id)
            if state is not self._nodes.own and not state.liveness.alive and state.id.generation <= generation
        ]
        for state in removed:
            self._remove(state)
        return [state.id for state in removed]

    def _remove(self, state: NodeState) -> None:
        self._nodes.remove(state)
        self._events.put_membership(NodeRemoved(state.id))

    # -- liveness ----------------------------------------------------------------------------------------------------

    def evaluate(self, now: float, *, keys_collected: bool = False) -> None:
        """Judge every other node and report changes. `keys_collected`: visible keys of some node were collected."""
        is_alive = self._detector.is_alive
        own = self._nodes.own
        alive = [state for state in self._nodes.others() if is_alive(state.liveness, now) and not state.left]
        living = self._without_superseded(alive)
        live_versions: dict[NodeId, int] = {own.id: own.max_version}
        gone: list[NodeState] = []
        for state in self._nodes.others():
            liveness = state.liveness
            if state.encoded in living:
                live_versions[state.id] = state.max_version
                if not liveness.alive:
                    liveness.alive = liveness.ever_alive = True
                    liveness.dead_since = None
                    self._nodes.came_alive(state)
                    self._nodes.schedule(state, False)
                    self._events.put_membership(NodeAlive(state.id))
                continue
            if liveness.alive:
                liveness.alive = False
                self._events.put_membership(NodeDead(state.id, state.left))
            self._detector.clear_intervals(liveness)
            if liveness.dead_since is None:
                liveness.dead_since = now
            dead_for, grace = now - liveness.dead_since, self._grace_of(state)
            if dead_for >= grace:
                gone.append(state)
            elif dead_for >= grace / 2:
                self._nodes.schedule(state, True)
        for state in gone:
            self._remove(state)
        if keys_collected or live_versions != self._live_versions:
            self._publish_live_set(live_versions)

    def _grace_of(self, state: NodeState) -> float:
        """Seconds. A stranger can invent names. One that holds keys stays as long as elsewhere: other nodes would send
        them again and again."""
        if state.liveness.ever_alive or state.direct_sequence or state.max_version:
            return self._grace
        return min(self._grace, HEARSAY_GRACE_SECONDS)

    def _without_superseded(self, alive: Sequence[NodeState]) -> Mapping[bytes, NodeState]:
        """The identities that are alive, without those that a higher live generation of the same node_id supersedes."""
        living = {state.encoded: state for state in alive}
        for generations in self._nodes.restarted():
            present = [s for s in generations if s is self._nodes.own or s.encoded in living]
            newest = max((s.id.generation for s in present), default=0)
            for state in present:
                if state.id.generation < newest and any(_supersedes(other, state) for other in present):
                    living.pop(state.encoded, None)
        return living

    def _publish_live_set(self, live_versions: dict[NodeId, int]) -> None:
        self._live_versions = live_versions
        states = {node: self._nodes.known[node.encoded] for node in live_versions}
        wanted = self._live_filter
        self._events.put(LiveSetChanged({n: s for n, s in states.items() if wanted is None or wanted(s)}))
