"""The engine: the protocol as a pure state machine, and the order of a round (gossip spec 3, 8).

Input: datagrams, clock readings (seconds, monotonic) and a random generator. Output: datagrams, returned by `receive`
and `round`, and events, taken with `take_events`. It has no socket, clock or task: a thousand run in one test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from coterie.gossip.anti_entropy.handshake import Datagram, Handshake
from coterie.gossip.anti_entropy.handshake_stats import HandshakeStats
from coterie.gossip.anti_entropy.reconciler import Reconciler
from coterie.gossip.config import LEFT_KEY, GossipConfig
from coterie.gossip.errors import ConfigError, TooManyKeysError
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import Event, StripesChanged
from coterie.gossip.events.listeners import Listeners
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.failure_detection.pause_detector import PauseDetector
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.membership.leave import LeaveBroadcast
from coterie.gossip.membership.membership import Membership
from coterie.gossip.membership.peer_selection import PeerSelection
from coterie.gossip.membership.refutation import Refutation
from coterie.gossip.membership.twins import TwinDetector
from coterie.gossip.state.key_rules import check_key, check_key_value
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.state.restore_keys import restore_keys
from coterie.gossip.state.state_import import check_imported_state
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.wire.key_value import DELETE_AFTER_TTL, SET, KeyStatus, KeyValue, held_bytes
from coterie.gossip.wire.stripe import WHOLE


class Engine:
    """One node of a cluster."""

    def __init__(
        self,
        config: GossipConfig,
        node: NodeId,
        rng: Random,
        *,
        now: float,
        key_values: Iterable[tuple[str, str]] = (),
        live_filter: Callable[[NodeState], bool] | None = None,
    ) -> None:
        """`key_values` are set in order; `live_filter` is the extra predicate on the nodes in `LiveSetChanged`.

        Raises ConfigError, or KeyRefusedError where an initial key-value breaks a limit.
        """
        if len(node.node_id.encode()) > MAX_ID_BYTES:
            raise ConfigError("node_id", f"must be at most {MAX_ID_BYTES} bytes in UTF-8")
        self.config = config
        self.own = NodeState(node, heartbeat=1)
        self.listeners = Listeners()
        self.seeds: Sequence[Address] = ()
        """Resolved seed addresses, without the own one; the shell keeps them fresh."""
        self.detector = PhiAccrualDetector(
            config.phi_threshold,
            config.initial_interval,
            config.max_interval,
            config.sampling_window,
            config.min_mean_interval * config.gossip_interval,
        )
        self.local_health = LocalHealth(config.local_health_max)
        self._pauses = PauseDetector(config.gossip_interval)
        self._events = EventQueue(self.listeners)
        self.counters = self._events.counters
        """How often what happened, under a small fixed set of names."""
        self._nodes = NodeTable(self.own, config.max_known_nodes)
        self._peers = PeerSelection(self._nodes, config, self.local_health, rng)
        self._membership = Membership(
            self._nodes, self.detector, self._events, config.dead_node_grace_period, live_filter
        )
        self._twins = TwinDetector(self._nodes, self._events, config.gossip_interval)
        self._leave = LeaveBroadcast(self._nodes, rng)
        self._refutation = Refutation(self.own, self._events)
        self._reconciler = Reconciler(
            self._nodes,
            self._membership,
            self.detector,
            self._pauses,
            self._events,
            self._leave,
            self._refutation,
            config,
            rng,
        )
        self._handshake = Handshake(config, self._nodes, self._reconciler, self.local_health, self._events, now)
        for key, value in key_values:
            self.set(key, value, now)

    # -- views -------------------------------------------------------------------------------------------------------

    @property
    def states(self) -> Sequence[NodeState]:
        """Every known node's state, the own one included, by node id."""
        return sorted(self._nodes.known.values(), key=lambda state: state.id.sort_key)

    @property
    def known(self) -> Iterable[NodeState]:
        """The same, unordered."""
        return self._nodes.known.values()

    @property
    def by_identity(self) -> Mapping[bytes, NodeState]:
        """The same by encoded identity. Do not change it."""
        return self._nodes.known

    def state(self, node: NodeId) -> NodeState | None:
        return self._nodes.known.get(node.encoded)

    @property
    def live_nodes(self) -> list[NodeId]:
        """By node id; the own one is always among them."""
        return [s.id for s in self.states if s is self.own or s.liveness.alive]

    @property
    def dead_nodes(self) -> list[NodeId]:
        """By node id; nodes that were never alive are among them (see `Liveness.ever_alive`)."""
        return [s.id for s in self.states if s.liveness.dead_since is not None]

    @property
    def twins(self) -> Mapping[str, Sequence[NodeId]]:
        """The running processes of each node_id that several have, by generation."""
        return self._twins.found

    def phi(self, state: NodeState, now: float) -> float | None:
        return self.detector.phi(state.liveness, now)

    @property
    def last_digest(self) -> Digest | None:
        """The last digest that any peer sent."""
        return self._reconciler.last_digest

    @property
    def handshake_stats(self) -> HandshakeStats | None:
        """Handshakes are counted while this is set. Set it to None to end that."""
        return self._handshake.handshake_stats

    @handshake_stats.setter
    def handshake_stats(self, stats: HandshakeStats | None) -> None:
        self._handshake.handshake_stats = stats

    def peer_addresses(self) -> list[Address]:
        """The addresses of other nodes, none twice: live ones first, bootstrap peers last."""
        return self._peers.addresses()

    @property
    def digest_bytes(self) -> int:
        """Size of the whole digest in wire version 0. Past a datagram it goes in stripes; chitchat fails."""
        return self._nodes.digest_bytes(WHOLE, 0)

    @property
    def stripe_bits(self) -> int:
        return self._handshake.stripes.bits

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        return self._events.take()

    # -- the own namespace -------------------------------------------------------------------------------------------

    def check(self, key: str, value: str) -> None:
        """Raise KeyRefusedError where `set` would, except where only the number of keys is the reason."""
        check_key_value(key, value, self.config)

    def set(self, key: str, value: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """Write a key of this node. None where nothing changes. Raises KeyRefusedError."""
        return self._set(key, value, now, SET, internal)

    def set_with_ttl(self, key: str, value: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """The same, to expire after `marked_for_deletion_grace_period`. Writing it again does not renew it."""
        return self._set(key, value, now, DELETE_AFTER_TTL, internal)

    def _set(self, key: str, value: str, now: float, status: int, internal: bool) -> KeyValue | None:
        check_key_value(key, value, self.config, internal=internal)
        limit = self.config.max_keys_per_node
        if key not in self.own.key_values and len(self.own.key_values) >= limit:
            raise TooManyKeysError(
                "max_keys_per_node",
                f"this node holds max_keys_per_node = {limit} keys, counting those not yet collected",
            )
        self._check_room(key, value)
        kv = self.own.set(key, value, now, status=status)
        if kv is not None:
            self._events.key_written(self.own, kv)
        return kv

    def _check_room(self, key: str, value: str) -> None:
        old = self.own.key_values.get(key)
        held = self.own.held_bytes - (old.held_bytes if old is not None else 0)
        limit = self.config.max_node_bytes
        if held + held_bytes(key, value) > limit:
            raise TooManyKeysError(
                "max_node_bytes",
                f"this node's keys would take more than max_node_bytes = {limit} in memory: others would not hold them",
            )

    def delete(self, key: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """Turn a key of this node into a tombstone. None, with no effect, where there is none."""
        check_key(key, self.config, internal=internal)
        return self.own.delete(key, now)

    def delete_after_ttl(self, key: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """Let a key of this node expire; None, with no effect, where it is not visible."""
        check_key(key, self.config, internal=internal)
        return self.own.delete_after_ttl(key, now)

    def restore_keys(
        self, saved: Iterable[tuple[str, str, int, KeyStatus, float]], max_version: int, now: float, *, spare: int = 0
    ) -> Mapping[str, str]:
        """Restore the keys of an earlier generation, before any write: (key, value, version, Set or DeleteAfterTtl,
        time of the write) tuples by ascending version. Returns refused keys with their reasons.

        Versions continue above `max_version`: a new identity may start at any version. `spare` keys' room stays free.
        """
        return restore_keys(self.own, self.config, saved, max_version, now, spare)

    # -- the other nodes -----------------------------------------------------------------------------------------------

    def set_bootstrap_peers(self, addresses: Iterable[Address], now: float) -> None:
        """Send to peers of an earlier run until each is known, for `dead_node_grace_period` at the most."""
        self._peers.set_bootstrap_peers(addresses, now)

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Remove the dead identities of a node up to a generation, as after their grace period; returns them.

        Live identities and the own one stay. Peers that still list a removed identity do not bring it back.
        """
        return self._membership.forget(node_id, generation)

    def reset_node_state_if_update(
        self,
        node: NodeId,
        key_values: Iterable[tuple[str, str, int, KeyStatus]],
        max_version: int,
        last_gc_version: int,
        now: float,
    ) -> bool:
        """Import a node's full state, fetched by other means than gossip, of (key, value, version, status) tuples.

        False, with no effect, for the own node, a removed one, one too many, and a state that is not newer. Raises
        StateUpdateError where gossip cannot carry it.
        """
        given = check_imported_state(key_values, max_version, last_gc_version)
        return self._reconciler.import_state(node, given, max_version, last_gc_version, now)

    # -- leaving ----------------------------------------------------------------------------------------------------

    def leave(self, unix_now: float, now: float) -> None:
        """Set LEFT_KEY: nodes that hold it count this one as dead. Raises TooManyKeysError.

        A restart is a new identity, without the key.
        """
        left_key = self.set(LEFT_KEY, str(int(unix_now)), now, internal=True)
        self._leave.left_key = left_key or self.own.get(LEFT_KEY)

    def announce_leave(self, peers: int, now: float) -> list[Datagram]:
        """Syns that spread LEFT_KEY to `peers` live nodes, or to all if they are fewer; empty once they hold it.

        Datagrams get lost, so call it again until it is empty.
        """
        return self.open_handshakes(self._leave.choose(peers), now)

    @property
    def leave_acknowledged(self) -> int:
        """How many peers hold LEFT_KEY, by their digests."""
        return self._leave.acknowledged

    # -- datagrams ---------------------------------------------------------------------------------------------------

    def open_handshakes(self, peers: Iterable[Address], now: float) -> list[Datagram]:
        return self._handshake.open(peers, now)

    def receive(self, datagram: bytes, source: Address, now: float) -> list[Datagram]:
        """Handle a datagram; returns the answer. Bytes that are no message are counted and dropped."""
        return self._handshake.receive(datagram, source, self.seeds, now)

    def is_stranger(self, source: Address) -> bool:
        """Whether a source is neither a seed nor an address that answered a Syn: strangers share small budgets."""
        return self._handshake.is_stranger(source, self.seeds)

    # -- a round (gossip spec 3) -------------------------------------------------------------------------------------

    def round(self, now: float, *, backlog: bool = False) -> list[Datagram]:
        """Start a gossip round, every `gossip_interval`. Hand waiting datagrams to `receive` first.

        `backlog`: more datagrams waited than the shell reads at a time.
        """
        self._excuse_own_pause(now)
        self.local_health.end_round(self._pauses.intervals_late(now), backlog=backlog)
        self.detector.timeout_multiplier = self.local_health.timeout_multiplier
        self._pauses.begin_round(now)
        peers = self._peers.choose(self.seeds, now)
        self.own.heartbeat += 1
        keys_collected = self._collect_tombstones(now)
        self._reconciler.memory.measure()
        sent = self.open_handshakes(peers, now)
        self._membership.evaluate(now, keys_collected=keys_collected)
        self._adapt_stripes()
        self._handshake.expire_pending(now)
        self._refutation.end_round()
        self._twins.end_round(now)
        self.counters["rounds"] += 1
        return sent

    def _excuse_own_pause(self, now: float) -> None:
        pause = self._pauses.pause(now)
        if pause:
            self.counters["late_rounds"] += 1
            for state in self._nodes.others():
                self.detector.shift_last_arrival(state.liveness, pause, now)

    def _collect_tombstones(self, now: float) -> bool:
        """Whether a visible key of any node expired."""
        grace = self.config.marked_for_deletion_grace_period
        visible_gone = False
        for state in self._nodes.known.values():
            if state.expiring and state.collect_tombstones(now, grace):
                visible_gone = True
        return visible_gone

    def _adapt_stripes(self) -> None:
        stripes = self._handshake.stripes
        before = stripes.interval_factor
        grown = stripes.growth()
        after = stripes.interval_factor
        self.detector.scale_expected(after)
        if grown:
            for state in self._nodes.others():
                self.detector.scale_recorded(state.liveness, 1 << grown)
        if after != before:
            self._events.put(StripesChanged(stripes.bits))
