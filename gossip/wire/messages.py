"""The four messages as datagrams, and the trailer of striped ones (gossip spec 2, 9, 11)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coterie.gossip.errors import WireError
from coterie.gossip.wire.delta import Known, NodeDelta, read_delta
from coterie.gossip.wire.digest import Digest, DigestEntry, DigestLayout, read_digest
from coterie.gossip.wire.stripe import WHOLE, Stripe

MAGIC = 45139
VERSIONS = (0, 1)
"""Wire versions, which differ in the digest alone. An answer has the version of what it answers."""

HEADER_BYTES = 4

_SYN, _SYN_ACK, _ACK, _BAD_CLUSTER = range(4)
_HEADER = struct.Struct("<HBB")
_U16 = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Syn:
    digest: Digest
    cluster_id: str
    stripe: Stripe = WHOLE
    version: int = 0


@dataclass(frozen=True, slots=True)
class SynAck:
    digest: Digest
    delta: list[NodeDelta] = field(default_factory=list)
    stripe: Stripe = WHOLE
    version: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    delta: list[NodeDelta] = field(default_factory=list)
    version: int = 0


@dataclass(frozen=True, slots=True)
class BadCluster:
    version: int = 0


Message = Syn | SynAck | Ack | BadCluster

KINDS: Mapping[type[Message], str] = {Syn: "syn", SynAck: "syn_ack", Ack: "ack", BadCluster: "bad_cluster"}
"""Short names, for counters and logs."""

_HEADERS = [[_HEADER.pack(MAGIC, version, kind) for kind in range(4)] for version in VERSIONS]


def frame_syn(version: int, digest: bytes, cluster_id: bytes, stripe: Stripe) -> bytes:
    return b"".join((_HEADERS[version][_SYN], digest, _U16.pack(len(cluster_id)), cluster_id, stripe.encode_trailer()))


def frame_syn_ack(version: int, digest: bytes, delta: bytes, stripe: Stripe) -> bytes:
    return b"".join((_HEADERS[version][_SYN_ACK], digest, delta, stripe.encode_trailer()))


def frame_ack(version: int, delta: bytes) -> bytes:
    return _HEADERS[version][_ACK] + delta


def frame_bad_cluster(version: int) -> bytes:
    return _HEADERS[version][_BAD_CLUSTER]


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes datagrams within bounds.

    `known`: what the reader holds, by encoded identity. `layout_of`: the expected layout of a stripe's digest.
    `only_wanted`: leave out the key-values that `known` does not want, and those of unknown nodes, unless the digest
    beside them introduces the node.
    """

    known: Mapping[bytes, Known] = field(default_factory=dict)
    layout_of: Callable[[Stripe], DigestLayout[DigestEntry] | None] = lambda _stripe: None
    max_delta_bytes: int = 1024 * 1024
    max_delta_ops: int = 8_192
    only_wanted: bool = False

    def decode(self, datagram: bytes) -> Message:
        """Raises WireError where the datagram is no message. Bytes after a complete message are ignored."""
        if len(datagram) < HEADER_BYTES:
            raise WireError("short", "a datagram is at least 4 bytes")
        magic, version, kind = _HEADER.unpack_from(datagram)
        if magic != MAGIC:
            raise WireError("magic", "the datagram does not start with the protocol's magic number")
        if version not in VERSIONS:
            raise WireError("version", f"a wire version is 0 or 1, not {version}")
        if kind == _SYN:
            return self._decode_syn(datagram, version)
        if kind == _SYN_ACK:
            digest, at = self._read_digest(datagram, version)
            delta, end = self._read_delta(datagram, at, digest.ids)
            return SynAck(digest, delta, Stripe.decode_trailer(datagram[end:]), version)
        if kind == _ACK:
            return Ack(self._read_delta(datagram, HEADER_BYTES, ())[0], version)
        if kind == _BAD_CLUSTER:
            return BadCluster(version)
        raise WireError("kind", f"the type of a message is 0 to 3, not {kind}")

    def _decode_syn(self, datagram: bytes, version: int) -> Syn:
        digest, at = self._read_digest(datagram, version)
        if at + 2 > len(datagram):
            raise WireError("short", "the datagram ends before the cluster id")
        end = at + 2 + _U16.unpack_from(datagram, at)[0]
        if end > len(datagram):
            raise WireError("short", "the datagram ends inside the cluster id")
        try:
            cluster_id = str(datagram[at + 2 : end], "utf-8")
        except UnicodeDecodeError:
            raise WireError("utf-8", "the cluster id is not UTF-8") from None
        return Syn(digest, cluster_id, Stripe.decode_trailer(datagram[end:]), version)

    def _read_digest(self, datagram: bytes, version: int) -> tuple[Digest, int]:
        # The trailer comes last; until the message is read it only hints at what the digest lists.
        hint = Stripe.decode_trailer(datagram)
        return read_digest(
            datagram, HEADER_BYTES, version, self.known, self.layout_of(hint), led_by_sender=hint.bits > 0
        )

    def _read_delta(self, datagram: bytes, at: int, listed: tuple[bytes, ...]) -> tuple[list[NodeDelta], int]:
        """`listed`: the digest beside the delta."""
        introduced = listed if self.only_wanted else None
        return read_delta(datagram, at, self.known, self.max_delta_bytes, self.max_delta_ops, introduced)
