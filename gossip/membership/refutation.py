"""Refutes what others hold of this node's identity and it never wrote: it moves above that (gossip spec 10)."""

from __future__ import annotations

from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import OwnStateRefuted
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.wire.identity import FORGED_COUNTER

REFUTATION_ROOM = 2**32
"""So far below FORGED_COUNTER the own counters stay, so that they can go on from there."""


class Refutation:
    """Keeps the own state above what peers show of it."""

    def __init__(self, own: NodeState, events: EventQueue) -> None:
        self._own = own
        self._events = events
        self._done_this_round = False

    def refute_heartbeat(self, shown: int) -> None:
        if shown < FORGED_COUNTER - REFUTATION_ROOM:
            self._own.heartbeat = shown + 1

    def refute_version(self, shown: int) -> None:
        """Acts once a round at the most: it rewrites the whole namespace."""
        if self._own.max_version < shown < FORGED_COUNTER - REFUTATION_ROOM and not self._done_this_round:
            self._done_this_round = True
            self._own.refute(shown)
            self._events.put(OwnStateRefuted(shown))

    def end_round(self) -> None:
        self._done_this_round = False
