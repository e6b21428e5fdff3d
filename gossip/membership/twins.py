"""Detects twins: two running processes with one node_id, as of a configuration that was copied to a second host.

To the protocol a twin is a restart: the older identity counts as dead. But the heartbeat of a process that was replaced
stops, while the heartbeats of twins both go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import TwinsFound
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.identity import NodeId

TWIN_INTERVALS = 20
"""For so many gossip intervals both heartbeats must go on: the last ones of a replaced process arrive late."""

MIN_CHANGES = 5
"""In so many rounds each must change: what waited while this node paused counts once."""


@dataclass(slots=True)
class _Heartbeat:
    """What was seen of one identity, since its node_id has several."""

    value: int
    first: float
    last: float
    changes: int = 0


class TwinDetector:
    def __init__(self, nodes: NodeTable, events: EventQueue, gossip_interval: float) -> None:
        self._nodes = nodes
        self._events = events
        self._span = TWIN_INTERVALS * gossip_interval
        self._seen: dict[bytes, _Heartbeat] = {}
        self.found: Mapping[str, Sequence[NodeId]] = {}
        """The identities that run under each node_id that several do, by generation."""

    def end_round(self, now: float) -> None:
        """Look at the heartbeats, and report twins that are new."""
        seen: dict[bytes, _Heartbeat] = {}
        found: dict[str, Sequence[NodeId]] = {}
        for generations in self._nodes.restarted():
            running = [state.id for state in generations if self._goes_on(state, now, seen)]
            if len(running) > 1:
                running.sort(key=lambda node: node.sort_key)
                found[running[0].node_id] = running
        self._seen = seen
        new = [twins for node_id, twins in found.items() if twins != self.found.get(node_id)]
        self.found = found
        for twins in new:
            self._events.put(TwinsFound(tuple(twins)))

    def _goes_on(self, state: NodeState, now: float, seen: dict[bytes, _Heartbeat]) -> bool:
        if state is not self._nodes.own and not state.direct_sequence:
            return False  # hearsay can be forged
        known = self._seen.get(state.encoded)
        if known is None or now - known.last > self._span:
            known = _Heartbeat(state.heartbeat, now, now)
        elif state.heartbeat != known.value:
            known.value, known.last = state.heartbeat, now
            known.changes += 1
        seen[state.encoded] = known
        return known.changes >= MIN_CHANGES and known.last - known.first >= self._span
