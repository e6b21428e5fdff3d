"""A running gossip node, as `Observations`: the one place where this package reads and writes gossip."""

from __future__ import annotations

from coterie.consensus.autopilot.announcement import KEYS, Announcement, Undecodable, decode, encode
from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.gossip import GossipNode, NodeId, NodeState

_Versions = tuple[int, ...]


class GossipView:
    """Decodes each version of an announcement once: it is read often, and seldom changes."""

    def __init__(self, gossip: GossipNode) -> None:
        self._gossip = gossip
        self._read: dict[NodeId, tuple[_Versions, Announcement | Undecodable | None]] = {}

    def observations(self, now: float) -> Observations:
        """Every identity that gossip knows, the own one included. `now`: the monotonic clock, in seconds."""
        engine = self._gossip.engine
        states = engine.states
        found = [self._observation(state, state is engine.own, now) for state in states]
        if len(self._read) > 2 * len(states):
            known = {state.id for state in states}
            self._read = {node: read for node, read in self._read.items() if node in known}
        return Observations.of(found)

    def announcement_of(self, state: NodeState) -> Announcement | None:
        """What one node announces of its part in Raft; None where it announces nothing that can be read."""
        said = self._announcement(state)
        return None if isinstance(said, Undecodable) else said

    def announce(self, announcement: Announcement) -> None:
        """Gossip it. Keys that have not changed are not gossiped anew."""
        for key, value in encode(announcement).items():
            self._gossip.set(key, value, internal=True)

    def withdraw(self) -> None:
        """This node has no part in Raft: delete the announcement of an earlier process."""
        for key in KEYS:
            if key in self._gossip.engine.own.key_values:
                self._gossip.delete(key, internal=True)

    def _observation(self, state: NodeState, own: bool, now: float) -> Observation:
        liveness = state.liveness
        dead_for = None
        if own or liveness.alive:
            presence = Presence.LIVE
        elif liveness.ever_alive:
            presence = Presence.DEAD
            dead_for = max(0.0, now - liveness.dead_since) if liveness.dead_since is not None else 0.0
        else:
            presence = Presence.UNSEEN
        said = self._announcement(state)
        if isinstance(said, Undecodable):
            return Observation(state.id.node_id, state.id.generation, presence, None, said.reason, dead_for)
        return Observation(state.id.node_id, state.id.generation, presence, said, None, dead_for)

    def _announcement(self, state: NodeState) -> Announcement | Undecodable | None:
        held = [state.key_values.get(key) for key in KEYS]
        versions = tuple(0 if kv is None else kv.version for kv in held)
        known = self._read.get(state.id)
        if known is not None and known[0] == versions:
            return known[1]
        visible = {key: kv.value for key, kv in zip(KEYS, held, strict=True) if kv is not None and kv.visible}
        said = decode(visible)
        self._read[state.id] = (versions, said)
        return said
