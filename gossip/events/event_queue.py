"""What the engine has to tell: events, until the shell takes them, and how often what happened."""

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
    """Of one engine; all its parts write to it."""

    def __init__(self, listeners: Listeners) -> None:
        """`listeners`: changes of keys that none of them wants are not told."""
        self.listeners = listeners
        self.counters: Counter[str] = Counter()
        """What happened how often, under names of a small fixed set."""
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        self._events.append(event)

    def membership(self, event: NodeJoined | NodeAlive | NodeDead | NodeRemoved) -> None:
        """A node comes or goes: told and counted."""
        left = isinstance(event, NodeDead) and event.left
        self.counters["nodes_left" if left else _MEMBERSHIP_COUNTERS[type(event)]] += 1
        self._events.append(event)

    def key_written(self, state: NodeState, kv: KeyValue) -> None:
        if kv.status != DELETE and self.listeners.wants(kv.key):
            self._events.append(KeyChanged(state.id, kv))

    def take(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events
