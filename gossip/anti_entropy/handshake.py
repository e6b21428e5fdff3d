"""The handshake of two nodes: Syn, SynAck and Ack, or BadCluster (gossip spec 3, 9, 10).

This module decides their order, their sizes and which peers get an answer; the reconciler makes their content.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from coterie.gossip.anti_entropy.handshake_stats import HandshakeStats
from coterie.gossip.anti_entropy.pending_handshakes import PendingHandshakes
from coterie.gossip.anti_entropy.reconciler import Reconciler
from coterie.gossip.anti_entropy.stripe_plan import StripePlan
from coterie.gossip.anti_entropy.token_bucket import TokenBucket
from coterie.gossip.config import GossipConfig
from coterie.gossip.errors import WireError
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import DatagramRejected, WrongCluster
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.state.node_table import NodeTable
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.messages import (
    HEADER_BYTES,
    KINDS,
    Ack,
    BadCluster,
    Decoder,
    Message,
    Syn,
    SynAck,
    frame_ack,
    frame_bad_cluster,
    frame_syn,
    frame_syn_ack,
)
from coterie.gossip.wire.stripe import Stripe

Datagram = tuple[Address, bytes]
"""Destination and bytes."""

DELTA_END_BYTES = 1


class Handshake:
    """Opens handshakes, and answers those that others open."""

    def __init__(
        self,
        config: GossipConfig,
        nodes: NodeTable,
        reconciler: Reconciler,
        local_health: LocalHealth,
        events: EventQueue,
        now: float,
    ) -> None:
        self._config = config
        self._nodes = nodes
        self._reconciler = reconciler
        self._local_health = local_health
        self._events = events
        self._counters = events.counters
        self._cluster_id = config.cluster_id.encode()
        syn_overhead = HEADER_BYTES + 2 + len(self._cluster_id)
        self._syn_room = config.max_datagram_bytes - syn_overhead
        self.stripes = StripePlan(nodes, self._syn_room, config.max_digest_bytes, config.protocol_version)
        self._decoder = Decoder(nodes.known, nodes.layout, config.max_delta_bytes, config.max_delta_ops, True)
        self._strangers = TokenBucket(config.stranger_bytes_per_second, now)
        self._pending = PendingHandshakes(config.reply_window)
        self.handshake_stats: HandshakeStats | None = None

    def open(self, peers: Iterable[Address], now: float) -> list[Datagram]:
        """Make a Syn for each peer."""
        syns: dict[Stripe, tuple[Stripe, bytes]] = {}
        sent: list[Datagram] = []
        version = self._config.protocol_version
        for peer in peers:
            due = self.stripes.next_syn()
            if due not in syns:
                stripe, digest = self._digest(due, self._syn_room, version)
                syns[due] = stripe, frame_syn(version, digest, self._cluster_id, stripe)
            stripe, syn = syns[due]
            self._pending.sent_syn(peer, now, self._nodes.next_join_sequence, stripe)
            self._counters["sent_syn"] += 1
            if self.handshake_stats is not None:
                self.handshake_stats.record_syn_sent(peer, now)
            sent.append((peer, syn))
        return sent

    def _digest(self, asked: Stripe, room: int, version: int) -> tuple[Stripe, bytes]:
        """The digest of a stripe, or of a finer one where that takes more than `room` bytes."""
        while True:
            stripe = self.stripes.for_answer(asked, room, version)
            digest = self._nodes.encode_digest(stripe, version)
            # Only of a whole digest in version 1 is the size known once it is encoded: then a stripe is next.
            if len(digest) <= room or stripe.bits:
                return stripe, digest

    def expire_pending(self, now: float) -> None:
        """Drop handshakes that no answer can complete any more. Called once a round."""
        self._pending.expire(now)

    def is_stranger(self, source: Address, seeds: Container[Address]) -> bool:
        """Whether a source is neither a seed nor a known node's address that answered a Syn of this node."""
        return not self._nodes.is_proven(source) and source not in seeds

    def receive(self, datagram: bytes, source: Address, seeds: Container[Address], now: float) -> list[Datagram]:
        """Handle a datagram; returns the answer. Bytes that are no message are counted and dropped."""
        stats = self.handshake_stats if self._nodes.has_address(source) or source in seeds else None
        try:
            message = self._decoder.decode(datagram)
        except WireError as error:
            self._counters["rejected_" + error.reason] += 1
            self._events.put(DatagramRejected(source, error.reason, str(error)))
            return []
        self._counters["received_" + KINDS[type(message)]] += 1
        self._nodes.own.heartbeat += 1
        answer = self._answer(message, source, now, self.is_stranger(source, seeds), stats)
        return [] if answer is None else [(source, answer)]

    def _answer(
        self, message: Message, source: Address, now: float, stranger: bool, stats: HandshakeStats | None
    ) -> bytes | None:
        match message:
            case Syn():
                answer = self._receive_syn(message, source, now, stranger, stats)
            case SynAck():
                answer = self._receive_syn_ack(message, source, now, stranger, stats)
            case Ack():
                answer = None
                if self._pending.expects_ack(source, now) or self._takes_unsolicited():
                    self._reconciler.apply_delta(message.delta, source, now)
            case BadCluster():
                answer = None
                self._events.put(WrongCluster(source, None))
        if answer is not None and stranger:
            self._strangers.spend(len(answer), now)
        return answer

    def _takes_unsolicited(self) -> bool:
        self._counters["unsolicited"] += 1
        return not self._config.drop_unsolicited

    def _may_answer(self, now: float, stranger: bool) -> bool:
        """Answers to strangers share a token bucket."""
        if stranger and self._strangers.is_empty(now):
            self._counters["strangers_unanswered"] += 1
            return False
        return True

    def _receive_syn(
        self, syn: Syn, source: Address, now: float, stranger: bool, stats: HandshakeStats | None
    ) -> bytes | None:
        if syn.cluster_id != self._config.cluster_id:
            self._events.put(WrongCluster(source, syn.cluster_id))
            if not self._may_answer(now, stranger):
                return None
            self._counters["sent_bad_cluster"] += 1
            return frame_bad_cluster(syn.version)
        # The digest counts even where no answer follows: so a newcomer becomes known.
        self._reconciler.receive_digest(syn.digest, source, now, stranger=stranger)
        if stats is not None:
            stats.record_syn(source, syn.digest, syn.stripe, now)
        if not self._may_answer(now, stranger):
            return None
        room = self._config.max_datagram_bytes - HEADER_BYTES
        stripe, digest = self._digest(syn.stripe, room - DELTA_END_BYTES, syn.version)
        room -= len(digest) + len(stripe.encode_trailer())
        delta = self._reconciler.compute_delta(syn.digest, syn.stripe, stripe, self._nodes.next_join_sequence, room)
        self._pending.sent_syn_ack(source, now)
        self._counters["sent_syn_ack"] += 1
        return frame_syn_ack(syn.version, digest, delta, stripe)

    def _receive_syn_ack(
        self, answer: SynAck, source: Address, now: float, stranger: bool, stats: HandshakeStats | None
    ) -> bytes | None:
        self._local_health.probe_answered(source)
        syn = self._pending.syn_to(source, now)
        if syn is None and not self._takes_unsolicited():
            return None
        self._reconciler.receive_digest(answer.digest, source, now, stranger=stranger and syn is None)
        if syn is not None:
            self._nodes.prove(source)
        if stats is not None:
            stats.record_syn_ack(source, answer.digest, answer.stripe, now)
        self._reconciler.apply_delta(answer.delta, source, now)
        if not self._may_answer(now, stranger):
            return None
        next_join_sequence, stripe = (self._nodes.next_join_sequence, answer.stripe) if syn is None else syn
        room = self._config.max_datagram_bytes - HEADER_BYTES
        delta = self._reconciler.compute_delta(answer.digest, answer.stripe, stripe, next_join_sequence, room)
        self._counters["sent_ack"] += 1
        return frame_ack(answer.version, delta)
