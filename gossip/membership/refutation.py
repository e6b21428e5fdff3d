"""Others hold of this node's identity what it never wrote: it moves above, and so reclaims it (gossip spec 10)."""

from __future__ import annotations

from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import OwnStateOvertaken
from coterie.gossip.state.node_state import NodeState

FORGED = 2**62
"""A version or heartbeat of the own identity from here on cannot be real."""


class Overtaking:
    """Keeps the own state above what peers show of it."""

    def __init__(self, own: NodeState, events: EventQueue) -> None:
        self._own = own
        self._events = events
        self._done_this_round = False

    def heartbeat(self, shown: int) -> None:
        if shown < FORGED:
            self._own.heartbeat = shown + 1

    def version(self, shown: int) -> None:
        """Once a round at the most: every move rewrites the whole namespace."""
        if self._own.max_version < shown < FORGED and not self._done_this_round:
            self._done_this_round = True
            self._own.overtake(shown)
            self._events.put(OwnStateOvertaken(shown))

    def end_round(self) -> None:
        self._done_this_round = False
