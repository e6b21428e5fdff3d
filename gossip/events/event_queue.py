"""The queue of events that the shell takes, and the counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from coterie.gossip.events.events import Event, KeyChanged, NodeAlive, NodeDead, NodeJoined, NodeRemoved
from coterie.gossip.events.listeners import Listeners
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.key_value import DELETE, KeyValue

_MEMBERSHIP_COUNTERS: Mapping[type[Event], str] = {
    NodeJoined: "nodes_joined",
    NodeAlive: "nodes_alive",
    NodeDead: "nodes_dead",
    NodeRemoved: "nodes_removed",
}


class EventQueue:
    """The events of one engine; all its parts write to it."""

    def __init__(self, listeners: Listeners) -> None:
        """`listeners`: a change of a key that none of them subscribes to makes no event."""
        self.listeners = listeners
        self.counters: Counter[str] = Counter()
        """How often what happened, under a small fixed set of names."""
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        self._events.append(event)

    def put_membership(self, event: NodeJoined | NodeAlive | NodeDead | NodeRemoved) -> None:
        """Put and count an event of membership."""
        left = isinstance(event, NodeDead) and event.left
        self.counters["nodes_left" if left else _MEMBERSHIP_COUNTERS[type(event)]] += 1
        self._events.append(event)

    def key_written(self, state: NodeState, kv: KeyValue) -> None:
        if kv.status != DELETE and self.listeners.has_listener(kv.key):
            self._events.append(KeyChanged(state.id, kv))

    def take(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events
