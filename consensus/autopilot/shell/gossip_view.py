"""A running gossip node, as `Observations`: the one place where this package reads and writes gossip.

With a secret, announcements are sealed on the way out, and looked at for their seal on the way in. One whose seal is
broken, by gossip that brings a part of it or by a stranger, does not take the place of one that was whole.
"""

from __future__ import annotations

from coterie.consensus.autopilot.announcement import KEYS, Announcement, Undecodable, decode, encode
from coterie.consensus.autopilot.observations import Observation, Observations, Presence
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.gossip import GossipNode, NodeId, NodeState

_Versions = tuple[int, ...]

_Said = tuple[Announcement | Undecodable | None, bool]
"""And whether it is proved."""


class GossipView:
    """Decodes each version of an announcement once: it is read often, and seldom changes."""

    def __init__(self, gossip: GossipNode, keys: SecretKeys | None = None, *, believed: bool = True) -> None:
        """`keys`: of the secret; None without one. `believed`: whether gossip is believed that proves nothing."""
        self._gossip = gossip
        self._keys = keys
        self._believed = believed
        self._read: dict[NodeId, tuple[_Versions, _Said]] = {}

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
        said, _ = self._announcement(state)
        return None if isinstance(said, Undecodable) else said

    def announce(self, announcement: Announcement) -> None:
        """Gossip it. Keys that have not changed are not gossiped anew."""
        own, keys = self._gossip.engine.own.id.encoded, self._keys
        for key, text in encode(announcement).items():
            self._gossip.set(key, text if keys is None else keys.seal(own, key, text), internal=True)

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
        said, proved = self._announcement(state)
        problem = said.reason if isinstance(said, Undecodable) else None
        return Observation(
            state.id.node_id,
            state.id.generation,
            presence,
            None if isinstance(said, Undecodable) else said,
            problem,
            dead_for,
            proved=proved or own,
            address=state.id.gossip_advertise_addr,
        )

    def _announcement(self, state: NodeState) -> _Said:
        held = [state.key_values.get(key) for key in KEYS]
        versions = tuple(0 if kv is None else kv.version for kv in held)
        known = self._read.get(state.id)
        if known is not None and known[0] == versions:
            return known[1]
        visible = {key: kv.value for key, kv in zip(KEYS, held, strict=True) if kv is not None and kv.visible}
        sealed = self._keys is not None and self._is_sealed(state.id, visible)
        if sealed or self._believed or known is None or not known[1][1]:
            said = decode(visible), sealed or self._believed
        else:
            said = known[1]
        self._read[state.id] = (versions, said)
        return said

    def _is_sealed(self, node: NodeId, visible: dict[str, str]) -> bool:
        keys = self._keys
        return (
            keys is not None
            and len(visible) == len(KEYS)
            and all(keys.is_sealed(node.encoded, key, value) for key, value in visible.items())
        )
