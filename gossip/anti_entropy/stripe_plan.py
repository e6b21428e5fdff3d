"""Chooses the stripe of the digest to send, where the whole digest outgrows a datagram (gossip spec 9)."""

from __future__ import annotations

from collections import Counter

from coterie.gossip.state.node_table import DIGEST_COUNT_BYTES, NodeTable, entry_bytes
from coterie.gossip.wire.stripe import MAX_STRIPE_BITS, WHOLE, Stripe

RELAX_ROUNDS = 120
"""After this many rounds with fewer stripes, a new growth scales the detector's intervals again. Without the wait, a
cluster at the edge of a datagram would scale them at every step to and fro."""


class StripePlan:
    """How many stripes the own digest has, and which comes next."""

    def __init__(self, nodes: NodeTable, whole_limit: int, max_digest_bytes: int, version: int) -> None:
        """Limits in bytes. `whole_limit`: of a whole digest in a Syn, which has this wire `version`.
        `max_digest_bytes`: of a stripe.
        """
        self._nodes = nodes
        self._whole_limit = whole_limit
        self._max_digest_bytes = max_digest_bytes
        self._version = version
        self._turns: dict[tuple[Stripe, int], int] = {}
        self._measured_at = -1
        self._bits = 0
        self._interval_bits = 0
        self._relaxed_rounds = 0

    @property
    def bits(self) -> int:
        """The digest is cut into 2^bits stripes; 0 is the whole digest."""
        if self._nodes.revision != self._measured_at:
            self._measured_at = self._nodes.revision
            whole = self._nodes.digest_bytes(WHOLE, self._version)
            self._bits = 0 if whole <= self._whole_limit else self._fewest_bits()
        return self._bits

    @property
    def interval_factor(self) -> int:
        """How many times longer heartbeat intervals are expected to be than with whole digests."""
        return 1 << self._interval_bits

    def growth(self) -> int:
        """The power of two to multiply the detector's intervals by now. Called once a round."""
        grown = self.bits - self._interval_bits
        if grown >= 0:
            self._interval_bits += grown
            self._relaxed_rounds = 0
            return grown
        self._relaxed_rounds += 1
        if self._relaxed_rounds >= RELAX_ROUNDS:
            self._interval_bits = self._bits
        return 0

    def _fewest_bits(self) -> int:
        room = self._max_digest_bytes - DIGEST_COUNT_BYTES - entry_bytes(self._nodes.own)
        for bits in range(1, MAX_STRIPE_BITS):
            mask = (1 << bits) - 1
            sizes = Counter[int]()
            for state in self._nodes.listed:
                sizes[state.stripe_hash & mask] += entry_bytes(state)
            if max(sizes.values()) <= room:
                return bits
        return MAX_STRIPE_BITS

    def next_syn(self) -> Stripe:
        """The stripe that the next Syn lists."""
        return self._turn(WHOLE, self.bits)

    def for_answer(self, asked: Stripe, room: int, version: int) -> Stripe:
        """The stripe that the answer to a Syn of stripe `asked` lists: the same, or a finer one if need be.

        A whole digest may take `room` bytes.
        """
        stripe, bits = asked, asked.bits
        while bits < MAX_STRIPE_BITS:
            if self._nodes.digest_bytes(stripe, version) <= (self._max_digest_bytes if stripe.bits else room):
                break
            bits += 1
            stripe = self._turn(asked, bits)
        return stripe

    def _turn(self, within: Stripe, bits: int) -> Stripe:
        """The next stripe of `bits` bits within another, in turn."""
        if bits == within.bits:
            return within
        turn = self._turns.get((within, bits), 0)
        self._turns[within, bits] = (turn + 1) % (1 << (bits - within.bits))
        return Stripe(bits, within.number | turn << within.bits)
