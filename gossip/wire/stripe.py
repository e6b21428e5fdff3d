"""Stripes of a digest, for clusters whose digest outgrows a datagram, and their trailer (gossip spec 9)."""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

MAX_STRIPE_BITS = 12
"""A digest is cut into at most 2^12 stripes."""

TRAILER_BYTES = 12
_TRAILER_MAGIC = b"COT1"
_TRAILER_VERSION = 1
_TRAILER = struct.Struct("<4sBBH")

_U32 = struct.Struct("<I")


class Stripe(NamedTuple):
    """The nodes whose `stripe_hash` ends in the bits of `number`. Zero `bits` mean all nodes."""

    bits: int
    number: int

    def holds(self, stripe_hash: int) -> bool:
        return stripe_hash & ((1 << self.bits) - 1) == self.number

    def within(self, other: Stripe) -> bool:
        """Whether every node of this stripe is in `other` too."""
        return self.bits >= other.bits and other.holds(self.number)

    def encode_trailer(self) -> bytes:
        """The 12 bytes after a striped message, which chitchat nodes ignore; empty for a whole digest."""
        if self.bits == 0:
            return b""
        head = _TRAILER.pack(_TRAILER_MAGIC, _TRAILER_VERSION, self.bits, self.number)
        return head + _U32.pack(crc32(head))

    @classmethod
    def decode_trailer(cls, tail: bytes) -> Stripe:
        """The stripe in the last 12 bytes of `tail`; WHOLE where they are no valid trailer."""
        if len(tail) >= TRAILER_BYTES:
            head = tail[-TRAILER_BYTES:-4]
            magic, version, bits, number = _TRAILER.unpack(head)
            if (
                magic == _TRAILER_MAGIC
                and version == _TRAILER_VERSION
                and tail[-4:] == _U32.pack(crc32(head))
                and 0 < bits <= MAX_STRIPE_BITS
                and number < 1 << bits
            ):
                return cls(bits, number)
        return WHOLE


WHOLE = Stripe(0, 0)
