"""The handshake of two nodes: Syn, SynAck and Ack, or BadCluster (gossip spec 3, gossip spec 9, gossip spec 10).

Here are their order, their sizes, and who is answered at all; what they carry is the reconciler's.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from coterie.gossip.anti_entropy.exchange_stats import PeerBook
from coterie.gossip.anti_entropy.pending_handshakes import Exchanges
from coterie.gossip.anti_entropy.reconciler import Reconciler
from coterie.gossip.anti_entropy.stripe_plan import StripePlan
from coterie.gossip.anti_entropy.token_bucket import TokenBucket
from coterie.gossip.config import GossipConfig
from coterie.gossip.errors import WireError
from coterie.gossip.events.event_queue import EventQueue
from coterie.gossip.events.events import DatagramRejected, WrongCluster
from coterie.gossip.failure_detection.local_health import LocalHealth
from coterie.gossip.state.node_table import Roster
from coterie.gossip.wire.identity import Address
from coterie.gossip.wire.messages import (
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
from coterie.gossip.wire.stripe import Stripe

Datagram = tuple[Address, bytes]
"""Where to, and what."""

DELTA_END_BYTES = 1


class Handshake:
    """Opens exchanges, and answers those that others open."""

    def __init__(
        self,
        config: GossipConfig,
        roster: Roster,
        reconciler: Reconciler,
        local_health: LocalHealth,
        events: EventQueue,
        now: float,
    ) -> None:
        self._config = config
        self._roster = roster
        self._reconciler = reconciler
        self._local_health = local_health
        self._events = events
        self._counters = events.counters
        self._cluster_id = config.cluster_id.encode()
        syn_overhead = HEADER_BYTES + 2 + len(self._cluster_id)
        self.stripes = StripePlan(roster, config.max_datagram_bytes - syn_overhead, config.max_digest_bytes)
        self._decoder = Decoder(roster.known, roster.layout, config.max_delta_bytes, config.max_delta_ops)
        self._strangers = TokenBucket(config.stranger_bytes_per_second, now)
        self._exchanges = Exchanges(config.reply_window)
        self.peer_book: PeerBook | None = None

    def open(self, peers: Iterable[Address], now: float) -> list[Datagram]:
        """A Syn for each."""
        syns: dict[Stripe, bytes] = {}
        sent: list[Datagram] = []
        for peer in peers:
            stripe = self.stripes.next_syn()
            if stripe not in syns:
                syns[stripe] = frame_syn(self._roster.encode_digest(stripe), self._cluster_id, stripe)
            self._exchanges.opened(peer, now, self._roster.births, stripe)
            self._counters["sent_syn"] += 1
            if self.peer_book is not None:
                self.peer_book.opened(peer, now)
            sent.append((peer, syns[stripe]))
        return sent

    def forget_before(self, now: float) -> None:
        """Once a round: drop the exchanges that are over."""
        self._exchanges.forget_before(now)

    def receive(self, datagram: bytes, source: Address, seeds: Container[Address], now: float) -> list[Datagram]:
        """Take a datagram: what to send in answer. Bytes that are no message are counted and dropped."""
        stranger = not self._roster.has_address(source) and source not in seeds
        try:
            message = self._decoder.decode(datagram)
        except WireError as error:
            self._counters["rejected_" + error.reason] += 1
            self._events.put(DatagramRejected(source, error.reason, str(error)))
            return []
        self._counters["received_" + KINDS[type(message)]] += 1
        self._roster.own.heartbeat += 1
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
                    self._reconciler.take_delta(message.delta, source, now)
            case BadCluster():
                answer = None
                self._events.put(WrongCluster(source, None))
        if answer is not None and stranger:
            self._strangers.take(len(answer), now)
        return answer

    def _takes_unsolicited(self) -> bool:
        self._counters["unsolicited"] += 1
        return not self._config.drop_unsolicited

    def _may_answer(self, now: float, stranger: bool) -> bool:
        """Answers to addresses of no known node and no seed share a budget."""
        if stranger and self._strangers.is_spent(now):
            self._counters["strangers_unanswered"] += 1
            return False
        return True

    def _receive_syn(self, syn: Syn, source: Address, now: float, stranger: bool) -> bytes | None:
        if syn.cluster_id != self._config.cluster_id:
            self._events.put(WrongCluster(source, syn.cluster_id))
            if not self._may_answer(now, stranger):
                return None
            self._counters["sent_bad_cluster"] += 1
            return BAD_CLUSTER_DATAGRAM
        # Unanswered or not, it is heard: so a newcomer gets known, and is no stranger from then on.
        self._reconciler.take_digest(syn.digest, source, now)
        if self.peer_book is not None and not stranger:
            self.peer_book.answered(source, syn.digest, syn.stripe, now)
        if not self._may_answer(now, stranger):
            return None
        room = self._config.max_datagram_bytes - HEADER_BYTES
        stripe = self.stripes.for_answer(syn.stripe, room - DELTA_END_BYTES)
        digest = self._roster.encode_digest(stripe)
        room -= len(digest) + len(stripe.encode_trailer())
        delta = self._reconciler.make_delta(syn.digest, syn.stripe, stripe, self._roster.births, room)
        self._exchanges.answered(source, now)
        self._counters["sent_syn_ack"] += 1
        return frame_syn_ack(digest, delta, stripe)

    def _receive_syn_ack(self, answer: SynAck, source: Address, now: float, stranger: bool) -> bytes | None:
        self._local_health.answered()
        syn = self._exchanges.syn_to(source, now)
        if syn is None and not self._takes_unsolicited():
            return None
        self._reconciler.take_digest(answer.digest, source, now)
        if self.peer_book is not None and not stranger:
            self.peer_book.replied(source, answer.digest, answer.stripe, now)
        self._reconciler.take_delta(answer.delta, source, now)
        if not self._may_answer(now, stranger):
            return None
        births, stripe = (self._roster.births, answer.stripe) if syn is None else syn
        room = self._config.max_datagram_bytes - HEADER_BYTES
        delta = self._reconciler.make_delta(answer.digest, answer.stripe, stripe, births, room)
        self._counters["sent_ack"] += 1
        return frame_ack(delta)
