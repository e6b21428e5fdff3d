"""The protocol as a state machine (spec sections 3 to 6 and 8 to 10).

In go datagrams, clock readings (seconds, monotonic) and a random generator; out come datagrams, returned by `receive`
and `round`, and events, taken with `take_events`. No socket, no clock, no task: a thousand of these run in one test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from gossip.budget import TokenBucket
from gossip.config import LEFT_KEY, GossipConfig
from gossip.delta import DeltaWriter, NodeDelta
from gossip.detector import PhiAccrualDetector
from gossip.digest import Digest, Stripe
from gossip.errors import ConfigError, KeyRefusedError, StateUpdateError, TooManyKeysError, WireError
from gossip.events import (
    CaughtUp,
    DatagramRejected,
    Event,
    KeyChanged,
    LiveSetChanged,
    NodeAlive,
    NodeDead,
    NodeJoined,
    NodeRemoved,
    OwnStateOvertaken,
    StripesChanged,
    WrongCluster,
)
from gossip.exchanges import Exchanges
from gossip.identity import MAX_ID_BYTES, MAX_STRING_BYTES, U64_MAX, Address, NodeId, decode_node_id
from gossip.keyvalue import DELETE, DELETE_AFTER_TTL, SET, KeyValue, Status, check_key, check_key_value
from gossip.listeners import Listeners
from gossip.local_health import LocalHealth
from gossip.messages import (
    BAD_CLUSTER_DATAGRAM,
    HEADER_BYTES,
    KINDS,
    Ack,
    BadCluster,
    Decoder,
    Message,
    Syn,
    SynAck,
    frame_ack,
    frame_syn,
    frame_syn_ack,
)
from gossip.peer_book import PeerBook
from gossip.peers import choose_peers
from gossip.roster import Roster
from gossip.scuttlebutt import stale_nodes
from gossip.state import NodeState, Outcome
from gossip.stripes import StripePlan

Datagram = tuple[Address, bytes]
"""Where to, and what."""

FORGED = 2**62
"""A version or heartbeat of the own identity from here on cannot be real (section 10)."""

LATE_ROUNDS = 2
"""A round this many intervals late means that this node slept (section 3)."""

DELTA_END_BYTES = 1

_MEMBERSHIP_COUNTERS: Mapping[type[Event], str] = {
    NodeJoined: "nodes_joined",
    NodeAlive: "nodes_alive",
    NodeDead: "nodes_dead",
    NodeRemoved: "nodes_removed",
}

MAX_GENERATIONS = 16
"""Identities known of one node_id at a time. All share a stripe at every number of stripes, so that a process that
crashes and restarts all day would else outgrow a datagram by itself."""


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
        self.counters: Counter[str] = Counter()
        """What happened how often, under names of a small fixed set."""
        self.seeds: Sequence[Address] = ()
        """Resolved seed addresses, without the own one; the shell keeps them fresh."""
        self._acquaintances: list[Address] = []
        self._acquaintances_until = 0.0
        self._rng = rng
        self._roster = Roster(self.own, config.max_known_nodes)
        self.detector = PhiAccrualDetector(
            config.phi_threshold,
            config.initial_interval,
            config.max_interval,
            config.sampling_window,
            config.min_mean_interval * config.gossip_interval,
        )
        self.local_health = LocalHealth(config.local_health_max)
        self._cluster_id = config.cluster_id.encode()
        syn_overhead = HEADER_BYTES + 2 + len(self._cluster_id)
        self._stripes = StripePlan(self._roster, config.max_datagram_bytes - syn_overhead, config.max_digest_bytes)
        self._decoder = Decoder(self._roster.known, self._roster.layout, config.max_delta_bytes, config.max_delta_ops)
        self._strangers = TokenBucket(config.stranger_bytes_per_second, now)
        self._exchanges = Exchanges(config.reply_window)
        self.last_digest: Digest | None = None
        """What the last peer that was heard from showed."""
        self.peer_book: PeerBook | None = None
        """Set while somebody looks on; who sets it takes it away again."""
        self._live_filter = live_filter
        self._live_versions: dict[NodeId, int] = {}
        self._visible_key_collected = False
        self._overtaken_this_round = False
        self._goodbye: KeyValue | None = None
        self._told: set[Address] = set()  # who has shown that they hold the goodbye
        self._last_round: float | None = None
        self._events: list[Event] = []
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

    def peer_addresses(self) -> list[Address]:
        """Where other nodes are or were: the live ones first, those that are still looked for last; none twice."""
        states = sorted(self._roster.others(), key=lambda state: not state.liveness.alive)
        found = dict.fromkeys(state.id.gossip_advertise_addr for state in states)
        found.update(dict.fromkeys(self._acquaintances))
        found.pop(self.own.id.gossip_advertise_addr, None)
        return list(found)

    def look_for(self, addresses: Iterable[Address], now: float) -> None:
        """Address peers of an earlier run until each is met, for `dead_node_grace_period` at the most."""
        own = self.own.id.gossip_advertise_addr
        self._acquaintances = [address for address in dict.fromkeys(addresses) if address != own]
        self._acquaintances_until = now + self.config.dead_node_grace_period

    @property
    def digest_bytes(self) -> int:
        """Size of the whole digest; past a datagram it is sent in stripes. Real nodes fail near 65,400."""
        return 2 + self._roster.listed_bytes

    @property
    def stripe_bits(self) -> int:
        return self._stripes.bits

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events

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
            self._tell_change(self.own, kv)
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
        refused: dict[str, str] = {}
        self.own.max_version = max_version
        grace = self.config.marked_for_deletion_grace_period
        for key, value, version, status, since in kept:
            if status != SET and now - since >= grace:
                continue
            try:
                check_key_value(key, value, self.config)
            except KeyRefusedError as error:
                refused[key] = str(error)
                continue
            if len(self.own.key_values) >= self.config.max_keys_per_node - spare:
                refused[key] = f"there are max_keys_per_node = {self.config.max_keys_per_node} keys already"
                continue
            self.own.put(KeyValue.make(key, value, version, status), since)
            self.own.max_version = max(self.own.max_version, version)
        if self.own.dying is not None:
            self.own.dying = dict(sorted(self.own.dying.items(), key=lambda item: item[1]))
        return refused

    # -- going away --------------------------------------------------------------------------------------------------

    def leave(self, unix_now: float, now: float) -> None:
        """Say goodbye: to the others this node is not alive any more, once they have heard it.

        A restart is a new identity, without the key. Raises TooManyKeysError.
        """
        self._goodbye = self.set(LEFT_KEY, str(int(unix_now)), now, internal=True) or self.own.get(LEFT_KEY)

    def farewell(self, peers: int, now: float) -> list[Datagram]:
        """Tell it to so many live nodes, all of those that are there if they are fewer; nothing once they know.

        Where this node has just started, and nobody is alive for it yet, one of those whom it knows by hearsay will
        do. To be called again and again, for datagrams get lost.
        """
        others = [(state.id.gossip_advertise_addr, state.liveness) for state in self._roster.others()]
        live = {address for address, liveness in others if liveness.alive}
        if live:
            untold = sorted(live - self._told)
            missing = min(peers, len(live | self._told)) - len(self._told)
        else:
            untold = sorted({address for address, liveness in others if not liveness.ever_alive})
            missing = 0 if self._told else peers
        return self.open_exchanges(self._rng.sample(untold, max(0, min(missing, len(untold)))), now)

    @property
    def told_farewell(self) -> int:
        """How many others have shown that they know."""
        return len(self._told)

    def forget(self, node_id: str, generation: int) -> list[NodeId]:
        """Drop the identities of a node up to a generation, as if their grace period were over; who that was.

        Those that are alive stay, and so does the own one. Peers that still speak of them bring none of them back.
        """
        gone = [
            state
            for state in self._roster.generations(node_id)
            if state is not self.own and not state.liveness.alive and state.id.generation <= generation
        ]
        for state in gone:
            self._roster.collect(state)
            self._tell_membership(NodeRemoved(state.id))
        return [state.id for state in gone]

    # -- a round (section 3) -----------------------------------------------------------------------------------------

    def round(self, now: float, *, backlog: bool = False) -> list[Datagram]:
        """Start a gossip round. Due every `gossip_interval`; datagrams that wait are to be received before.

        `backlog`: more of them waited than this node reads at a time.
        """
        self._excuse_own_delay(now)
        self.local_health.end_round(self._intervals_late(now), backlog=backlog)
        self.detector.patience = self.local_health.patience
        self._last_round = now
        peers = self._choose_peers(now)
        self.own.heartbeat += 1
        self._collect_keys(now)
        sent = self.open_exchanges(peers, now)
        self.evaluate_liveness(now)
        self._adapt_stripes()
        self._exchanges.forget_before(now)
        self._overtaken_this_round = False
        self.counters["rounds"] += 1
        return sent

    def _own_delay(self, now: float) -> float:
        """By how much the next round is overdue (seconds) where this node slept; otherwise 0."""
        if self._last_round is None:
            return 0.0
        interval = self.config.gossip_interval
        delay = now - (self._last_round + interval)
        return delay if delay > LATE_ROUNDS * interval else 0.0

    def _intervals_late(self, now: float) -> int:
        """By how many whole intervals the round is overdue that now begins."""
        if self._last_round is None:
            return 0
        return max(0, int((now - self._last_round) / self.config.gossip_interval) - 1)

    def _excuse_own_delay(self, now: float) -> None:
        delay = self._own_delay(now)
        if delay:
            self.counters["late_rounds"] += 1
            for state in self._roster.others():
                self.detector.excuse(state.liveness, delay, now)

    def _choose_peers(self, now: float) -> list[Address]:
        live: dict[Address, None] = {}
        dead: dict[Address, None] = {}
        for state in self._roster.others():
            (live if state.liveness.alive else dead)[state.id.gossip_advertise_addr] = None
        # An address may be that of a dead and of a live incarnation: as a peer, it is a live one.
        for address in live:
            dead.pop(address, None)
        own = self.own.id.gossip_advertise_addr
        live.pop(own, None)
        dead.pop(own, None)
        seeds = [seed for seed in self.seeds if seed != own]
        chosen = choose_peers(list(live), list(dead), [*live, *dead], seeds, self.config.gossip_fanout, self._rng)
        self.local_health.probes(sum(1 for peer in chosen if peer in live))
        return list(dict.fromkeys(chosen + self._choose_acquaintances(bool(live), now)))

    def _choose_acquaintances(self, in_company: bool, now: float) -> list[Address]:
        """Of those not met yet: one, or as many as of live nodes where none is live.

        All of them are gone through even in company: a cluster that starts again as a whole must not end as islands
        of those who happened to meet first.
        """
        if self._acquaintances:
            met = self._roster.has_address
            late = now >= self._acquaintances_until
            self._acquaintances = [] if late else [a for a in self._acquaintances if not met(a)]
        wanted = 1 if in_company else self.config.gossip_fanout
        return self._rng.sample(self._acquaintances, min(wanted, len(self._acquaintances)))

    def _collect_keys(self, now: float) -> None:
        grace = self.config.marked_for_deletion_grace_period
        for state in self._roster.known.values():
            if state.dying and state.collect(now, grace):
                self._visible_key_collected = True

    def open_exchanges(self, peers: Iterable[Address], now: float) -> list[Datagram]:
        syns: dict[Stripe, bytes] = {}
        sent: list[Datagram] = []
        for peer in peers:
            stripe = self._stripes.next_syn()
            if stripe not in syns:
                syns[stripe] = frame_syn(self._roster.encode_digest(stripe), self._cluster_id, stripe)
            self._exchanges.opened(peer, now, self._roster.births, stripe)
            self.counters["sent_syn"] += 1
            if self.peer_book is not None:
                self.peer_book.opened(peer, now)
            sent.append((peer, syns[stripe]))
        return sent

    def _adapt_stripes(self) -> None:
        before = self._stripes.stretch_factor
        grown = self._stripes.growth()
        after = self._stripes.stretch_factor
        self.detector.expect_slower(after)
        if grown:
            for state in self._roster.others():
                self.detector.stretch(state.liveness, 1 << grown)
        if after != before:
            self._events.append(StripesChanged(self._stripes.bits))

    # -- liveness (section 5) ----------------------------------------------------------------------------------------

    def evaluate_liveness(self, now: float) -> None:
        is_alive = self.detector.is_alive
        alive = [state for state in self._roster.others() if is_alive(state.liveness, now) and not state.left]
        living = self._without_outlived(alive)
        live_versions: dict[NodeId, int] = {self.own.id: self.own.max_version}
        grace = self.config.dead_node_grace_period
        gone: list[NodeState] = []
        for state in self._roster.others():
            liveness = state.liveness
            if state.encoded in living:
                live_versions[state.id] = state.max_version
                if not liveness.alive:
                    liveness.alive = liveness.ever_alive = True
                    liveness.dead_since = None
                    self._roster.schedule(state, False)
                    self._tell_membership(NodeAlive(state.id))
                continue
            if liveness.alive:
                liveness.alive = False
                self._tell_membership(NodeDead(state.id, state.left))
            self.detector.forget_intervals(liveness)
            if liveness.dead_since is None:
                liveness.dead_since = now
            dead_for = now - liveness.dead_since
            if dead_for >= grace:
                gone.append(state)
            elif dead_for >= grace / 2:
                self._roster.schedule(state, True)
        for state in gone:
            self._roster.collect(state)
            self._tell_membership(NodeRemoved(state.id))
        self._tell_live_set(live_versions)

    def _tell_membership(self, event: NodeJoined | NodeAlive | NodeDead | NodeRemoved) -> None:
        left = isinstance(event, NodeDead) and event.left
        self.counters["nodes_left" if left else _MEMBERSHIP_COUNTERS[type(event)]] += 1
        self._events.append(event)

    def _without_outlived(self, alive: Sequence[NodeState]) -> Mapping[bytes, NodeState]:
        """The identities that are alive: not those of whose node_id a higher generation is."""
        living = {state.encoded: state for state in alive}
        for incarnations in self._roster.incarnations():
            present = [s for s in incarnations if s is self.own or s.encoded in living]
            newest = max((s.id.generation for s in present), default=0)
            for state in present:
                if state.id.generation < newest:
                    living.pop(state.encoded, None)
        return living

    def _tell_live_set(self, live_versions: dict[NodeId, int]) -> None:
        if live_versions == self._live_versions and not self._visible_key_collected:
            return
        self._live_versions = live_versions
        self._visible_key_collected = False
        states = {node: self._roster.known[node.encoded] for node in live_versions}
        wanted = self._live_filter
        self._events.append(LiveSetChanged({n: s for n, s in states.items() if wanted is None or wanted(s)}))

    # -- receiving (sections 3, 9 and 10) ----------------------------------------------------------------------------

    def receive(self, datagram: bytes, source: Address, now: float) -> list[Datagram]:
        """Take a datagram from `source`: what to send in answer. Bytes that are no message are counted and dropped."""
        stranger = not self._roster.has_address(source) and source not in self.seeds
        try:
            message = self._decoder.decode(datagram)
        except WireError as error:
            self.counters["rejected_" + error.reason] += 1
            self._events.append(DatagramRejected(source, error.reason, str(error)))
            return []
        self.counters["received_" + KINDS[type(message)]] += 1
        self.own.heartbeat += 1
        answer = self._answer(message, source, now, stranger)
        return [] if answer is None else [(source, answer)]

    def _answer(self, message: Message, source: Address, now: float, stranger: bool) -> bytes | None:
        match message:
            case Syn():
                answer = self._receive_syn(message, source, now, stranger)
            case SynAck():
                answer = self._receive_syn_ack(message, source, now, stranger)
            case Ack():
                answer = None
                if self._exchanges.expects_ack(source, now) or self._takes_unsolicited():
                    self._apply(message.delta, source, now)
            case BadCluster():
                answer = None
                self._events.append(WrongCluster(source, None))
        if answer is not None and stranger:
            self._strangers.take(len(answer), now)
        return answer

    def _takes_unsolicited(self) -> bool:
        self.counters["unsolicited"] += 1
        return not self.config.drop_unsolicited

    def _may_answer(self, now: float, stranger: bool) -> bool:
        """Answers to addresses of no known node and no seed share a budget."""
        if stranger and self._strangers.is_spent(now):
            self.counters["strangers_unanswered"] += 1
            return False
        return True

    def _receive_syn(self, syn: Syn, source: Address, now: float, stranger: bool) -> bytes | None:
        if syn.cluster_id != self.config.cluster_id:
            self._events.append(WrongCluster(source, syn.cluster_id))
            if not self._may_answer(now, stranger):
                return None
            self.counters["sent_bad_cluster"] += 1
            return BAD_CLUSTER_DATAGRAM
        # Unanswered or not, it is heard: so a newcomer gets known, and is no stranger from then on.
        self._report(syn.digest, source, now)
        if self.peer_book is not None and not stranger:
            self.peer_book.answered(source, syn.digest, syn.stripe, now)
        if not self._may_answer(now, stranger):
            return None
        room = self.config.max_datagram_bytes - HEADER_BYTES
        stripe = self._stripes.for_answer(syn.stripe, room - DELTA_END_BYTES)
        digest = self._roster.encode_digest(stripe)
        room -= len(digest) + len(stripe.encode_trailer())
        delta = self._make_delta(syn.digest, syn.stripe, stripe, self._roster.births, room)
        self._exchanges.answered(source, now)
        self.counters["sent_syn_ack"] += 1
        return frame_syn_ack(digest, delta, stripe)

    def _receive_syn_ack(self, answer: SynAck, source: Address, now: float, stranger: bool) -> bytes | None:
        self.local_health.answered()
        syn = self._exchanges.syn_to(source, now)
        if syn is None and not self._takes_unsolicited():
            return None
        self._report(answer.digest, source, now)
        if self.peer_book is not None and not stranger:
            self.peer_book.replied(source, answer.digest, answer.stripe, now)
        self._apply(answer.delta, source, now)
        if not self._may_answer(now, stranger):
            return None
        births, stripe = (self._roster.births, answer.stripe) if syn is None else syn
        room = self.config.max_datagram_bytes - HEADER_BYTES
        delta = self._make_delta(answer.digest, answer.stripe, stripe, births, room)
        self.counters["sent_ack"] += 1
        return frame_ack(delta)

    def _report(self, digest: Digest, source: Address, now: float) -> None:
        """Take a digest's heartbeats as signs of life, and its unknown identities into the roster."""
        known = self._roster.known
        self.last_digest = digest
        # What waited while this node slept is read in one instant; intervals of nothing would make it impatient.
        arrival = self.detector.late_arrival if self._own_delay(now) else self.detector.arrival
        own = self.own
        for encoded, heartbeat in zip(digest.ids, digest.heartbeats, strict=True):
            state = known.get(encoded)
            if state is None:
                self._discover(encoded, heartbeat)
            elif heartbeat > state.heartbeat:
                if state is own:
                    self._outrun(heartbeat)
                elif state.heartbeat == 0:
                    state.heartbeat = heartbeat
                else:
                    state.heartbeat = heartbeat
                    arrival(state.liveness, now)
        self._check_own_versions(digest, source)

    def _discover(self, encoded: bytes, heartbeat: int) -> None:
        node = decode_node_id(encoded)
        if self._roster.remembers(node, heartbeat):
            self.counters["identities_collected_before"] += 1
            return
        state = self._create(node)
        if state is not None:
            state.heartbeat = heartbeat

    def _create(self, node: NodeId) -> NodeState | None:
        state = self._roster.create(node) if self._make_way(node) else None
        if state is None:
            self.counters["identities_over_limit"] += 1
        else:
            self._tell_membership(NodeJoined(node))
        return state

    def _make_way(self, node: NodeId) -> bool:
        """Whether there is room for one more generation of a node_id, if need be in its oldest dead one's place."""
        siblings = self._roster.generations(node.node_id)
        if len(siblings) < MAX_GENERATIONS:
            return True
        dead = [s for s in siblings if s is not self.own and not s.liveness.alive]
        oldest = min(dead, key=lambda s: s.id.generation, default=None)
        if oldest is None or oldest.id.generation > node.generation:
            return False
        self._roster.collect(oldest)
        self._tell_membership(NodeRemoved(oldest.id))
        return True

    def _outrun(self, heartbeat: int) -> None:
        if heartbeat < FORGED:
            self.own.heartbeat = heartbeat + 1

    def _check_own_versions(self, digest: Digest, source: Address) -> None:
        try:
            row = digest.ids.index(self.own.encoded)
        except ValueError:
            return
        if self._goodbye is not None and digest.max_versions[row] >= self._goodbye.version:
            self._told.add(source)
        self._overtake(max(digest.max_versions[row], digest.last_gc_versions[row]))

    def _overtake(self, version: int) -> None:
        if self.own.max_version < version < FORGED and not self._overtaken_this_round:
            self._overtaken_this_round = True
            self.own.overtake(version)
            self._events.append(OwnStateOvertaken(version))

    # -- deltas (section 4) ------------------------------------------------------------------------------------------

    def _make_delta(self, seen: Digest, seen_stripe: Stripe, listed_stripe: Stripe, births: int, room: int) -> bytes:
        """What a peer that showed `seen` lacks.

        The own side of the exchange listed the nodes of `listed_stripe` that were known when `births` was read.
        """
        writer = DeltaWriter(room)
        for state, from_version in stale_nodes(self._roster, seen, seen_stripe, listed_stripe, births, self._rng):
            writer.add_node(
                state.encoded, state.last_gc_version, from_version, state.newer_than(from_version), state.max_version
            )
        return writer.finish()

    def _apply(self, delta: list[NodeDelta], source: Address, now: float) -> None:
        reset: list[NodeId] = []
        for node_delta in delta:
            state = self._roster.known.get(node_delta.node.encoded)
            if state is None:
                self.counters["delta_unknown_node"] += 1
                continue
            if state is self.own:
                self._overtake(max(node_delta.max_version, node_delta.last_gc_version))
                continue
            from_owner = state.id.gossip_advertise_addr == source
            outcome, fresh = state.apply(node_delta, now, self.config.max_keys_per_node, from_owner=from_owner)
            self.counters["delta_" + outcome.name.lower()] += 1
            if fresh and state.liveness.alive and state.left:
                self._see_off(state, now)
            if outcome is Outcome.RESET:
                reset.append(state.id)
            if self.listeners:
                for kv in fresh:
                    self._tell_change(state, kv)
        if reset:
            self._events.append(CaughtUp(tuple(reset)))

    def _see_off(self, state: NodeState, now: float) -> None:
        """A node said goodbye: it is not waited for until the next evaluation."""
        state.liveness.alive = False
        state.liveness.dead_since = now
        self._tell_membership(NodeDead(state.id, left=True))

    def _tell_change(self, state: NodeState, kv: KeyValue) -> None:
        if kv.status != DELETE and self.listeners.wants(kv.key):
            self._events.append(KeyChanged(state.id, kv))

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
        Raises StateUpdateError where a version is not between 1 and `max_version`, where a key or version comes twice,
        and where the wire could not carry it.
        """
        if not (0 <= max_version <= U64_MAX and 0 <= last_gc_version <= U64_MAX):
            raise StateUpdateError("max_version and last_gc_version must be from 0 to 2^64 - 1")
        given: list[KeyValue] = []
        for key, value, version, status in key_values:
            if not 1 <= version <= max_version:
                raise StateUpdateError(f"key {key!r} has version {version}, not 1 to max_version = {max_version}")
            if max(len(key.encode()), len(value.encode())) > MAX_STRING_BYTES:
                raise StateUpdateError(f"key {key[:40]!r} or its value is longer than {MAX_STRING_BYTES} bytes")
            given.append(KeyValue.make(key, value, version, status))
        if len({kv.key for kv in given}) < len(given) or len({kv.version for kv in given}) < len(given):
            raise StateUpdateError("a key or a version is given twice")
        if node == self.own.id or self._roster.remembers(node):
            return False
        state = self._roster.known.get(node.encoded)
        if state is not None and (max_version <= state.max_version or max_version < state.last_gc_version):
            return False
        if state is None:
            state = self._create(node)
            if state is None:
                return False
        for kv in state.replace(given, max_version, last_gc_version, now):
            self._tell_change(state, kv)
        return True
