"""The protocol as a state machine (gossip spec 3, gossip spec 8): its face, its parts, and the order of a round.

In go datagrams, clock readings (seconds, monotonic) and a random generator; out come datagrams, returned by `receive`
and `round`, and events, taken with `take_events`. No socket, no clock, no task: a thousand of these run in one test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from coterie.gossip.anti_entropy.exchange_stats import PeerBook
from coterie.gossip.anti_entropy.handshake import Datagram, Handshake
from coterie.gossip.anti_entropy.reconciler import Reconciler
from coterie.gossip.config import LEFT_KEY, GossipConfig
from coterie.gossip.errors import ConfigError, TooManyKeysError
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import Event, StripesChanged
from coterie.gossip.events.listeners import Listeners
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.failure_detection.pause_detector import RoundClock
from coterie.gossip.failure_detection.phi_accrual import PhiAccrualDetector
from coterie.gossip.membership.leave import Farewell
from coterie.gossip.membership.membership import Membership
from coterie.gossip.membership.peer_selection import PeerSampling
from coterie.gossip.membership.refutation import Overtaking
from coterie.gossip.state.key_rules import check_key, check_key_value
from coterie.gossip.state.node_state import NodeState
from coterie.gossip.state.node_table import Roster
from coterie.gossip.state.restore_keys import restore_keys
from coterie.gossip.state.state_import import check_full_state
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.identity import MAX_ID_BYTES, Address, NodeId
from coterie.gossip.wire.key_value import DELETE_AFTER_TTL, SET, KeyValue, Status


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
        """`key_values` are set in order; `live_filter` is the extra predicate on what `LiveSetChanged` tells.

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
        self._clock = RoundClock(config.gossip_interval)
        self._events = EventQueue(self.listeners)
        self.counters = self._events.counters
        """What happened how often, under names of a small fixed set."""
        self._roster = Roster(self.own, config.max_known_nodes)
        self._peers = PeerSampling(self._roster, config, self.local_health, rng)
        self._membership = Membership(
            self._roster, self.detector, self._events, config.dead_node_grace_period, live_filter
        )
        self._farewell = Farewell(self._roster, rng)
        self._overtaking = Overtaking(self.own, self._events)
        self._reconciler = Reconciler(
            self._roster,
            self._membership,
            self.detector,
            self._clock,
            self._events,
            self._farewell,
            self._overtaking,
            config.max_keys_per_node,
            rng,
        )
        self._handshake = Handshake(config, self._roster, self._reconciler, self.local_health, self._events, now)
        for key, value in key_values:
            self.set(key, value, now)

    # -- views -------------------------------------------------------------------------------------------------------

    @property
    def states(self) -> Sequence[NodeState]:
        """Every known node's state, the own one included, by node id."""
        return sorted(self._roster.known.values(), key=lambda state: state.id.sort_key)

    @property
    def known(self) -> Iterable[NodeState]:
        """The same, in no order."""
        return self._roster.known.values()

    @property
    def by_identity(self) -> Mapping[bytes, NodeState]:
        """The same by encoded identity. Not to be changed."""
        return self._roster.known

    def state(self, node: NodeId) -> NodeState | None:
        return self._roster.known.get(node.encoded)

    def find(self, encoded: bytes) -> NodeState | None:
        """The state of an identity as it stands on the wire."""
        return self._roster.known.get(encoded)

    @property
    def live_nodes(self) -> list[NodeId]:
        """By node id; the own one is always among them."""
        return [s.id for s in self.states if s is self.own or s.liveness.alive]

    @property
    def dead_nodes(self) -> list[NodeId]:
        """By node id; a node that has yet to show signs of life is among them (`Liveness.ever_alive` tells)."""
        return [s.id for s in self.states if s.liveness.dead_since is not None]

    def phi(self, state: NodeState, now: float) -> float | None:
        return self.detector.phi(state.liveness, now)

    @property
    def last_digest(self) -> Digest | None:
        """What the last peer that was heard from showed."""
        return self._reconciler.last_digest

    @property
    def peer_book(self) -> PeerBook | None:
        """Set while somebody looks on; who sets it takes it away again."""
        return self._handshake.peer_book

    @peer_book.setter
    def peer_book(self, book: PeerBook | None) -> None:
        self._handshake.peer_book = book

    def peer_addresses(self) -> list[Address]:
        """Where other nodes are or were: the live ones first, those that are still looked for last; none twice."""
        return self._peers.addresses()

    @property
    def digest_bytes(self) -> int:
        """Size of the whole digest; past a datagram it is sent in stripes. Real nodes fail near 65,400."""
        return 2 + self._roster.listed_bytes

    @property
    def stripe_bits(self) -> int:
        return self._handshake.stripes.bits

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        return self._events.take()

    # -- the own namespace -------------------------------------------------------------------------------------------

    def check(self, key: str, value: str) -> None:
        """Refuse what `set` would refuse of a client, but for want of room. Raises KeyRefusedError."""
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
        kv = self.own.set(key, value, now, status=status)
        if kv is not None:
            self._events.key_written(self.own, kv)
        return kv

    def delete(self, key: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """Turn a key of this node into a tombstone. None, with no effect, where there is none."""
        check_key(key, self.config, internal=internal)
        return self.own.delete(key, now)

    def delete_after_ttl(self, key: str, now: float, *, internal: bool = False) -> KeyValue | None:
        """Let a key of this node expire; None, with no effect, where it is not visible."""
        check_key(key, self.config, internal=internal)
        return self.own.delete_after_ttl(key, now)

    def restore(
        self, kept: Iterable[tuple[str, str, int, Status, float]], max_version: int, now: float, *, spare: int = 0
    ) -> Mapping[str, str]:
        """Take up the keys of an earlier incarnation, before anything is written: (key, value, version, Set or
        DeleteAfterTtl, since when) each, by ascending version. Returns those refused, with what is wrong with them.

        Versions go on above `max_version`: a new identity may begin at any, for nobody holds anything of it. So many
        places as `spare` says stay free.
        """
        return restore_keys(self.own, self.config, kept, max_version, now, spare)

    # -- the other nodes -----------------------------------------------------------------------------------------------

    def look_for(self, addresses: Iterable[Address], now: float) -> None:
        """Address peers of an earlier run until each is met, for `dead_node_grace_period` at the most."""
        self._peers.look_for(addresses, now)

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Drop the identities of a node up to a generation, as if their grace period were over; who that was.

        Those that are alive stay, and so does the own one. Peers that still speak of them bring none of them back.
        """
        return self._membership.forget(node_id, generation)

    def reset_node_state_if_update(
        self,
        node: NodeId,
        key_values: Iterable[tuple[str, str, int, Status]],
        max_version: int,
        last_gc_version: int,
        now: float,
    ) -> bool:
        """Take a node's full state, fetched by other means than gossip: (key, value, version, status) each.

        False, with no effect, for the own node, a collected one, one too many, and a state that is not an update.
        Raises StateUpdateError where gossip could not have carried it.
        """
        given = check_full_state(key_values, max_version, last_gc_version)
        return self._reconciler.take_state(node, given, max_version, last_gc_version, now)

    # -- going away --------------------------------------------------------------------------------------------------

    def leave(self, unix_now: float, now: float) -> None:
        """Say goodbye: to the others this node is not alive any more, once they have heard it.

        A restart is a new identity, without the key. Raises TooManyKeysError.
        """
        goodbye = self.set(LEFT_KEY, str(int(unix_now)), now, internal=True)
        self._farewell.goodbye = goodbye or self.own.get(LEFT_KEY)

    def farewell(self, peers: int, now: float) -> list[Datagram]:
        """Tell it to so many live nodes, all of those that are there if they are fewer; nothing once they know.

        To be called again and again, for datagrams get lost.
        """
        return self.open_exchanges(self._farewell.choose(peers), now)

    @property
    def told_farewell(self) -> int:
        """How many others have shown that they know."""
        return self._farewell.told

    # -- datagrams ---------------------------------------------------------------------------------------------------

    def open_exchanges(self, peers: Iterable[Address], now: float) -> list[Datagram]:
        return self._handshake.open(peers, now)

    def receive(self, datagram: bytes, source: Address, now: float) -> list[Datagram]:
        """Take a datagram from `source`: what to send in answer. Bytes that are no message are counted and dropped."""
        return self._handshake.receive(datagram, source, self.seeds, now)

    # -- a round (gossip spec 3) -------------------------------------------------------------------------------------

    def round(self, now: float, *, backlog: bool = False) -> list[Datagram]:
        """Start a gossip round. Due every `gossip_interval`; datagrams that wait are to be received before.

        `backlog`: more of them waited than this node reads at a time.
        """
        self._excuse_own_delay(now)
        self.local_health.end_round(self._clock.intervals_late(now), backlog=backlog)
        self.detector.patience = self.local_health.patience
        self._clock.begin_round(now)
        peers = self._peers.choose(self.seeds, now)
        self.own.heartbeat += 1
        keys_collected = self._collect_keys(now)
        sent = self.open_exchanges(peers, now)
        self._membership.evaluate(now, keys_collected=keys_collected)
        self._adapt_stripes()
        self._handshake.forget_before(now)
        self._overtaking.end_round()
        self.counters["rounds"] += 1
        return sent

    def evaluate_liveness(self, now: float) -> None:
        self._membership.evaluate(now)

    def _excuse_own_delay(self, now: float) -> None:
        delay = self._clock.delay(now)
        if delay:
            self.counters["late_rounds"] += 1
            for state in self._roster.others():
                self.detector.excuse(state.liveness, delay, now)

    def _collect_keys(self, now: float) -> bool:
        """Whether a visible key of anybody went."""
        grace = self.config.marked_for_deletion_grace_period
        visible_gone = False
        for state in self._roster.known.values():
            if state.dying and state.collect(now, grace):
                visible_gone = True
        return visible_gone

    def _adapt_stripes(self) -> None:
        stripes = self._handshake.stripes
        before = stripes.stretch_factor
        grown = stripes.growth()
        after = stripes.stretch_factor
        self.detector.expect_slower(after)
        if grown:
            for state in self._roster.others():
                self.detector.stretch(state.liveness, 1 << grown)
        if after != before:
            self._events.put(StripesChanged(stripes.bits))
