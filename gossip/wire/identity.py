"""Addresses and node identities, with their encoding and order (gossip spec 1, 2).

An identity is the triple (node_id, generation, gossip_advertise_addr). Each carries its encoded form. The package uses
that byte string as the identity: reading a known node then costs a slice and a dictionary look-up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from zlib import crc32

from coterie.gossip.errors import WireError

MAX_ID_BYTES = 1024
"""The longest node id or cluster id of a node, in UTF-8 bytes (gossip spec 6)."""

U64_MAX = 2**64 - 1

FORGED_COUNTER = 2**62
"""No node counts so far: a heartbeat, version or generation from here on is forged, and refused from everybody."""

MAX_STRING_BYTES = 0xFFFF
"""The longest text that the wire carries, in UTF-8 bytes."""

_U16 = struct.Struct("<H")
_U64 = struct.Struct("<Q")


class Address(NamedTuple):
    """An IP address in its canonical text form, and a port, as sockets take and give them."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `ip:port` or `[ipv6]:port`. Raises ValueError with the fix in its message."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            ip = ip_address(host[1:-1] if bracketed else host)
        except ValueError:
            ip = None
        if ip is None or not colon or (ip.version == 6) != bracketed or getattr(ip, "scope_id", None):
            raise ValueError(f"{text!r} is not an address: write ip:port or [ipv6]:port, such as 127.0.0.1:10000")
        if not (port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
            raise ValueError(f"{text!r} has no port between 0 and 65535 after its last colon")
        return cls(str(ip), int(port))

    @property
    def packed(self) -> bytes:
        """The IP address as 4 or 16 bytes."""
        return ip_address(self.host).packed

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def encode_address(address: Address) -> bytes:
    """The end of each encoded identity that advertises it."""
    return _encode_address(address.packed, address.port)


def _encode_address(ip: bytes, port: int) -> bytes:
    return (b"\x04" if len(ip) == 4 else b"\x06") + ip + _U16.pack(port)


@dataclass(frozen=True, slots=True, eq=False)
class NodeId:
    """One identity of a node: a restart takes a higher generation. Equality, hash and order are those of the triple."""

    node_id: str
    generation: int
    gossip_advertise_addr: Address
    encoded: bytes = field(init=False, repr=False)
    sort_key: tuple[bytes, int, int, bytes, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = self.node_id.encode()
        ip = self.gossip_advertise_addr.packed
        port = self.gossip_advertise_addr.port
        encoded = b"".join((_U16.pack(len(name)), name, _U64.pack(self.generation), _encode_address(ip, port)))
        object.__setattr__(self, "encoded", encoded)
        object.__setattr__(self, "sort_key", (name, self.generation, len(ip), ip, port))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeId) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __lt__(self, other: NodeId) -> bool:
        return self.sort_key < other.sort_key

    @property
    def stripe_hash(self) -> int:
        """Assigns a node to its digest stripe (gossip spec 9): CRC-32 of the node_id in UTF-8."""
        return crc32(self.sort_key[0])


def node_id_end(buf: bytes, start: int) -> int:
    """The offset after the encoded identity that starts at `start`. Its text is not checked. Raises WireError."""
    try:
        tag_at = start + 10 + (buf[start] | buf[start + 1] << 8)
        tag = buf[tag_at]
    except IndexError:
        raise WireError("short", "the datagram ends inside a node id") from None
    if tag == 4:
        end = tag_at + 7
    elif tag == 6:
        end = tag_at + 19
    else:
        raise WireError("ip-version", f"the tag of an IP address is 4 or 6, not {tag}")
    if end > len(buf):
        raise WireError("short", "the datagram ends inside a node id")
    return end


def check_node_id(encoded: bytes) -> None:
    """Raise WireError where the text of a whole encoded identity is not UTF-8. Decoding takes ten times as long."""
    try:
        encoded[2 : 2 + (encoded[0] | encoded[1] << 8)].decode()
    except UnicodeDecodeError:
        raise WireError("utf-8", "a node id is not UTF-8") from None


def decode_node_id(encoded: bytes) -> NodeId:
    """Decode an identity. Raises WireError where its text is not UTF-8.

    Cached: peers go on listing identities that this node has removed or refuses. A long identity is
    not cached: such identities could fill memory.
    """
    return _decode_cached(encoded) if len(encoded) <= _MAX_CACHED_BYTES else _decode(encoded)


def _decode(encoded: bytes) -> NodeId:
    check_node_id(encoded)
    name_end = 2 + _U16.unpack_from(encoded)[0]
    tag_at = name_end + 8
    ip = encoded[tag_at + 1 : -2]
    name = str(encoded[2:name_end], "utf-8")
    address = Address(str(ip_address(ip)), _U16.unpack_from(encoded, len(encoded) - 2)[0])
    return NodeId(name, _U64.unpack_from(encoded, name_end)[0], address)


_MAX_CACHED_BYTES = 256
"""Longer than nearly every identity; a full cache of them takes some 20 MB."""

_decode_cached = lru_cache(maxsize=16_384)(_decode)
